//! The use of credentials in a request that a server over HTTP rejected, for messages. Pure.

use crate::git::error::NO_CREDENTIALS;

/// The remedy for credentials that the server rejects.
const CHECK: &str = "check that they are valid and have access to the repository";
/// The remedy for a server that does not ask for credentials.
const UNASKED: &str = "if the address is correct, have git send the credentials unasked: set `http.<url>.extraHeader` to an \
                       `Authorization` header";
/// The remedy for a server that asks for other credentials.
const OTHER_SCHEME: &str =
    "use an ssh address, or set git's `http.<url>.extraHeader` to an `Authorization` header that the server accepts";

/// The credentials for a rejected request.
pub(super) struct CredentialUse<'a> {
    /// The name of those that are configured.
    pub(super) configured: Option<&'static str>,
    /// `http.extraHeader` sends some with every request.
    pub(super) has_extra_header: bool,
    /// The names of those that were sent.
    pub(super) tried: &'a [&'a str],
}

/// The cause of not sending configured credentials.
#[derive(Clone, Copy)]
pub(super) enum Unsent {
    /// The server did not answer with a challenge (RFC 9110, section 11.3), as AWS CodeCommit does.
    NoChallenge,
    /// The server's challenges are for other schemes.
    OtherScheme,
    /// The user name cannot be part of them.
    InvalidUser,
}

impl CredentialUse<'_> {
    /// Explains which credentials were used, or why not; returns the remedy, too.
    pub(super) fn describe(&self, unsent: Unsent) -> (String, &'static str) {
        match (self.unsent(unsent), unsent) {
            (Some(text), Unsent::NoChallenge) => (text, UNASKED),
            (Some(text), Unsent::OtherScheme) => (text, OTHER_SCHEME),
            (Some(text), Unsent::InvalidUser) => (text, "set `PINSTREAM_GIT_USERNAME` to a user name without a colon"),
            (None, _) if !self.tried.is_empty() => (format!("tried: {}", self.tried.join(", ")), CHECK),
            (None, _) if self.has_extra_header => ("tried: git's `http.extraHeader`".to_owned(), CHECK),
            (None, Unsent::NoChallenge) => {
                ("the server did not ask for credentials, so none were sent".to_owned(), UNASKED)
            }
            (None, Unsent::OtherScheme) => ("no credentials found".to_owned(), OTHER_SCHEME),
            (None, Unsent::InvalidUser) => ("no credentials found".to_owned(), NO_CREDENTIALS),
        }
    }

    /// Explains why configured credentials were not sent; none if some were, or if there are none.
    pub(super) fn unsent(&self, unsent: Unsent) -> Option<String> {
        let is_sent = !self.tried.is_empty() || self.has_extra_header;
        let source = self.configured.filter(|_| !is_sent)?;
        let reason = match unsent {
            Unsent::NoChallenge => "the server did not ask for credentials",
            Unsent::OtherScheme => "the server does not offer `basic` authentication",
            Unsent::InvalidUser => "its user name contains a colon",
        };
        Some(format!("{source} is set, but was not sent because {reason}"))
    }
}
