//! `schema`: prints the JSON schemas of files and outputs.

use std::io::Write as _;

use clap::ValueEnum;

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
            Self::Lock => lock::schema::schema().to_value(),
            Self::Report => v1::report::schema().to_value(),
            Self::Check => v1::check::schema().to_value(),
            Self::Event => v1::event::schema().to_value(),
            Self::List => v1::list::schema().to_value(),
            Self::History => v1::history::schema().to_value(),
            Self::Targets => v1::targets::schema().to_value(),
            Self::Export => v1::export::schema().to_value(),
        }
    }

    /// Returns the name of its file in `schema/`.
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Settings => "settings.schema.json",
            Self::Stream => "stream.schema.json",
            Self::Policy => "policy.schema.json",
            Self::Lock => "lock.schema.json",
            Self::Report => "report.schema.json",
            Self::Check => "check.schema.json",
            Self::Event => "event.schema.json",
            Self::List => "list.schema.json",
            Self::History => "history.schema.json",
            Self::Targets => "targets.schema.json",
            Self::Export => "export.schema.json",
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
