//! `hooks`: commands about the state of hooks.

mod reset_state;

use super::{CliError, CommandContext, Exit};

/// Manage the state of hooks
#[derive(Debug, clap::Args)]
#[command(
    disable_help_subcommand = true,
    after_help = "\
Examples:
  pinstream hooks reset-state             the remote of this checkout
  pinstream hooks reset-state --yes --remote https://git.example/deploy.git"
)]
pub struct HooksArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    ResetState(reset_state::ResetStateArgs),
}

/// Runs `hooks`.
///
/// # Errors
/// The error of the subcommand.
pub fn run(context: &CommandContext, args: &HooksArgs) -> Result<Exit, CliError> {
    match &args.command {
        Command::ResetState(args) => reset_state::run(context, args),
    }
}
