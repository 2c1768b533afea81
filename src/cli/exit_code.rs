//! Exit codes of failed commands: the one place that maps errors to [`Exit`].
//!
//! A pass or check that ran to its end has the exit code of its report (`Report::exit`).

use crate::git::GitError;
use crate::reconcile::PassError;
use crate::report::exit::Exit;

use super::error::CliError;

/// Maps an error to the exit code of the process.
pub(super) fn of(error: &CliError) -> Exit {
    match error {
        CliError::Pass(error) => of_pass(error),
        CliError::Output(_) => Exit::Error,
        CliError::Other { exit, .. } => *exit,
    }
}

fn of_pass(error: &PassError) -> Exit {
    match error {
        PassError::Forbidden(_) | PassError::Git(GitError::Tree { .. }) => Exit::Refused,
        PassError::UnknownTag(_) => Exit::Usage,
        PassError::Contention { .. } => Exit::Contention,
        PassError::Problems(_) | PassError::Git(_) | PassError::Registries(_) => Exit::Error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::root::UnknownTag;
    use crate::text::diagnostics::Problems;

    #[test]
    fn each_error_of_a_pass_has_its_exit_code() {
        let contention = PassError::Contention { attempts: 9, last: "the branch moved".to_owned() };
        let no_tag = UnknownTag { name: "x".to_owned(), nearest: None };
        for (error, exit) in [
            (contention, Exit::Contention),
            (PassError::UnknownTag(no_tag), Exit::Usage),
            (PassError::Forbidden(Problems(Vec::new())), Exit::Refused),
            (PassError::Problems(Problems(Vec::new())), Exit::Error),
            (PassError::Registries(String::new()), Exit::Error),
        ] {
            assert_eq!((of_pass(&error), error.exit()), (exit, exit));
            assert_eq!(of(&CliError::Pass(error)), exit);
        }
    }
}
