//! Transport errors: their cause, and whether another attempt may help.
//!
//! Pure: nothing is sent here. HTTP statuses are not errors at this level.

use std::error::Error;
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use super::address::{AddressKind, ForbiddenAddress};
use super::limit::HttpLimits;
use super::origin::UrlOrigin;
use super::redact::quotable;

/// Failure of a request before its response was complete. `host` is `host[:port]`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HttpError {
    #[error("`{host}` did not answer within {} s", limit.as_secs_f32())]
    Timeout { host: String, limit: Duration, is_sent: bool },
    #[error("TLS handshake with `{host}` failed: {reason}")]
    Tls { host: String, reason: String },
    #[error("TLS cannot be set up on this machine: {reason}")]
    TlsSetup { reason: String },
    #[error("cannot connect to `{host}`: {reason}")]
    Connect { host: String, reason: String },
    #[error("connection to `{host}` lost: {reason}")]
    Interrupted { host: String, reason: String },
    #[error("connection to `{host}` refused: {address} is {}", describe(*kind))]
    Forbidden { host: String, address: IpAddr, kind: AddressKind },
    #[error("`{host}` sent more than {max} bytes")]
    TooLarge { host: String, max: usize },
}

/// Configuration that a client cannot work with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpSetupError {
    /// A proxy in the environment. The value is not shown: it may contain a password.
    #[error("the proxy in `{variable}` is not a valid URL")]
    Proxy {
        /// The environment variable.
        variable: &'static str,
    },
    /// A CA file without certificates.
    #[error("`{path}` contains no PEM certificate")]
    NoCertificate {
        /// The path that the settings name.
        path: String,
    },
}

/// Extent of a failure: this request, its host, or this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ErrorScope {
    /// Concerns this request only; another attempt fails the same way.
    Request,
    /// Concerns the host; another attempt would take as long again.
    Host,
    /// May pass: another attempt may succeed.
    Transient,
}

impl HttpError {
    /// Classifies an error of the HTTP library.
    pub(super) fn classify(error: &reqwest::Error, origin: &UrlOrigin, limits: &HttpLimits) -> Self {
        if let Some(found) = causes(error).find_map(|cause| cause.downcast_ref::<ForbiddenAddress>()) {
            return Self::forbidden(found.clone(), origin);
        }
        let host = origin.host();
        let is_connect = error.is_connect();
        if error.is_timeout() {
            let limit = if is_connect { limits.connect } else { limits.request };
            return Self::Timeout { host, limit, is_sent: !is_connect };
        }
        let reason = root_cause(error);
        match is_connect {
            _ if origin.secure && is_about_tls(error) => Self::Tls { host, reason: tls_reason(&reason).to_owned() },
            true => Self::Connect { host, reason },
            false => Self::Interrupted { host, reason },
        }
    }

    /// A request to `origin` that took longer than `limit` in all.
    pub(crate) fn timeout(origin: &UrlOrigin, limit: Duration) -> Self {
        Self::Timeout { host: origin.host(), limit, is_sent: true }
    }

    pub(super) fn forbidden(error: ForbiddenAddress, origin: &UrlOrigin) -> Self {
        Self::Forbidden { host: origin.host(), address: error.address, kind: error.kind }
    }

    /// Classifies what the failure says about other requests.
    pub(crate) fn scope(&self) -> ErrorScope {
        match self {
            Self::Connect { .. } | Self::Interrupted { .. } => ErrorScope::Transient,
            Self::Timeout { .. } | Self::Tls { .. } => ErrorScope::Host,
            Self::TlsSetup { .. } | Self::Forbidden { .. } | Self::TooLarge { .. } => ErrorScope::Request,
        }
    }

    /// Returns true if the server may have received the request.
    pub(crate) fn may_be_sent(&self) -> bool {
        matches!(self, Self::Interrupted { .. } | Self::TooLarge { .. } | Self::Timeout { is_sent: true, .. })
    }

