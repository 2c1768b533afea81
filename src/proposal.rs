//! Proposals: which changes go into which one, and its branch, title and body. Pure.
//!
//! A proposal is named after its group, never after digests, so that it can be refreshed in place. Its body contains a
//! hidden fingerprint of the proposed digests: after someone closed it, these digests are not proposed again.

pub mod body;
pub mod carry_over;
pub mod draft;
pub mod fingerprint;
pub mod groups;
pub mod marker;
pub mod truncate;
