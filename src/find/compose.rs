//! Compose files: the `image` of each service, with the defaults that its variables have.

use std::sync::Arc;

use crate::problem::{Problem, SourceFile};
use crate::yaml;

use super::Mention;
use super::variables::replaced;

/// The images of a compose file.
pub(super) fn find(file: &Arc<SourceFile>) -> Result<Vec<Mention>, Problem> {
    let mut found = Vec::new();
    for document in yaml::documents(file)? {
        let Some(services) = document.get("services") else { continue };
        for (_, service) in services.entries() {
            let Some(node) = service.get("image") else { continue };
            let Some(written) = node.text() else { continue };
            let text = replaced(written, |_| None);
            let mut mention = Mention::of(file, node, text);
            // Beside `build`, it is the name of what comes out.
            if service.get("build").is_some() {
                mention.image = Err("it is built here".to_owned());
            }
            found.push(mention);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use crate::find::tests::check;

    #[test]
    fn services_name_images() {
        check(
            "compose.yaml",
            "x-base: &base\n  image: redis:7\nservices:\n  web: { image: \"nginx:1\", ports: [] }\n  cache:\n    <<: *base\n  \
             second: *base\n  own:\n    build: .\n    image: acme/own\n  db:\n    image: postgres:${VERSION:-16}\n  bad:\n    \
             image: ${IMAGE}\n  none: {}\n",
            &[
                "2 redis:7 = docker.io/library/redis:7",
                "4 nginx:1 = docker.io/library/nginx:1",
                "10 acme/own ! it is built here",
                "12 postgres:${VERSION:-16} = docker.io/library/postgres:16",
                "14 ${IMAGE} ! it has a variable without a value",
            ],
        );
        check("compose.yml", "version: '3'\n", &[]);
        check("compose.yml", "services: [\n", &["1 ! this is not YAML: unclosed bracket '['"]);
    }
}
