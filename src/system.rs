//! The machine: clock, environment and process table. The only files that read them.

pub mod clock;
pub mod environment;
pub mod owner;
pub mod private_directory;
pub mod process;
pub mod program;
