//! pinstream: image streams for plain Git.
//!
//! A *stream* is a named set of tags; each tag tracks an image in a registry or follows another tag. A pass resolves every
//! tag to a digest, commits the digests to the lockfile on the branch that the definitions come from (directly or as a
//! proposal), and runs hooks for the changes that landed.
//!
//! # Glossary
//! | term | meaning |
//! | --- | --- |
//! | definitions | `pinstream.toml` (the settings) and the stream files |
//! | stream | `streams/<name>.toml`; its name is the path below `streams/` without `.toml` |
//! | tag | a named pointer in a stream, `python:3.12` |
//! | image | `registry/repository:tag`; mutable |
//! | digest | `sha256:…` of a manifest or index; immutable |
//! | pin | one lockfile entry: tag → image and digest |
//! | lock | `pinstream.lock` |
//! | resolve | query a registry for the current digest of a tag |
//! | pass | one run of load → gather → decide → land → record → notify |
//! | attempt | one try within a pass; a rejected push starts the next |
//! | change | one pin that differs between two locks |
//! | hook | a command that runs for changes that landed on the branch |
//! | target | a place in a file of the repository that receives a pinned reference in the same commit |
//! | proposal | a pull or merge request on a forge |
//! | root | a directory with a `pinstream.toml` |
//! | shard | the tags of a root that one of several processes handles |
//! | policy | the operator's file outside the repository that restricts what a repository may use |
//!
//! Users of OpenShift find the equivalent of each feature of its image streams in [`cli::help::STREAMS`].
//!
//! # Layout
//! Modules are listed from the lowest to the highest; each may use only those above it in the list, which a test checks.
//! [`reconcile`] has the steps of a pass in files of their own; only `reconcile.rs` knows their order.
//!
//! # Invariants
//! - Nothing is pinned unless its bytes were fetched by digest and hashed ([`registry::manifest::VerifiedManifest`]).
//! - Nothing is forced: branch, proposal branches and state change by compare-and-swap only.
//! - There are no empty commits, and a commit touches only the lock and the places of targets.
//! - Changes are found by comparing two locks, never collected along the way.
//! - No secret appears in any message: secrets implement neither `Debug` nor `Display` nor `Serialize`.

pub mod system;
pub mod text;
pub mod model;
pub mod http;
pub mod signature;
pub mod formats;
pub mod image_diff;
pub mod git;
pub mod registry;
pub mod proposal;
pub mod forge;
pub mod hook;
pub mod report;
pub mod convert;
pub mod query;
pub mod effects;
pub mod reconcile;
pub mod cli;

pub use cli::run;

#[cfg(test)]
#[path = "../tests/sim/sim.rs"]
mod sim;
