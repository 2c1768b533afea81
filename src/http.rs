//! HTTP for registries, forges and Git remotes: one client, one retry policy, one address rule, one redaction.
//!
//! Nothing here follows a redirect, answers a challenge or chooses a credential: callers do, because the rules differ
//! for registries and forges. A new use of HTTP starts at `HttpClient`.

mod address;
mod breaker;
pub(crate) mod challenge;
mod client;
mod dns;
mod error;
mod limit;
mod origin;
mod pace;
mod proxy;
mod redact;
mod retry;
mod tls;

pub(crate) use address::PrivateAccess;
pub(crate) use breaker::{BreakerCause, CircuitOpen, RequestFailure};
pub(crate) use client::{Authority, HttpClient, HttpConfig, LargeBodyPermit, Route};
pub use dns::NameLookup;
pub use error::HttpSetupError;
pub(crate) use error::{ErrorScope, HttpError};
pub use limit::HttpLimits;
pub(crate) use limit::{HostLimiter, RequestPermit};
pub(crate) use origin::UrlOrigin;
pub use proxy::Proxies;
pub use redact::Secret;
pub(crate) use redact::{Redactor, SecretMask, password_header, quotable, remember};
pub(crate) use retry::{AttemptOutcome, is_overload, is_retryable, retry_after, server_time};
