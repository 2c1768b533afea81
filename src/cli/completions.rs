//! `completions`: the script that lets a shell complete pinstream's words.

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::report::exit::Exit;

use super::context::CommandContext;
use super::{Cli, CliError};

/// Print a completion script for a shell
#[derive(Debug, clap::Args)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "bash|elvish|fish|powershell|zsh")]
    shell: Shell,
}

/// Runs it.
///
/// # Errors
/// Where standard output cannot be written.
pub fn run(context: &CommandContext, args: &CompletionsArgs) -> Result<Exit, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "pinstream", &mut script);
    std::io::Write::write_all(&mut context.stdout(), &script)?;
    Ok(Exit::Success)
}
