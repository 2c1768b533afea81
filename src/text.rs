//! Text in and out: diagnostics with source positions, escaping, encodings, templates, TOML and YAML with spans.
//!
//! Never depends on images, streams or Git.

pub mod byte_class;
pub mod encoding;
pub mod escape;
pub mod lfs;
pub mod diagnostics;
pub mod yaml;
pub(crate) mod toml;
pub mod template;
