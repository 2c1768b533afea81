//! What tests stand on: a private sandbox, remotes, registries. No test names a program or a port by itself.

pub(crate) mod canary;
pub(crate) mod forge;
pub(crate) mod registry;
pub(crate) mod remote;
pub(crate) mod sandbox;
pub(crate) mod schema;
pub(crate) mod sigstore;
pub(crate) mod smtp;
