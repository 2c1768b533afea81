//! Integration tests in one binary: real processes, real HTTP on loopback, real Git remotes. One module per feature.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, missing_docs, reason = "tests start servers and read clocks")]

mod canary;
mod cli;
mod conventions;
mod definitions;
mod demo;
mod examples;
mod families;
mod git;
mod hooks;
mod openshift;
mod owner;
mod reconcile;
mod readme;
mod registry;
mod review;
mod support;
mod targets;
