//! Read-only views of a root: pure functions that return data for the commands to render.
//!
//! Nothing here reads files, contacts a registry or prints.

pub mod graph;
pub mod history;
pub mod list;
