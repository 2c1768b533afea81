//! JSON documents written by pinstream, version 1.
//!
//! Plain types for output only: keys are added, never renamed or removed, and nothing inside the program is built from
//! them. Conversions live next to the renderers. Text from images is written unchanged, except that characters that
//! could act on a terminal or a CI log are escaped as JSON allows.

pub mod check;
pub mod event;
pub mod explanation;
pub mod export;
pub mod history;
pub mod list;
pub mod report;
pub mod targets;
pub mod words;

use schemars::JsonSchema;
use serde::Serialize;

use crate::text::escape::is_deceptive;

/// A digest and the version of its image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SideV1 {
    /// Digest of the manifest or index.
    pub digest: String,
    /// Version label of the image.
    pub version: Option<String>,
}

/// Encodes `value` as indented JSON in which no character acts on a terminal or a CI log.
pub(crate) fn encode<T: Serialize>(value: &T) -> String {
    // These types have string keys only and derive `Serialize`, so serialization cannot fail.
    let plain = serde_json::to_string_pretty(value).unwrap_or_default();
    let mut text = String::with_capacity(plain.len() + 1);
    let mut last = '\0';
    for c in plain.chars() {
        // Log readers of CI systems interpret `##`, as in `##vso[`.
        let acts = (c != '\n' && is_deceptive(c)) || (c == '#' && last == '#');
        last = c;
        if !acts {
            text.push(c);
            continue;
        }
        // serde escapes C0 only. These characters occur inside strings; above U+FFFF JSON needs a surrogate pair.
        for unit in c.encode_utf16(&mut [0; 2]) {
            text.push_str(&format!("\\u{unit:04x}"));
        }
    }
    text.push('\n');
    text
}
