//! Compose files: the `image` of each service, with the defaults that its variables have.

use std::rc::Rc;
use std::sync::Arc;

use crate::problem::{Problem, SourceFile};
use crate::yaml::{self, Node};

use super::variables::replaced;
use super::{Mention, NoImage};

/// A service of a compose file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// Whether it has a `build`: its `image`, if any, is then the name of what comes out.
    pub is_built: bool,
    /// Its `image`.
    pub image: Option<Mention>,
}

/// The images of a compose file.
pub(super) fn find(file: &Arc<SourceFile>) -> Result<Vec<Mention>, Problem> {
    Ok(services(file)?.into_iter().filter_map(|service| service.image).collect())
}

/// The services of a compose file, in their order.
///
/// # Errors
/// Where it is no YAML.
pub fn services(file: &Arc<SourceFile>) -> Result<Vec<Service>, Problem> {
    let mut found = Vec::new();
    for document in yaml::documents(file)? {
        let Some(services) = document.get("services") else { continue };
        for (name, service) in services.entries() {
            let is_built = service.get("build").is_some();
            let mention = |node: &Rc<Node>| {
                let mut mention = Mention::of(file, node, replaced(node.text()?, |_| None));
                // Beside `build`, it is the name of what comes out.
                if is_built {
                    mention.image = Err(NoImage::None("it is built here"));
                }
                Some(mention)
            };
            let image = service.get("image").and_then(mention);
            found.push(Service { name: name.text().unwrap_or_default().to_owned(), is_built, image });
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