    /// Returns true if the address may be contacted once the settings name the host.
    pub(crate) fn is_private_address(&self) -> bool {
        matches!(self, Self::Forbidden { kind: AddressKind::Private | AddressKind::Public, .. })
    }
}

fn describe(kind: AddressKind) -> &'static str {
    match kind {
        AddressKind::Never => "a link-local, metadata or reserved address",
        AddressKind::Private | AddressKind::Public => "a private or loopback address",
    }
}

/// Returns the innermost cause; the outer ones repeat the URL.
pub(super) fn root_cause(error: &reqwest::Error) -> String {
    quotable(&causes(error).last().map(ToString::to_string).unwrap_or_default())
}

/// Iterates over `error` and its causes, outermost first.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error: &&(dyn Error + 'static)| (*error).source())
}

/// Phrases about a connection that ended.
const CUT: [&str; 4] = ["unexpected eof", "connection reset", "connection closed", "broken pipe"];
/// Phrases about certificates, alerts, or no common version or cipher.
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

/// Returns true if TLS itself failed. The TLS library also reports lost connections, which are network failures.
/// Classifies by text: reqwest does not expose the TLS library's error type.
fn is_about_tls(error: &(dyn Error + 'static)) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    let mentions = |cause: &dyn Error, phrases: &[&str]| {
        let text = cause.to_string().to_ascii_lowercase();
        phrases.iter().any(|phrase| text.contains(phrase))
    };
    let is_cut = |cause: &(dyn Error + 'static)| {
        let kind = cause.downcast_ref::<io::Error>().map(io::Error::kind);
        matches!(kind, Some(BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)) || mentions(cause, &CUT)
    };
    !causes(error).any(is_cut) && causes(error).any(|cause| mentions(cause, &TLS))
}

/// Shortens OpenSSL's `error:CODE:library:function:reason:file:line: (detail)` to its detail or reason.
fn tls_reason(text: &str) -> &str {
    let detail = text.strip_suffix(')').and_then(|text| text.rsplit_once('(')).map(|(_, detail)| detail);
    let reason = || text.strip_prefix("error:").and_then(|text| text.split(':').nth(3));
    detail.or_else(reason).map(str::trim).filter(|reason| !reason.is_empty()).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_certificates_alerts_and_versions_are_tls_failures() {
        for (text, expected) in [
            (
                "error:0A000126:SSL routines:ssl3_read_n:unexpected eof while reading:ssl/record/rec_layer_s3.c:322:",
                false,
            ),
            ("Connection reset by peer (os error 104): ssl alert", false),
            ("error:0A000086:SSL routines:tls_post_process_server_certificate:certificate verify failed", true),
            ("error:0A00010B:SSL routines:ssl3_get_record:wrong version number", true),
            ("error:0A00042E:SSL routines:ssl3_read_bytes:tlsv1 alert protocol version:SSL alert number 70", true),
            ("error:0A000410:SSL routines:ssl3_read_bytes:sslv3 alert handshake failure:SSL alert number 40", true),
            ("error:0A000119:SSL routines:ssl3_get_record:decryption failed or bad record mac", false),
            ("client error (Connect)", false),
            ("dns error", false),
        ] {
            assert_eq!(is_about_tls(&io::Error::other(text)), expected, "{text}");
        }
        assert!(!is_about_tls(&io::Error::new(io::ErrorKind::BrokenPipe, "ssl alert")));
    }

    #[test]
    fn the_reason_of_a_tls_failure_is_short() {
        for (text, expected) in [
            (
                "error:0A000086:SSL routines:tls_post_process_server_certificate:certificate verify \
                 failed:ssl/statem/statem_clnt.c:2103: (self-signed certificate in certificate chain)",
                "self-signed certificate in certificate chain",
            ),
            ("error:0A00010B:SSL routines:ssl3_get_record:wrong version number:a.c:1:", "wrong version number"),
            ("the handshake failed", "the handshake failed"),
            ("error:0A", "error:0A"),
        ] {
            assert_eq!(tls_reason(text), expected);
        }
    }
}
