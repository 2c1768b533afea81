//! The line, top to bottom.
