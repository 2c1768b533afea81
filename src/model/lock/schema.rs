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
    #[schemars(default)]
    pin: Vec<PinEntry>,
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
    #[schemars(default)]
    follow: String,
    /// Image reference, as in the definitions.
    image: String,
    /// Pinned digest.
    #[schemars(regex(pattern = "^sha(256:[0-9a-f]{64}|512:[0-9a-f]{128})$"))]
    digest: String,
    /// Digest of the index, if `digest` is one platform's child of it.
    #[schemars(default)]
    index: String,
    /// Version label of the image.
    #[schemars(default)]
    version: String,
    /// Revision label of the image.
    #[schemars(default)]
    revision: String,
    /// Creation time of the image, RFC 3339.
    #[schemars(default)]
    created: String,
    /// Platforms of the image.
    #[schemars(default)]
    platforms: Vec<String>,
    /// Earlier digests, newest first.
    #[schemars(default, length(max = 5))]
    previous: Vec<String>,
}

/// Returns the JSON schema of `pinstream.lock`.
pub fn schema() -> schemars::Schema {
    let mut schema = schemars::schema_for!(LockFile);
    without_default(&mut schema);
    schema
}

/// Removes defaults: an absent key has no value.
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
