//! Image configurations.
//!
//! Fields of a pin are parsed strictly: a wrong type is an error. Runtime settings are only shown to people: values of a
//! wrong type count as absent. Unknown keys are ignored. Source: OCI Image Specification 1.1, "Image Configuration".

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::json::{self, JsonError, JsonObject};
use super::parse::parse_platform;
use crate::model::image::facts::RuntimeConfig;
use crate::model::image::{Digest, Platform};
use crate::registry::ResolveError;
use crate::text::escape;

/// Number of environment variables or command arguments that are kept.
const ENTRIES_MAX: usize = 64;
/// Longest value that is kept whole, in bytes.
const TEXT_MAX: usize = 200;

/// Parsed configuration of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageConfig {
    /// Platform; none unless both operating system and architecture are given.
    pub platform: Option<Platform>,
    /// Build time; none if it is not RFC 3339.
    pub created: Option<Timestamp>,
    /// Labels of the image.
    pub labels: BTreeMap<String, String>,
    /// Runtime settings.
    pub runs: RuntimeConfig,
}

impl ImageConfig {
    /// Parses a configuration.
    ///
    /// # Errors
    /// `FailureKind::Integrity` if it is not strict JSON or a field has the wrong type.
    pub fn read(bytes: &[u8]) -> Result<Self, ResolveError> {
        Self::parse(bytes).map_err(|error| {
            ResolveError::integrity(format!("invalid image configuration: {}", escape::terminal(&error.to_string())))
        })
    }

    fn parse(bytes: &[u8]) -> Result<Self, JsonError> {
        let object = json::parse(bytes)?;
        let object = JsonObject(&object);
        object.check_spelling("os architecture variant created config")?;
        let platform = match (object.text("os")?, object.text("architecture")?) {
            (Some(os), Some(architecture)) if !os.is_empty() && !architecture.is_empty() => {
                parse_platform(os, architecture, object.text("variant")?)
            }
            _ => None,
        };
        let created = object.text("created")?.and_then(|text| text.parse().ok());
        let (labels, runs) = match object.object("config")? {
            Some(config) => {
                config.check_spelling("Labels")?;
                (config.texts("Labels")?, runtime(config))
            }
            None => Default::default(),
        };
        Ok(Self { platform, created, labels, runs })
    }
}

fn runtime(config: JsonObject<'_>) -> RuntimeConfig {
    let text = |key: &str| config.get(key).and_then(Value::as_str).map(short).unwrap_or_default();
    let ports = config.get("ExposedPorts").and_then(Value::as_object);
    let pair = |text: &str| text.split_once('=').map(|(name, value)| (short(name), short(value)));
    RuntimeConfig {
        user: text("User"),
        entrypoint: strings(config, "Entrypoint").map(short).collect(),
        command: strings(config, "Cmd").map(short).collect(),
        working_dir: text("WorkingDir"),
        environment: strings(config, "Env").filter_map(pair).collect(),
        ports: ports.into_iter().flat_map(Map::keys).take(ENTRIES_MAX).map(short).collect(),
    }
}

/// Returns the strings of a list, or a single string.
fn strings<'a>(config: JsonObject<'a>, key: &str) -> impl Iterator<Item = &'a str> {
    let list = match config.get(key) {
        Some(Value::Array(list)) => list.as_slice(),
        Some(text) => std::slice::from_ref(text),
        None => &[],
    };
    list.iter().filter_map(Value::as_str).take(ENTRIES_MAX)
}

/// Shortens a long text to its beginning and a digest that distinguishes it from others.
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
    use std::collections::BTreeSet;

    use super::*;
    use crate::registry::FailureKind;

    #[test]
    fn platform_creation_and_labels_are_parsed_and_the_rest_is_ignored() {
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
    fn long_values_are_shortened_and_stay_distinct() {
        let long = |end: &str| format!("{}{end}", "x".repeat(300));
        let text = |end: &str| format!(r#"{{"config": {{"Env": ["a={}"]}}}}"#, long(end));
        let of = |end: &str| ImageConfig::read(text(end).as_bytes()).unwrap().runs.environment["a"].clone();
        assert!(of("1").len() < TEXT_MAX && of("1") != of("2"), "{}", of("1"));
    }

    #[test]
    fn a_configuration_without_fields_is_empty() {
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
    fn a_configuration_that_is_not_strict_is_rejected() {
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
