//! What tests stand on: a private sandbox, remotes, registries. No test names a program or a port by itself.

pub mod registry;
pub mod remote;
