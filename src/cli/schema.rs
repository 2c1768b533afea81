//! `schema`: prints the JSON schemas of files and outputs.

use std::io::Write as _;

use clap::ValueEnum;
use schemars::schema_for;

use crate::model::{lock, settings, stream};
use crate::report::v1;

use super::{CliError, CommandContext, Exit};

/// Print the JSON schema of a file or output
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pinstream schema stream > stream.schema.json
  pinstream schema report                 of `plan`, `update` and `reconcile --format json`")]
pub struct SchemaArgs {
    /// File or output
    #[arg(value_name = "KIND")]
    of: SchemaKind,
}

/// File or output with a schema
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SchemaKind {
    /// `pinstream.toml`
    Settings,
    /// `streams/*.toml`
    Stream,
    /// The policy file of `--policy`
    Policy,
    /// `pinstream.lock`
    Lock,
    /// `pinstream.report/v1`, of `plan`, `update` and `reconcile`
    Report,
    /// `pinstream.check/v1`
    Check,
    /// `pinstream.event/v1`, the standard input of hooks
    Event,
    /// `pinstream.list/v1`
    List,
    /// `pinstream.history/v1`
    History,
    /// `pinstream.targets/v1`
    Targets,
    /// `pinstream.export/v1`
    Export,
}

impl SchemaKind {
    /// Generates the schema of the chosen kind.
    pub fn schema(self) -> serde_json::Value {
        match self {
            Self::Settings => settings::schema(),
            Self::Stream => stream::schema(),
            Self::Policy => settings::policy::schema(),
            Self::Lock => lock::schema::schema(),
            Self::Report => schema_for!(v1::report::ReportV1).to_value(),
            Self::Check => schema_for!(v1::check::CheckV1).to_value(),
            Self::Event => schema_for!(v1::event::EventV1).to_value(),
            Self::List => schema_for!(v1::list::ListV1).to_value(),
            Self::History => schema_for!(v1::history::HistoryV1).to_value(),
            Self::Targets => schema_for!(v1::targets::TargetsV1).to_value(),
            Self::Export => schema_for!(v1::export::ExportV1).to_value(),
        }
    }
}

/// Runs `schema`.
///
/// # Errors
/// Fails if standard output cannot be written.
pub fn run(context: &CommandContext, args: &SchemaArgs) -> Result<Exit, CliError> {
    writeln!(context.stdout(), "{:#}", args.of.schema())?;
    Ok(Exit::Success)
}
