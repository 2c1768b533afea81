//! Whether the event that a CI system runs us for may lead to writing: some run with the rights of the repository over
//! what a stranger proposes.

use crate::cli::CliError;
use crate::report::exit::Exit;
use crate::system::environment;

/// Events of GitHub Actions that run with the repository's own secrets, whoever caused them (docs.github.com, "Events
/// that trigger workflows").
const WITH_SECRETS: [&str; 2] = ["pull_request_target", "workflow_run"];

/// Refuses where such an event runs us for a ref that is not protected.
///
/// # Errors
/// The event, and the way out.
pub(super) fn check() -> Result<(), CliError> {
    let event = environment::var("GITHUB_EVENT_NAME");
    let protected = environment::var("GITHUB_REF_PROTECTED");
    match forbidden(event.as_deref(), protected.as_deref()) {
        Some(event) => Err(CliError::Said {
            exit: Exit::Refused,
            message: format!("nothing is written or run for the event `{event}` on a ref that is not protected"),
            help: Some(
                "run it `on: push` or `on: schedule`; for what somebody proposes, `pinstream check` is the gate"
                    .to_owned(),
            ),
        }),
        None => Ok(()),
    }
}

/// The event, where it forbids writing. A ref counts as protected only where that is said in so many letters.
fn forbidden<'e>(event: Option<&'e str>, protected: Option<&str>) -> Option<&'e str> {
    event.filter(|event| WITH_SECRETS.contains(event) && protected != Some("true"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t8_events_with_secrets_write_to_protected_refs_alone() {
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
