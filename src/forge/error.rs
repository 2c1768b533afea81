//! What a forge did not do, and what somebody can do about it.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::Value;

use crate::http::HttpError;
use crate::model::settings::publish::ForgeKind;
use crate::text::escape;

/// Why a forge did not do what it was asked. What it said itself is only in it escaped and shortened; no token is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ForgeError {
    /// The environment has no token, or binds it to another place.
    #[error("{message}")]
    Setup {
        /// What is wrong.
        message: String,
        /// What to set.
        help: String,
    },
    /// The forge has no such way.
    #[error("{message}")]
    Unable {
        /// What it does not do.
        message: String,
        /// What can be done in its place.
        help: String,
    },
    /// It does not know the token, or the token may not.
    #[error("`{place}` does not let pinstream do this: it answered {status}{said}")]
    Denied {
        /// The host.
        place: String,
        /// 401 or 403.
        status: u16,
        /// The forge's own words.
        said: String,
        /// The permission that is needed.
        help: String,
    },
    /// It does not have the repository, or does not show it to this token.
    #[error("`{place}` does not know `{repository}`: it answered 404{said}")]
    NotFound {
        /// The host.
        place: String,
        /// The repository.
        repository: String,
        /// The forge's own words.
        said: String,
        /// What to look at.
        help: String,
    },
    /// It wants fewer requests.
    #[error("`{place}` wants fewer requests: it answered {status}{said}")]
    RateLimited {
        /// The host.
        place: String,
        /// 403, 429 or 503.
        status: u16,
        /// The forge's own words.
        said: String,
        /// When it asked to be left alone until, from now.
        retry_after: Option<Duration>,
    },
    /// It found something wrong with the request.
    #[error("`{place}` refuses this: it answered {status}{said}")]
    Refused {
        /// The host.
        place: String,
        /// The status.
        status: u16,
        /// The forge's own words.
        said: String,
    },
    /// It could not be reached, broke off, or is in trouble.
    #[error("{message}")]
    Unreachable {
        /// What happened.
        message: String,
        /// What to do about it.
        help: String,
    },
    /// Its answer is not what its documentation says.
    #[error("`{place}` answered with something else than {expected}")]
    Unreadable {
        /// The host.
        place: String,
        /// What was expected.
        expected: String,
    },
}

impl ForgeError {
    /// What to do about it.
    pub fn help(&self) -> Option<String> {
        Some(match self {
            Self::Setup { help, .. }
            | Self::Unable { help, .. }
            | Self::Denied { help, .. }
            | Self::NotFound { help, .. }
            | Self::Unreachable { help, .. } => help.clone(),
            Self::RateLimited { retry_after: Some(wait), .. } => {
                format!("it asked to come back in {} s; the next pass goes on from here", wait.as_secs())
            }
            Self::RateLimited { .. } => "the next pass goes on from here".to_owned(),
            Self::Unreadable { .. } => "see whether `[publish]` names the right kind of forge and its `url`".to_owned(),
            Self::Refused { .. } => "see what the forge says; rules of the repository may stand in the way".to_owned(),
        })
    }

    /// Converts a transport error; the remedies differ from those of registries.
    pub(super) fn of_http(error: &HttpError) -> Self {
        let help = match error {
            HttpError::Forbidden { .. } => {
                "if the address is intended, set `PINSTREAM_FORGE_URL` to the URL of the forge"
            }
            HttpError::Tls { .. } | HttpError::TlsSetup { .. } => {
                "if the forge has its own authority, set `SSL_CERT_FILE` to a PEM file that contains it"
            }
            _ => "check whether the forge is up; the next pass tries again",
        };
        Self::Unreachable { message: error.to_string(), help: help.to_owned() }
    }
}

/// What the token may not do, as `kind` names it.
pub(super) fn permission(kind: ForgeKind, status: StatusCode) -> String {
    if status == StatusCode::UNAUTHORIZED {
        return "see whether the token is right, whole, and not yet expired".to_owned();
    }
    match kind {
        ForgeKind::GitHub => {
            "the token needs the permissions `pull-requests: write` and `issues: write` (and `contents: write` for \
             commits); for `GITHUB_TOKEN` also `Allow GitHub Actions to create and approve pull requests` in the \
             settings of the repository"
        }
        ForgeKind::GitLab => "the token needs the scope `api` and the role Developer; `CI_JOB_TOKEN` cannot do this",
        ForgeKind::Gitea => "the token needs the scopes `write:repository` and `write:issue`",
        ForgeKind::Bitbucket => "the token needs the scopes `repository` and `pullrequest:write`",
        ForgeKind::Azure => {
            "the token needs the scope `Code (read & write)`, and its owner, as the build service, the permission \
             `Contribute to pull requests`"
        }
    }
    .to_owned()
}

/// The forge's own words in an answer that is an error, ready to be put behind a status; empty where it has none.
///
/// GitHub, Gitea and Azure have `message`, GitHub `errors` with a `message` each as well, GitLab `message` as text,
/// list or object, or `error`, Bitbucket `error.message`.
pub(super) fn said(body: &Value) -> String {
    let mut words: Vec<String> = Vec::new();
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Null => None,
        Value::Array(items) => Some(items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("; ")),
        other => Some(other.to_string()),
    };
    words.extend(text(&body["message"]));
    words.extend(match &body["error"] {
        Value::Object(error) => error.get("message").and_then(Value::as_str).map(str::to_owned),
        other => text(other),
    });
    let more = body["errors"].as_array().into_iter().flatten();
    words.extend(more.filter_map(|error| error["message"].as_str().map(str::to_owned)));
    words.retain(|words| !words.is_empty());
    if words.is_empty() { String::new() } else { format!(": {}", escape::terminal(&words.join(": "))) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_words_of_each_forge_are_found() {
        for (body, expected) in [
            (
                json!({"message": "Validation Failed", "errors": [{"message": "No commits"}]}),
                ": Validation Failed: No commits",
            ),
            (json!({"message": ["Another open merge request"]}), ": Another open merge request"),
            (json!({"message": {"base": ["x"]}}), ": {\"base\":[\"x\"]}"),
            (json!({"error": "insufficient_scope"}), ": insufficient_scope"),
            (json!({"type": "error", "error": {"message": "Bad"}}), ": Bad"),
            (json!({"message": "a\u{1b}[31m\nb"}), ": a\\u{1b}[31m\\u{a}b"),
            (json!({"other": 1}), ""),
            (Value::Null, ""),
        ] {
            assert_eq!(said(&body), expected);
        }
    }
}
