//! `pinstream reconcile` from end to end: the real program, real registries, real remotes, real hooks.

mod abroad;
mod adopted;
mod bomb;
mod chosen;
mod crash;
mod crowd;
mod due;
mod explained;
mod failures;
mod history;
mod hooks;
mod landed;
mod left;
mod message;
mod notified;
mod operator;
mod people;
mod places;
mod requests;
mod rolled_back;
mod signed;
mod signing;
pub(crate) mod stage;
mod story;
mod targets;
mod transports;
mod trouble;
