//! Image configurations: what an image says of itself.
//!
//! What a lock shows is read strictly: a key of the wrong kind is an error. How the image runs is only told to people:
//! what of that is of the wrong kind counts as absent. Unknown keys are left alone.
//! Source: OCI Image Specification 1.1, "Image Configuration".

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::json::{JsonObject, JsonValue};
use crate::model::image::facts::RuntimeConfig;
use crate::model::image::{Digest, Platform};
use crate::registry::text::plain;
use crate::registry::{FailureKind, ResolveError};

/// The most entries of an environment, or words of a command, that are kept.
const ENTRIES_MAX: usize = 64;
/// The longest of these texts that is kept whole, in bytes.
const TEXT_MAX: usize = 200;

/// What an image's configuration says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageConfig {
    /// What it runs on; none where it does not say both system and processor.
    pub platform: Option<Platform>,
    /// When it was built, as far as it says so in RFC 3339.
    pub created: Option<Timestamp>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// How it runs.
    pub runs: RuntimeConfig,
}

impl ImageConfig {
    /// Reads a configuration.
    ///
    /// # Errors
    /// [`FailureKind::Integrity`] where it is not strict JSON, or a key that is read holds the wrong kind of value.
    pub fn read(bytes: &[u8]) -> Result<Self, ResolveError> {
        Self::read_strictly(bytes).map_err(|what| {
            ResolveError::new(
                FailureKind::Integrity,
                format!("the image's configuration cannot be read: {}", plain(&what)),
            )
        })
    }

    fn read_strictly(bytes: &[u8]) -> Result<Self, String> {
        let object = JsonValue::read_object(bytes)?;
        object.fields(&["os", "architecture", "variant", "created", "config"])?;
        let platform = match (object.text("os")?, object.text("architecture")?) {
            (Some(os), Some(architecture)) if !os.is_empty() && !architecture.is_empty() => {
                super::platform(os, architecture, object.text("variant")?)
            }
            _ => None,
        };
        let created = object.text("created")?.and_then(|text| text.parse().ok());
        let (labels, runs) = match object.object("config")? {
            Some(config) => {
                config.fields(&["Labels"])?;
                (config.texts("Labels")?, runs(config))
            }
            None => Default::default(),
        };
        Ok(Self { platform, created, labels, runs })
    }
}

fn runs(config: &JsonObject) -> RuntimeConfig {
    let text = |key: &str| match config.get(key) {
        Some(JsonValue::Text(text)) => short(text),
        _ => String::new(),
    };
    let ports = match config.get("ExposedPorts") {
        Some(JsonValue::Object(ports)) => ports.keys().take(ENTRIES_MAX).map(short).collect(),
        _ => BTreeSet::new(),
    };
    let pair = |text: String| text.split_once('=').map(|(name, value)| (short(name), short(value)));
    RuntimeConfig {
        user: text("User"),
        entrypoint: words(config, "Entrypoint").map(|word| short(&word)).collect(),
        command: words(config, "Cmd").map(|word| short(&word)).collect(),
        working_dir: text("WorkingDir"),
        environment: words(config, "Env").filter_map(pair).collect(),
        ports,
    }
}

/// The texts of a list, or a text alone.
fn words(config: &JsonObject, key: &str) -> impl Iterator<Item = String> {
    let list = match config.get(key) {
        Some(JsonValue::List(list)) => list.as_slice(),
        Some(text) => std::slice::from_ref(text),
        None => &[],
    };
    let text = |value: &JsonValue| match value {
        JsonValue::Text(text) => Some(text.clone()),
        _ => None,
    };
    let words: Vec<String> = list.iter().filter_map(text).take(ENTRIES_MAX).collect();
    words.into_iter()
}

/// A text of bearable length: of a longer one the beginning, and a digest by which it differs from others.
pub(crate) fn short(text: impl AsRef<str>) -> String {
    let text = text.as_ref();
    if text.len() <= TEXT_MAX {
        return text.to_owned();
    }
    let beginning: String = text.chars().take(TEXT_MAX / 4).collect();
    format!("{beginning}… ({})", Digest::sha256(text.as_bytes()).short())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn platform_creation_and_labels_are_read_and_the_rest_left_alone() {
        let config = ImageConfig::read(
            br#"{"os": "linux", "architecture": "arm", "variant": "v7", "created": "2026-10-01T08:12:44.5Z",
                "config": {"Labels": {"a": "b"}, "Env": ["x=y", "z"], "Cmd": "sh", "User": 7,
                           "Entrypoint": ["a", "b"], "ExposedPorts": {"80/tcp": {}}}, "rootfs": {"type": "layers"}, "history": null}"#,
        );
        let config = config.unwrap();
        assert_eq!(config.platform.unwrap().to_string(), "linux/arm/v7");
        assert_eq!(config.created.unwrap().to_string(), "2026-10-01T08:12:44.5Z");
        assert_eq!(config.labels, BTreeMap::from([("a".to_owned(), "b".to_owned())]));
        let expected = RuntimeConfig {
            entrypoint: vec!["a".to_owned(), "b".to_owned()],
            command: vec!["sh".to_owned()],
            environment: BTreeMap::from([("x".to_owned(), "y".to_owned())]),
            ports: BTreeSet::from(["80/tcp".to_owned()]),
            ..RuntimeConfig::default()
        };
        assert_eq!(config.runs, expected);
    }

    #[test]
    fn long_texts_are_kept_short_and_told_apart() {
        let long = |end: &str| format!("{}{end}", "x".repeat(300));
        let text = |end: &str| format!(r#"{{"config": {{"Env": ["a={}"]}}}}"#, long(end));
        let of = |end: &str| ImageConfig::read(text(end).as_bytes()).unwrap().runs.environment["a"].clone();
        assert!(of("1").len() < TEXT_MAX && of("1") != of("2"), "{}", of("1"));
    }

    #[test]
    fn a_configuration_that_says_nothing_is_empty() {
        for text in
            ["{}", r#"{"os": "", "architecture": ""}"#, r#"{"config": null}"#, r#"{"config": {"Labels": null}}"#]
        {
            let config = ImageConfig::read(text.as_bytes()).unwrap();
            let expected =
                ImageConfig { platform: None, created: None, labels: BTreeMap::new(), runs: RuntimeConfig::default() };
            assert_eq!(config, expected, "{text}");
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
            assert_eq!(ImageConfig::read(text.as_bytes()).unwrap_err().kind, FailureKind::Integrity, "{text}");
        }
    }
}
