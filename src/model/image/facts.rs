//! Facts about an image from its manifest and configuration, by which two images are compared.
//!
//! All text is the image's own and untrusted: escape it for output.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::Timestamp;

use super::{Digest, Platform};

/// Facts about an image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageFacts {
    /// The manifests that run: children of an index without attestations, or the image itself.
    pub manifests: BTreeSet<Digest>,
    /// The image's platforms.
    pub platforms: BTreeSet<Platform>,
    /// The layers of the manifest that describes the image.
    pub layers: Vec<Layer>,
    /// The declared version.
    pub version: Option<String>,
    /// The build time.
    pub created: Option<Timestamp>,
    /// The source and base image it was built from.
    pub origin: BuildOrigin,
    /// The runtime configuration; `None` if it could not be read.
    pub runtime: Option<RuntimeConfig>,
    /// The other labels.
    pub labels: BTreeMap<String, String>,
}

/// A layer of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// The layer's digest.
    pub digest: Digest,
    /// The compressed size in bytes.
    pub size: u64,
}

/// Source and base image, as declared by labels (OCI Image Specification 1.1, "Pre-Defined Annotation Keys").
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BuildOrigin {
    /// The source repository.
    pub source: Option<String>,
    /// The source revision.
    pub revision: Option<String>,
    /// The base image.
    pub base: BaseImage,
}

/// A base image, as declared by labels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BaseImage {
    /// The reference.
    pub name: Option<String>,
    /// The digest.
    pub digest: Option<String>,
}

/// Runtime configuration of an image (OCI Image Specification 1.1, "Image Configuration", `config`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuntimeConfig {
    /// User; empty for root.
    pub user: String,
    /// Entry point.
    pub entrypoint: Vec<String>,
    /// Command, or default arguments of the entry point.
    pub command: Vec<String>,
    /// Working directory.
    pub working_dir: String,
    /// Environment variables.
    pub environment: BTreeMap<String, String>,
    /// Exposed ports, e.g. `8080/tcp`.
    pub ports: BTreeSet<String>,
}

impl fmt::Display for BaseImage {
    /// Formats the reference and the start of the digest, as declared.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name.as_deref().unwrap_or_default())?;
        let Some(digest) = &self.digest else { return Ok(()) };
        let hex = digest.split_once(':').map_or(digest.as_str(), |(_, hex)| hex);
        write!(f, "@{}", hex.get(..12).unwrap_or(hex))
    }
}

impl ImageFacts {
    /// Returns the total size of the layers in bytes; `None` if they are unknown.
    pub fn size(&self) -> Option<u64> {
        (!self.layers.is_empty()).then(|| self.layers.iter().map(|layer| layer.size).fold(0, u64::saturating_add))
    }
}

impl RuntimeConfig {
    /// Returns true if the image runs as root.
    pub fn is_root(&self) -> bool {
        let user = self.user.split(':').next().unwrap_or_default().trim();
        matches!(user, "" | "root" | "0")
    }

    /// Returns the version in the environment of an image called `name`, such as `PYTHON_VERSION` of `python`. The
    /// names of variables are those of Docker's official images.
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
