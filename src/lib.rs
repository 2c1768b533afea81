//! pinstream: image streams, kept in Git.
//!
//! A *stream* is a named set of tags; each tag follows an image of a registry, or another tag. A pass asks the
//! registries what those images are now, writes the digests into `pinstream.lock`, commits that to the branch the
//! definitions came from, and runs hooks for what changed there.
//!
//! # Words
//! | word | means |
//! | --- | --- |
//! | stream | `streams/<name>.toml`; the path below `streams/`, less `.toml`, is its name |
//! | tag | a named pointer of a stream, `python:3.12` |
//! | image | `registry/repository:tag`; it moves |
//! | digest | `sha256:…` of a manifest or index; it never moves |
//! | pin | one entry of the lock: tag → image and digest |
//! | lock | `pinstream.lock` |
//! | import | to ask a registry for a tag's digest now |
//! | pass | one run of load → plan → resolve → lock → commit → publish → notify |
//! | move | a pin whose digest changes |
//! | hook | a command run for moves that have landed on the branch |
//! | proposal | a pull or merge request on a forge |
//! | target | a place in a file of the repository into which a pinned reference is written, in the commit of the lock |
//! | shard | which share of a root one of several processes imports |
//! | root | a folder with a `pinstream.toml` |
//!
//! Whoever knows OpenShift's image streams finds each thing again in [`cli::help::STREAMS`].
//!
//! # Map
//! Nouns stand at the top, each naming only those above it; verbs stand in [`reconcile`], in the order in which they
//! run. Only `reconcile.rs` knows that order: a step never names another step.
//!
//! # Invariants
//! - Nothing is pinned that was not fetched by its digest and hashed ([`registry::manifest::VerifiedManifest`]).
//! - Nothing is forced: branch and state move by compare-and-swap alone.
//! - No commit without a difference, and none that touches anything but the lock and the places of targets.
//! - Moves are found by comparing two locks, never collected along the way.
//! - No secret is in any message: secrets have no `Debug`, `Display` or `Serialize`.

// Each may name those above it; `world::{clock, environment, proc}` may be named by all. A test holds this order.
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
