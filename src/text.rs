//! Text that people write and read: diagnostics with source positions, escaping, templates, TOML and YAML with spans.
//!
//! Nothing in here knows about images, streams or Git.

pub mod escape;
pub mod diagnostics;
pub mod yaml;
pub(crate) mod toml;
pub mod template;
