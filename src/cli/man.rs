//! `man`: prints manual pages in roff.

use std::io::Write as _;

use super::{CliError, CommandContext, Exit};

/// Print a manual page in roff format
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pinstream man | man -l -
  pinstream man reconcile > /usr/local/share/man/man1/pinstream-reconcile.1")]
pub struct ManArgs {
    /// Command to print the page of; default: pinstream itself
    command: Option<String>,
}

/// Runs `man`; `program` is the whole command line.
///
/// # Errors
/// Fails if the command does not exist or standard output cannot be written.
pub fn run(context: &CommandContext, args: &ManArgs, mut program: clap::Command) -> Result<Exit, CliError> {
    program.build();
    if let Some(name) = &args.command {
        let found = program.find_subcommand(name).cloned().ok_or_else(|| {
            let names = program.get_subcommands().map(clap::Command::get_name);
            let error = CliError::usage(format!("no command is named `{name}`"));
            error.did_you_mean(name, names, "run `pinstream help` to see all commands")
        })?;
        program = found.display_name(format!("pinstream-{name}"));
    }
    let mut page = Vec::new();
    let source = format!("pinstream {}", env!("CARGO_PKG_VERSION"));
    clap_mangen::Man::new(program).source(source).render(&mut page)?;
    context.stdout().write_all(&page)?;
    Ok(Exit::Success)
}
