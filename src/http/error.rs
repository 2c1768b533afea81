//! Transport errors: their cause, and whether another attempt may help.
//!
//! Pure: nothing is sent here. HTTP statuses are not errors at this level.

use std::error::Error;
use std::net::IpAddr;
use std::time::Duration;

use super::address::{AddressKind, ForbiddenAddress};
use super::limit::HttpLimits;
use super::origin::UrlOrigin;
use super::redact::quotable;
use super::tls;

/// Failure of a request before its response was complete. `host` is `host[:port]`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HttpError {
    #[error("`{host}` did not answer within {} s", limit.as_secs_f32())]
    Timeout { host: String, limit: Duration, is_sent: bool },
    #[error("TLS handshake with `{host}` failed: {reason}")]
    Tls { host: String, reason: String, is_untrusted: bool },
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
        // A damaged record of an open connection is a failure of the network.
        if let Some(cause) = tls::cause(error).filter(|cause| is_connect || tls::is_about_peers(cause)) {
            return Self::Tls { host, reason: quotable(&tls::reason(cause)), is_untrusted: tls::is_untrusted(cause) };
        }
        let reason = root_cause(error);
        match is_connect {
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

/// Returns true if the server certainly did not process the request: the connection was closed in an orderly way before
/// it, or its stream was refused (RFC 9113, sections 6.8 and 8.7).
pub(super) fn is_unprocessed(error: &reqwest::Error) -> bool {
    let mut causes = causes(error).filter_map(|cause| cause.downcast_ref::<h2::Error>());
    causes.any(|error| {
        let is_closed = error.is_go_away() && error.reason() == Some(h2::Reason::NO_ERROR);
        let is_refused = error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM);
        error.is_remote() && (is_closed || is_refused)
    })
}

/// Returns the innermost cause; the outer ones repeat the URL.
pub(super) fn root_cause(error: &reqwest::Error) -> String {
    quotable(&causes(error).last().map(ToString::to_string).unwrap_or_default())
}

/// Iterates over `error` and its causes, outermost first.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error: &&(dyn Error + 'static)| (*error).source())
}
