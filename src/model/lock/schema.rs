//! The JSON schema of `pinstream.lock`, for other programs. Never used for reading or writing.

#![allow(dead_code, reason = "only the schema is used")]

use schemars::JsonSchema;

/// The pin of every tag. Written by pinstream only.
#[derive(JsonSchema)]
#[schemars(rename = "Lock", deny_unknown_fields)]
struct LockFile {
    /// Version of the format.
    #[schemars(range(min = 1, max = 1))]
    version: u32,
    /// Pins, sorted by stream and tag.
    pin: Option<Vec<PinEntry>>,
}

/// A tag with its image and digest.
#[derive(JsonSchema)]
#[schemars(rename = "Pin", deny_unknown_fields)]
struct PinEntry {
    /// Name of the stream.
    stream: String,
    /// Name of the tag within the stream.
    tag: String,
    /// Tag it follows: `stream:tag`, or `remote//stream:tag` in another repository.
    follow: Option<String>,
    /// Image reference, as in the definitions.
    image: String,
    /// Pinned digest.
    #[schemars(regex(pattern = "^sha(256:[0-9a-f]{64}|512:[0-9a-f]{128})$"))]
    digest: String,
    /// Digest of the index, if `digest` is one platform's child of it.
    index: Option<String>,
    /// Version label of the image.
    version: Option<String>,
    /// Revision label of the image.
    revision: Option<String>,
    /// Creation time of the image, RFC 3339.
    created: Option<String>,
    /// Platforms of the image.
    platforms: Option<Vec<String>>,
    /// Earlier digests, newest first.
    #[schemars(length(max = 5))]
    previous: Option<Vec<String>>,
}

/// Returns the JSON schema of `pinstream.lock`.
pub fn schema() -> serde_json::Value {
    crate::text::toml::schema::<LockFile>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::lock::{KEYS, PREVIOUS_MAX};

    #[test]
    fn the_schema_has_the_keys_of_a_pin() {
        let schema = schema();
        let pin = &schema["$defs"]["Pin"];
        let mut keys: Vec<&str> = pin["properties"].as_object().unwrap().keys().map(String::as_str).collect();
        let mut known = KEYS.to_vec();
        keys.sort_unstable();
        known.sort_unstable();
        assert_eq!(keys, known);
        assert_eq!(pin["required"], serde_json::json!(["stream", "tag", "image", "digest"]));
        assert_eq!(pin["properties"]["previous"]["maxItems"], PREVIOUS_MAX);
        assert!(!schema.to_string().contains("\"default\""), "{schema}");
    }
}
