//! Failures of resolving: one row of the report each; the pass continues.

use std::time::Duration;

use crate::http::{HttpError, HttpSetupError, Redactor, quotable};
pub use crate::model::failure::FailureKind;
use crate::model::image::{ImageRef, RegistryHost};

/// Failure to resolve one image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ResolveError {
    /// Kind of failure.
    pub kind: FailureKind,
    /// One sentence that names the host and the status, if there was one. Text from the registry is escaped and cut;
    /// secrets are redacted.
    pub message: String,
    /// Remedy, in the imperative.
    pub help: Option<String>,
    /// Time that the registry demands to wait, from now.
    pub retry_after: Option<Duration>,
}

impl ResolveError {
    /// Creates a failure without a remedy.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), help: None, retry_after: None }
    }

    /// Creates the error of bytes that do not match their digest or are not valid.
    pub fn integrity(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Integrity, message)
    }

    /// Creates the error of a request that a rule forbids.
    pub fn refused(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Refused, message)
    }

    /// Adds a remedy to the error.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Creates the failure of an image that its registry does not have.
    pub fn not_found(image: &ImageRef) -> Self {
        Self::new(FailureKind::NotFound, format!("`{image}` not found in its registry"))
    }

    /// Creates a failure of authentication at `registry`.
    pub(super) fn unauthorized(registry: &RegistryHost, message: impl Into<String>) -> Self {
        Self::new(FailureKind::Unauthorized, message)
            .help(format!("run `docker login {registry}`, or check the credentials in this environment"))
    }

    /// Creates the failure of a login, read from the file `source`, that was rejected; `event` is the response.
    pub(super) fn login_rejected(registry: &RegistryHost, event: &str, source: &str) -> Self {
        Self::new(FailureKind::Unauthorized, format!("{event}: the login from `{}` was rejected", quotable(source)))
            .help(format!(
                "run `docker login {registry}` again; if the image is public, run `docker logout {registry}`"
            ))
    }

    /// Creates the failure of a request without a login that the registry denied; `event` is the response.
    pub(super) fn needs_login(registry: &RegistryHost, event: &str) -> Self {
        Self::new(FailureKind::Unauthorized, format!("{event}: no such repository, or it is private"))
            .help(format!("check its name; if it is private, run `docker login {registry}`"))
    }

    /// Creates a failure of a user name that no header can contain.
    pub(super) fn unsendable_user(registry: &RegistryHost) -> Self {
        Self::unauthorized(registry, format!("the user name for `{registry}` contains a colon, which HTTP cannot send"))
    }

    /// Replaces message and help if they contain a credential that was sent.
    pub(super) fn redacted(self, redactor: &Redactor) -> Self {
        let contains = |text: &String| redactor.is_in(text);
        if contains(&self.message) || self.help.as_ref().is_some_and(contains) {
            return Self { message: redactor.redact(&self.message).into_owned(), help: None, ..self };
        }
        self
    }
}

/// Returns the first message in the body of an error, escaped and cut: `errors[].message` (OCI Distribution 1.1, "Error
/// Codes"), or what other servers send.
pub(super) fn error_reason(body: &[u8]) -> Option<String> {
    let json: serde_json::Value = serde_json::from_slice(body).ok()?;
    let first = json.get("errors").and_then(|errors| errors.get(0)).unwrap_or(&json);
    let text = ["message", "details", "error_description", "error"].iter().find_map(|key| first.get(key)?.as_str())?;
    Some(quotable(text)).filter(|text| !text.is_empty())
}

impl From<HttpError> for ResolveError {
    fn from(error: HttpError) -> Self {
        let (kind, help) = match &error {
            HttpError::Timeout { .. } | HttpError::Connect { .. } | HttpError::Interrupted { .. } => {
                (FailureKind::Network, None)
            }
            HttpError::TooLarge { .. } => (FailureKind::Integrity, None),
            HttpError::Tls { host, .. } => {
                let help = format!(
                    "set `ca = \"…\"` in `[registry.\"{host}\"]` of `pinstream.toml` if the registry has its own \
                     authority, or `plain-http = true` if it has no TLS; if every registry fails, install \
                     `ca-certificates`"
                );
                (FailureKind::Tls, Some(help))
            }
            HttpError::TlsSetup { .. } => (
                FailureKind::Tls,
                Some("install the certificate authorities, e.g. the package `ca-certificates`".into()),
            ),
            HttpError::Forbidden { host, .. } if error.is_private_address() => {
                let help = format!("if the address is intended, add `[registry.\"{host}\"]` to `pinstream.toml`");
                (FailureKind::Refused, Some(help))
            }
            HttpError::Forbidden { .. } => {
                (FailureKind::Refused, Some("use another host name: such addresses are never contacted".into()))
            }
        };
        Self { help, ..Self::new(kind, error.to_string()) }
    }
}

/// Configuration that a [`super::Registry`] cannot be created from.
#[derive(Debug, thiserror::Error)]
pub enum RegistrySetupError {
    /// A glob of the policy is invalid.
    #[error("invalid glob `{0}` in `registries` of the policy")]
    AllowedGlob(String),
    /// A realm of the policy is not an origin.
    #[error("invalid realm `{0}` in `realms` of the policy: expected `https://host[:port]`")]
    Realm(String),
    /// A CA file is missing from the root.
    #[error("`{path}`, the `ca` of `{registry}`, is not in the root")]
    MissingCa {
        /// The path that the settings name.
        path: String,
        /// The registry whose `ca` it is.
        registry: RegistryHost,
    },
    /// A proxy or a CA file is unusable.
    #[error(transparent)]
    Http(#[from] HttpSetupError),
    /// A credential file cannot be read.
    #[error("cannot read `{file}`: {reason}")]
    CredentialFile {
        /// The path of the file.
        file: String,
        /// Error of the operating system.
        reason: std::io::Error,
    },
    /// A credential file is not JSON of the expected form. Its text is not shown.
    #[error("`{file}` is not a docker configuration: line {line}, column {column}")]
    CredentialSyntax {
        /// The path of the file.
        file: String,
        /// Line of the mistake.
        line: usize,
        /// Column of the mistake.
        column: usize,
    },
    /// A key of a credential file has the wrong type. Its value is not shown.
    #[error("`{file}` is not a docker configuration: `{key}` has the wrong type")]
    CredentialForm {
        /// The path of the file.
        file: String,
        /// The key.
        key: &'static str,
    },
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    #[test]
    fn t22_an_error_that_contains_a_credential_is_redacted() {
        let redactor = Redactor::default();
        redactor.add_header(&HeaderValue::from_static("Basic bWU6aHVudGVyMjIvJQ=="));
        let error = |message: &str, help: &str| ResolveError::integrity(message).help(help);
        assert_eq!(error("ok", "fine").redacted(&redactor), error("ok", "fine"));
        for bad in [error("`hunter22/%`", "x"), error("x", "`hunter22%2F%25`")] {
            let redacted = bad.redacted(&redactor);
            assert_eq!((redacted.kind, redacted.help), (FailureKind::Integrity, None));
            assert!(!redacted.message.contains("hunter"));
        }
    }
}
