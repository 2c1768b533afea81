//! Refuses CI events that run with the repository's secrets on behalf of a stranger, e.g. for a pull request of a fork.

use crate::cli::{CliError, Exit};
use crate::system::environment;

/// Events of GitHub Actions that run with the repository's secrets no matter who triggered them (docs.github.com,
/// "Events that trigger workflows").
const WITH_SECRETS: [&str; 2] = ["pull_request_target", "workflow_run"];

/// Checks the event of the CI system.
///
/// # Errors
/// Fails for events with secrets on a ref that is not protected.
pub(super) fn check() -> Result<(), CliError> {
    let event = environment::var("GITHUB_EVENT_NAME");
    let protected = environment::var("GITHUB_REF_PROTECTED");
    match forbidden(event.as_deref(), protected.as_deref()) {
        Some(event) => Err(CliError::Other {
            exit: Exit::Refused,
            message: format!("refusing to run for event `{event}` on a ref that is not protected"),
            help: Some("run it `on: push` or `on: schedule`; use `pinstream check` for pull requests".to_owned()),
        }),
        None => Ok(()),
    }
}

/// Returns the event if it must not write. A ref is protected only if the variable is exactly `true`.
fn forbidden<'e>(event: Option<&'e str>, protected: Option<&str>) -> Option<&'e str> {
    event.filter(|event| WITH_SECRETS.contains(event) && protected != Some("true"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t8_events_with_secrets_write_only_to_protected_refs() {
        for (event, unsaid, unprotected, protected) in [
            (None, false, false, false),
            (Some("push"), false, false, false),
            (Some("schedule"), false, false, false),
            (Some("pull_request"), false, false, false),
            (Some("pull_request_target"), true, true, false),
            (Some("workflow_run"), true, true, false),
        ] {
            for (said, is_forbidden) in [(None, unsaid), (Some("false"), unprotected), (Some("true"), protected)] {
                let expected = event.filter(|_| is_forbidden);
                assert_eq!(forbidden(event, said), expected, "{event:?} {said:?}");
            }
        }
        assert_eq!(forbidden(Some("workflow_run"), Some("TRUE")), Some("workflow_run"));
    }
}
