//! What a request that failed means: whose fault it was, and whether another try may help.
//!
//! Pure: nothing is sent here.

use std::error::Error;
use std::io;
use std::time::Duration;

use super::address::{AddressKind, ForbiddenAddress};
use super::limit::ClientLimits;
use super::origin::UrlOrigin;
use super::text::plain;
use super::{FailureKind, ResolveError};

/// A request that failed before its answer was whole.
pub(crate) enum TransportError {
    /// This question's own: it says nothing of the others of its host, and another try gives the same.
    Final(ResolveError),
    /// The host's, and another try would only take as long again.
    Host(ResolveError),
    /// The line's: another try may help.
    Passing(ResolveError),
}

impl From<ResolveError> for TransportError {
    fn from(error: ResolveError) -> Self {
        Self::Final(error)
    }
}

impl TransportError {
    /// What happened.
    pub(crate) fn into_error(self) -> ResolveError {
        let (Self::Final(error) | Self::Host(error) | Self::Passing(error)) = self;
        error
    }

    /// What `error` of a request to `origin` means.
    pub(crate) fn of(error: &reqwest::Error, origin: &UrlOrigin, limits: &ClientLimits) -> Self {
        if let Some(found) = causes(error).find_map(|cause| cause.downcast_ref::<ForbiddenAddress>()) {
            return forbidden(found, origin).into();
        }
        if error.is_timeout() {
            let limit = if error.is_connect() { limits.connect } else { limits.request };
            return Self::late(origin, limit);
        }
        let place = origin.place.key(origin.secure);
        let root = root_cause(error);
        if origin.secure && is_about_tls(error) {
            let error = ResolveError::new(
                FailureKind::Tls,
                format!("`{place}` cannot be spoken to securely: {}", plain(&root)),
            );
            return Self::Host(error.help(format!(
                "name its authority in `pinstream.toml`: `[registry.\"{place}\"]` with `ca = \"…\"`, or `plain-http = \
                 true` where it has no TLS; a machine that knows no authority at all lacks the package \
                 `ca-certificates`"
            )));
        }
        let message = match error.is_connect() {
            true => format!("`{place}` cannot be reached: {}", plain(&root)),
            false => format!("`{place}` broke off its answer: {}", plain(&root)),
        };
        Self::Passing(ResolveError::new(FailureKind::Network, message))
    }

    /// A question to `origin` that was not answered within its time. Asking again would take as long again.
    pub(super) fn late(origin: &UrlOrigin, limit: Duration) -> Self {
        let seconds = limit.as_secs_f32();
        let place = origin.place.key(origin.secure);
        Self::Host(ResolveError::new(FailureKind::Network, format!("`{place}` did not answer within {seconds} s")))
    }
}

/// The failure of a place whose address may not be contacted.
pub(super) fn forbidden(error: &ForbiddenAddress, origin: &UrlOrigin) -> ResolveError {
    let place = origin.place.key(origin.secure);
    match error.zone {
        AddressKind::Never => ResolveError::new(
            FailureKind::Refused,
            format!("`{place}` is at {}, a link-local, metadata or reserved address", error.address),
        )
        .help("such addresses are never contacted"),
        AddressKind::Private | AddressKind::Public => ResolveError::new(
            FailureKind::Refused,
            format!("`{place}` is at {}, a private or loopback address", error.address),
        )
        .help(format!("if that is meant, add a line to `pinstream.toml`: `[registry.\"{place}\"]`")),
    }
}

/// The innermost cause, without the URL that the outer ones repeat.
pub(super) fn root_cause(error: &reqwest::Error) -> String {
    causes(error).last().map(ToString::to_string).unwrap_or_default()
}

/// `error` and what caused it, from the outside in.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error: &&(dyn Error + 'static)| (*error).source())
}

/// Whether the other side is not who or what it should be. A connection that was merely cut, which the TLS library
/// reports as well, is not: the line did that.
fn is_about_tls(error: &reqwest::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    let mut found = false;
    for cause in causes(error) {
        let kind = cause.downcast_ref::<io::Error>().map(io::Error::kind);
        if matches!(kind, Some(BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)) {
            return false;
        }
        match judge_text(&cause.to_string()) {
            ErrorTopic::Cut => return false,
            ErrorTopic::Tls => found = true,
            ErrorTopic::Other => {}
        }
    }
    found
}

/// What the text of an error is about.
#[derive(Debug, PartialEq, Eq)]
enum ErrorTopic {
    /// The connection came to an end.
    Cut,
    /// Certificates, alerts, or versions and ciphers that do not meet.
    Tls,
    /// Something else.
    Other,
}

/// The TLS library's error type is no part of what reqwest shows, its text is.
fn judge_text(text: &str) -> ErrorTopic {
    const CUT: [&str; 4] = ["unexpected eof", "connection reset", "connection closed", "broken pipe"];
    const TLS: [&str; 8] = [
        "certificate",
        "ssl alert",
        "tls alert",
        "tlsv1 alert",
        "wrong version number",
        "unsupported protocol",
        "no protocols available",
        "handshake failure",
    ];
    let text = text.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    match () {
        () if has(&CUT) => ErrorTopic::Cut,
        () if has(&TLS) => ErrorTopic::Tls,
        () => ErrorTopic::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_certificates_alerts_and_versions_are_about_tls() {
        for (text, expected) in [
            (
                "error:0A000126:SSL routines:ssl3_read_n:unexpected eof while reading:ssl/record/rec_layer_s3.c:322:",
                ErrorTopic::Cut,
            ),
            ("Connection reset by peer (os error 104)", ErrorTopic::Cut),
            (
                "error:0A000086:SSL routines:tls_post_process_server_certificate:certificate verify failed",
                ErrorTopic::Tls,
            ),
            ("error:0A00010B:SSL routines:ssl3_get_record:wrong version number", ErrorTopic::Tls),
            (
                "error:0A00042E:SSL routines:ssl3_read_bytes:tlsv1 alert protocol version:SSL alert number 70",
                ErrorTopic::Tls,
            ),
            (
                "error:0A000410:SSL routines:ssl3_read_bytes:sslv3 alert handshake failure:SSL alert number 40",
                ErrorTopic::Tls,
            ),
            ("error:0A000119:SSL routines:ssl3_get_record:decryption failed or bad record mac", ErrorTopic::Other),
            ("client error (Connect)", ErrorTopic::Other),
            ("dns error", ErrorTopic::Other),
        ] {
            assert_eq!(judge_text(text), expected, "{text}");
        }
    }
}
