//! Compose files: the `image` of each service, with the defaults that its variables have.

use std::sync::Arc;

use crate::text::diagnostics::{Problem, SourceFile};
use crate::text::yaml::{self, YamlNode};

use super::variables::replaced;
use super::{FoundImage, NotAnImage};

/// The images of a compose file.
pub(super) fn find(file: &Arc<SourceFile>) -> Result<Vec<FoundImage>, Problem> {
    let documents = yaml::parse(file)?;
    let services = documents.iter().filter_map(|document| document.get("services"));
    Ok(services.flat_map(|services| services.entries()).filter_map(|(_, service)| of_service(file, service)).collect())
}

/// The `image` of a service of a compose file.
pub fn of_service(file: &SourceFile, service: &YamlNode) -> Option<FoundImage> {
    let node = service.get("image")?;
    let mut mention = FoundImage::of(file, node, replaced(node.text()?, |_| None));
    // Beside `build`, it is the name of what comes out.
    if service.get("build").is_some() {
        mention.image = Err(NotAnImage::None("it is built here"));
    }
    Some(mention)
}

#[cfg(test)]
mod tests {
    use crate::formats::find::tests::check;

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
        check("compose.yml", "services: [\n", &["1 ! invalid YAML: unclosed bracket '['"]);
    }
}
