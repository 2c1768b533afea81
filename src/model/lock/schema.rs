//! The JSON schema of `pinstream.lock`, for who reads it with other programs. Nothing is read or written by it.

#![allow(dead_code, reason = "the fields stand for their schema alone")]

use schemars::JsonSchema;

/// What every tag is pinned to. Written by pinstream alone.
#[derive(JsonSchema)]
#[schemars(rename = "Lock", deny_unknown_fields)]
struct LockFile {
    /// The version of the format.
    #[schemars(range(min = 1, max = 1))]
    version: u32,
    /// The pins, in the order of streams and tags.
    #[schemars(default)]
    pin: Vec<PinEntry>,
}

/// A tag, the image it was found at, and the digest it stands at.
#[derive(JsonSchema)]
#[schemars(rename = "Pin", deny_unknown_fields)]
struct PinEntry {
    /// The stream.
    stream: String,
    /// The tag's name within it.
    tag: String,
    /// The tag it follows, `stream:tag`; of another repository, `remote//stream:tag`.
    #[schemars(default)]
    follow: String,
    /// The image, as the definitions name it.
    image: String,
    /// The digest.
    #[schemars(regex(pattern = "^sha(256:[0-9a-f]{64}|512:[0-9a-f]{128})$"))]
    digest: String,
    /// The digest of the index that `digest` is one platform's child of.
    #[schemars(default)]
    index: String,
    /// The image's own version label.
    #[schemars(default)]
    version: String,
    /// The image's own revision label.
    #[schemars(default)]
    revision: String,
    /// When the image was made, RFC 3339.
    #[schemars(default)]
    created: String,
    /// The platforms it runs on.
    #[schemars(default)]
    platforms: Vec<String>,
    /// Earlier digests, newest first.
    #[schemars(default, length(max = 5))]
    previous: Vec<String>,
}

/// The JSON schema of `pinstream.lock`.
pub fn schema() -> schemars::Schema {
    let mut schema = schemars::schema_for!(LockFile);
    without_default(&mut schema);
    schema
}

/// A key that is left out has no value: none stands for it.
fn without_default(schema: &mut schemars::Schema) {
    schema.remove("default");
    schemars::transform::transform_subschemas(&mut without_default, schema);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::lock::{KEYS, PREVIOUS_MAX};

    #[test]
    fn the_schema_has_the_keys_of_a_pin() {
        let schema = schema().to_value();
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
