//! The machine: clock, environment, process table and helper programs. Only these files access them.

pub mod clock;
pub mod environment;
pub mod owner;
pub mod private_directory;
pub mod process;
pub mod program;
