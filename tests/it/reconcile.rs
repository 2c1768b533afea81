//! `pinstream reconcile` from end to end: the real program, real registries, real remotes, real hooks.

mod due;
mod failures;
mod hooks;
mod landed;
mod operator;
mod places;
mod requests;
mod stage;
mod story;
mod transports;
