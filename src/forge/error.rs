//! Errors of forges, and the messages in their answers.

use std::time::Duration;

use serde_json::Value;

use crate::http::HttpError;
use crate::text::escape;

/// Error of a request to a forge. The forge's own message is escaped and truncated, and never contains the token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ForgeError {
    /// The environment does not allow the operation, e.g. has no token, or the forge has no such operation.
    #[error("{message}")]
    Unable {
        /// Operation that failed, and why.
        message: String,
        /// Variable to set, or alternative.
        help: String,
    },
    /// The token is invalid or lacks a permission.
    #[error("`{place}` denied access: {status}{said}")]
    Denied {
        /// Host.
        place: String,
        /// 401 or 403.
        status: u16,
        /// The forge's message, after a colon.
        said: String,
        /// Permissions that are needed.
        help: String,
    },
    /// The repository does not exist, or the token may not see it.
    #[error("repository `{repository}` not found on `{place}`: 404{said}")]
    NotFound {
        /// Host.
        place: String,
        /// Path of the repository.
        repository: String,
        /// The forge's message, after a colon.
        said: String,
        /// Settings and permissions to check.
        help: String,
    },
    /// The rate limit is exceeded.
    #[error("rate limit of `{place}` exceeded: {status}{said}")]
    RateLimited {
        /// Host.
        place: String,
        /// 403, 429 or 503.
        status: u16,
        /// The forge's message, after a colon.
        said: String,
        /// Time until the limit is lifted.
        retry_after: Option<Duration>,
    },
    /// The forge rejected the request as invalid.
    #[error("`{place}` rejected the request: {status}{said}")]
    Refused {
        /// Host.
        place: String,
        /// HTTP status.
        status: u16,
        /// The forge's message, after a colon.
        said: String,
    },
    /// No connection, no complete answer, or a server error.
    #[error("{message}")]
    Unreachable {
        /// Event and cause.
        message: String,
        /// Remedy.
        help: String,
    },
    /// The answer does not match the forge's documentation.
    #[error("unexpected answer from `{place}`: expected {expected}")]
    Unreadable {
        /// Host.
        place: String,
        /// Description of the expected content.
        expected: String,
    },
}

/// Result of a call of a forge.
pub(super) type ForgeResult<T> = Result<T, ForgeError>;

impl ForgeError {
    /// Returns the remedy, in the imperative.
    pub fn help(&self) -> Option<String> {
        Some(match self {
            Self::Unable { help, .. }
            | Self::Denied { help, .. }
            | Self::NotFound { help, .. }
            | Self::Unreachable { help, .. } => help.clone(),
            Self::RateLimited { retry_after: Some(wait), .. } => {
                format!("run pinstream again in {} s; it continues where it stopped", wait.as_secs())
            }
            Self::RateLimited { .. } => "run pinstream again later; it continues where it stopped".to_owned(),
            Self::Unreadable { .. } => "check the kind of forge and its `url` in `[publish]`".to_owned(),
            Self::Refused { .. } => "check the rules of the repository, such as branch protection".to_owned(),
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

/// Extracts the forge's message from an error answer, to be appended to a status; empty if there is none.
///
/// GitHub, Gitea and Azure send `message`, GitHub also `errors` with a `message` each, GitLab `message` as text, list or
/// object, or `error`, Bitbucket `error.message`.
pub(super) fn said(body: &Value) -> String {
    let mut messages: Vec<String> = Vec::new();
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Null => None,
        Value::Array(items) => Some(items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("; ")),
        other => Some(other.to_string()),
    };
    messages.extend(text(&body["message"]));
    messages.extend(match &body["error"] {
        Value::Object(error) => error.get("message").and_then(Value::as_str).map(str::to_owned),
        other => text(other),
    });
    let more = body["errors"].as_array().into_iter().flatten();
    messages.extend(more.filter_map(|error| error["message"].as_str().map(str::to_owned)));
    messages.retain(|message| !message.is_empty());
    if messages.is_empty() { String::new() } else { format!(": {}", escape::terminal(&messages.join(": "))) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_message_of_each_forge_is_found() {
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
