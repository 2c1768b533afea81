//! `completions`: prints completion scripts of shells.

use std::io::Write as _;

use clap_complete::Shell;

use super::{CliError, CommandContext, Exit};

/// Print the completion script of a shell
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pinstream completions bash > /etc/bash_completion.d/pinstream
  pinstream completions fish > ~/.config/fish/completions/pinstream.fish")]
pub struct CompletionsArgs {
    /// Name of the shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

/// Runs `completions`; `program` is the whole command line.
///
/// # Errors
/// Fails if standard output cannot be written.
pub fn run(context: &CommandContext, args: &CompletionsArgs, mut program: clap::Command) -> Result<Exit, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut program, "pinstream", &mut script);
    context.stdout().write_all(&script)?;
    Ok(Exit::Success)
}
