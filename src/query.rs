//! Read-only views of a root that several commands share.

pub mod graph;
