//! Errors of forges, and the messages in their answers.

use serde_json::Value;

use crate::http::HttpError;
use crate::text::escape;

/// Error of a request to a forge. The forge's own message is escaped and truncated, and never contains the token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ForgeError {
    pub(super) message: String,
    pub(super) help: String,
    /// The repository or object does not exist, or the token may not see it.
    pub(super) is_not_found: bool,
}

/// Result of a call of a forge.
pub(super) type ForgeResult<T> = Result<T, ForgeError>;

impl ForgeError {
    /// Creates an error from event and cause, and the remedy in the imperative.
    pub fn new(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { message: message.into(), help: help.into(), is_not_found: false }
    }

    /// Returns the remedy, in the imperative.
    pub fn help(&self) -> Option<String> {
        Some(self.help.clone())
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
        Self::new(error.to_string(), help)
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
