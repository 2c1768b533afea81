//! `man`: the manual page, in roff.

use std::io::Write as _;

use clap::CommandFactory as _;

use crate::report::exit::Exit;

use super::context::CommandContext;
use super::{Cli, CliError};

/// Print the manual page, in roff
#[derive(Debug, clap::Args)]
pub struct ManArgs {
    /// Of this command; of pinstream itself where none is given
    command: Option<String>,
}

/// Runs it.
///
/// # Errors
/// Where there is no such command, or standard output cannot be written.
pub fn run(context: &CommandContext, args: &ManArgs) -> Result<Exit, CliError> {
    let mut command = Cli::command();
    command.build();
    if let Some(name) = &args.command {
        let found = command.find_subcommand(name).cloned();
        command = found.ok_or_else(|| {
            let names: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
            let error = CliError::usage(format!("there is no command `{name}`"));
            match crate::text::diagnostics::nearest(name, names) {
                Some(near) => error.help(format!("did you mean `{near}`?")),
                None => error.help("`pinstream help` lists them"),
            }
        })?;
        command = command.display_name(format!("pinstream-{name}"));
    }
    let mut page = Vec::new();
    let source = format!("pinstream {}", env!("CARGO_PKG_VERSION"));
    clap_mangen::Man::new(command).source(source).render(&mut page)?;
    context.stdout().write_all(&page)?;
    Ok(Exit::Success)
}
