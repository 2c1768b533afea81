//! What is known of an image from its manifest and its configuration: all by which two of them are compared.
//!
//! Texts in it are the image's own and not to be trusted: whoever prints one escapes it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::Timestamp;

use super::{Digest, Platform};

/// What is known of an image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageFacts {
    /// The manifests of what runs: the children of an index that are no attestations, or the image itself.
    pub manifests: BTreeSet<Digest>,
    /// The platforms it runs on.
    pub platforms: BTreeSet<Platform>,
    /// The layers of the one that describes it.
    pub layers: Vec<Layer>,
    /// The version it says it is.
    pub version: Option<String>,
    /// When it was built.
    pub created: Option<Timestamp>,
    /// Where it was built from.
    pub origin: BuildOrigin,
    /// How it runs; none where its configuration could not be read.
    pub runtime: Option<RuntimeConfig>,
    /// Its other labels.
    pub labels: BTreeMap<String, String>,
}

/// A layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// Its digest.
    pub digest: Digest,
    /// Its size as it is kept in a registry, in bytes.
    pub size: u64,
}

/// Where an image was built from, as its labels say (OCI Image Specification 1.1, "Pre-Defined Annotation Keys").
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BuildOrigin {
    /// The repository of its source.
    pub source: Option<String>,
    /// The revision there.
    pub revision: Option<String>,
    /// The image it was built upon.
    pub base: BaseImage,
}

/// The image that another one was built upon.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BaseImage {
    /// Its name.
    pub name: Option<String>,
    /// Its digest.
    pub digest: Option<String>,
}

/// How an image runs (OCI Image Specification 1.1, "Image Configuration", `config`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuntimeConfig {
    /// As whom; empty for root.
    pub user: String,
    /// The program that is always run.
    pub entrypoint: Vec<String>,
    /// The program, or what the entry point is given unless something else is.
    pub command: Vec<String>,
    /// In which folder.
    pub working_dir: String,
    /// The environment.
    pub environment: BTreeMap<String, String>,
    /// The ports, as `8080/tcp`.
    pub ports: BTreeSet<String>,
}

impl fmt::Display for BaseImage {
    /// Name and the beginning of the digest, as the labels have them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name.as_deref().unwrap_or_default())?;
        let Some(digest) = &self.digest else { return Ok(()) };
        let hex = digest.split_once(':').map_or(digest.as_str(), |(_, hex)| hex);
        write!(f, "@{}", hex.get(..12).unwrap_or(hex))
    }
}

impl ImageFacts {
    /// The size of its layers in bytes; none where they are not known.
    pub fn size(&self) -> Option<u64> {
        (!self.layers.is_empty()).then(|| self.layers.iter().map(|layer| layer.size).fold(0, u64::saturating_add))
    }
}

impl RuntimeConfig {
    /// Whether it runs as root.
    pub fn is_root(&self) -> bool {
        let user = self.user.split(':').next().unwrap_or_default().trim();
        matches!(user, "" | "root" | "0")
    }

    /// The version that an image called `name` says it is in its environment, as `python` does in `PYTHON_VERSION`.
    /// The variables are those of Docker's official images.
    pub fn version(&self, name: &str) -> Option<&str> {
        let usual = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
        let own = match name {
            "postgres" => "PG_VERSION".to_owned(),
            "openjdk" | "eclipse-temurin" | "amazoncorretto" => "JAVA_VERSION".to_owned(),
            _ => format!("{}_VERSION", name.chars().map(usual).collect::<String>()),
        };
        self.environment.get(&own).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, variable: &str, expected: Option<&str>) {
        let environment = BTreeMap::from([(variable.to_owned(), "1.2.3".to_owned())]);
        assert_eq!(
            RuntimeConfig { environment, ..RuntimeConfig::default() }.version(name),
            expected,
            "{name} {variable}"
        );
    }

    #[test]
    fn an_environment_tells_the_version_of_the_image_that_it_is_named_after() {
        check("python", "PYTHON_VERSION", Some("1.2.3"));
        check("my-app", "MY_APP_VERSION", Some("1.2.3"));
        check("postgres", "PG_VERSION", Some("1.2.3"));
        check("eclipse-temurin", "JAVA_VERSION", Some("1.2.3"));
        check("python", "PIP_VERSION", None);
        check("app", "PYTHON_VERSION", None);
    }

    #[test]
    fn root_has_many_names() {
        let as_root = |user: &str| RuntimeConfig { user: user.to_owned(), ..RuntimeConfig::default() }.is_root();
        for user in ["", "root", "0", "0:0", "root:app"] {
            assert!(as_root(user), "{user}");
        }
        for user in ["app", "1001", "app:root", "65534:0"] {
            assert!(!as_root(user), "{user}");
        }
    }
}
