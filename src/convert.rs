//! Converts from and to the formats of other tools.

pub mod adopt;
pub mod export;
