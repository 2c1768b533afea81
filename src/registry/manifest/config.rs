//! Image configurations: what an image says of itself.
//!
//! Only what a lock shows is read; an unknown key is left alone, a known one of the wrong kind is an error.
//! Source: OCI Image Specification 1.1, "Image Configuration".

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::json::Json;
use crate::image::Platform;
use crate::registry::text::plain;
use crate::registry::{FailureKind, ImportError};

/// What an image's configuration says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// What it runs on; none where it does not say both system and processor.
    pub platform: Option<Platform>,
    /// When it was built, as far as it says so in RFC 3339.
    pub created: Option<Timestamp>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

impl Config {
    /// Reads a configuration.
    ///
    /// # Errors
    /// [`FailureKind::Integrity`] where it is not strict JSON, or a key that is read holds the wrong kind of value.
    pub fn read(bytes: &[u8]) -> Result<Self, ImportError> {
        Self::read_strictly(bytes).map_err(|what| {
            ImportError::new(
                FailureKind::Integrity,
                format!("the image's configuration cannot be read: {}", plain(&what)),
            )
        })
    }

    fn read_strictly(bytes: &[u8]) -> Result<Self, String> {
        let object = Json::read_object(bytes)?;
        object.fields(&["os", "architecture", "variant", "created", "config"])?;
        let platform = match (object.text("os")?, object.text("architecture")?) {
            (Some(os), Some(architecture)) if !os.is_empty() && !architecture.is_empty() => {
                super::platform(os, architecture, object.text("variant")?)
            }
            _ => None,
        };
        let created = object.text("created")?.and_then(|text| text.parse().ok());
        let labels = match object.object("config")? {
            Some(config) => {
                config.fields(&["Labels"])?;
                config.texts("Labels")?
            }
            None => BTreeMap::new(),
        };
        Ok(Self { platform, created, labels })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn platform_creation_and_labels_are_read_and_the_rest_left_alone() {
        let config = Config::read(
            br#"{"os": "linux", "architecture": "arm", "variant": "v7", "created": "2026-10-01T08:12:44.5Z",
                "config": {"Labels": {"a": "b"}, "Env": ["x=y"]}, "rootfs": {"type": "layers"}, "history": null}"#,
        );
        let config = config.unwrap();
        assert_eq!(config.platform.unwrap().to_string(), "linux/arm/v7");
        assert_eq!(config.created.unwrap().to_string(), "2026-10-01T08:12:44.5Z");
        assert_eq!(config.labels, BTreeMap::from([("a".to_owned(), "b".to_owned())]));
    }

    #[test]
    fn a_configuration_that_says_nothing_is_empty() {
        for text in
            ["{}", r#"{"os": "", "architecture": ""}"#, r#"{"config": null}"#, r#"{"config": {"Labels": null}}"#]
        {
            let config = Config::read(text.as_bytes()).unwrap();
            assert_eq!(config, Config { platform: None, created: None, labels: BTreeMap::new() }, "{text}");
        }
    }

    #[test]
    fn what_is_not_strict_is_refused() {
        for text in [
            "",
            "[]",
            "{} {}",
            r#"{"os": 1}"#,
            r#"{"os": "a", "os": "b"}"#,
            r#"{"config": {"labels": {}}}"#,
            r#"{"OS": "a"}"#,
        ] {
            assert_eq!(Config::read(text.as_bytes()).unwrap_err().kind, FailureKind::Integrity, "{text}");
        }
    }
}
