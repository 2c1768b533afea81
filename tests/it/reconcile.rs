//! `pinstream reconcile` from end to end: the real program, real registries, real remotes, real hooks.

mod requests;
mod stage;
mod story;
mod transports;
