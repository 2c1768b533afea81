//! Code that several commands share.

pub mod context;
pub mod definition_edit;
pub mod failure_report;
pub mod ignored_files;
pub mod input;
pub mod output;
pub mod pass_runner;
pub mod remote;
pub mod source_map;
pub mod stream_names;
pub mod table;
pub mod write_files;
