//! What `pinstream demo` stands on.

pub mod registry;
