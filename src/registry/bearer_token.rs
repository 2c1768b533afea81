//! Responses of token servers: the token and its lifetime.
//!
//! Pure. Source: the Docker Registry v2 token specification ("Token Authentication").

use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::HeaderValue;
use serde::Deserialize;

/// Lifetime of a token in seconds if the server does not say (token specification, `expires_in`).
const DEFAULT_LIFETIME: u64 = 60;
/// Longest lifetime that is believed, in seconds.
const LIFETIME_MAX: u64 = 24 * 60 * 60;

/// A token as a header, and the time until it must be renewed.
pub(super) struct BearerToken {
    pub(super) header: HeaderValue,
    pub(super) lifetime: Duration,
}

/// Optional fields are parsed leniently: an odd lifetime or time does not invalidate a token.
#[derive(Deserialize)]
struct TokenResponse {
    token: Option<String>,
    access_token: Option<String>,
    #[serde(default)]
    expires_in: serde_json::Value,
    #[serde(default)]
    issued_at: serde_json::Value,
}

impl BearerToken {
    /// Parses the body of a response; none if it contains no valid token.
    pub(super) fn parse(body: &[u8], now: Timestamp) -> Option<Self> {
        let response: TokenResponse = serde_json::from_slice(body).ok()?;
        let text = response.token.filter(|text| !text.is_empty()).or(response.access_token)?;
        let header = bearer_header(&text)?;
        let lifetime = seconds(&response.expires_in).unwrap_or(DEFAULT_LIFETIME).min(LIFETIME_MAX);
        let lifetime = Duration::from_secs(lifetime);
        let issued = response.issued_at.as_str().and_then(|text| text.parse::<Timestamp>().ok());
        let age = issued.and_then(|issued| Duration::try_from(now.duration_since(issued)).ok());
        // An age beyond the lifetime means that the clocks differ, not that the token is old.
        let left = lifetime.saturating_sub(age.filter(|age| *age < lifetime).unwrap_or_default());
        let margin = (left / 5).min(Duration::from_secs(10));
        Some(Self { header, lifetime: left.saturating_sub(margin) })
    }
}

/// Encodes a token; marked as sensitive so that no log shows it. None if it is empty or has unusual characters.
pub(super) fn bearer_header(token: &str) -> Option<HeaderValue> {
    if token.is_empty() || !token.bytes().all(|b| b.is_ascii_graphic()) {
        return None;
    }
    let mut header = HeaderValue::try_from(format!("Bearer {token}")).ok()?;
    header.set_sensitive(true);
    Some(header)
}

/// Parses positive whole seconds from a number or its text.
fn seconds(value: &serde_json::Value) -> Option<u64> {
    let number = match value {
        serde_json::Value::Number(number) => number.as_f64()?,
        serde_json::Value::String(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    // The cast saturates.
    (number >= 1.0).then_some(number as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_expires_when_its_server_says_less_a_margin() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let lifetime = |body: &str| BearerToken::parse(body.as_bytes(), now).map(|token| token.lifetime.as_secs());
        assert_eq!(lifetime(r#"{"token": "a"}"#), Some(50));
        assert_eq!(lifetime(r#"{"access_token": "a", "expires_in": 300}"#), Some(290));
        assert_eq!(lifetime(r#"{"token": "a", "expires_in": 300, "issued_at": "2025-12-31T23:59:00Z"}"#), Some(230));
        assert_eq!(lifetime(r#"{"token": "a", "expires_in": 300, "issued_at": "2020-01-01T00:00:00Z"}"#), Some(290));
        assert_eq!(lifetime(r#"{"token": "a", "expires_in": 300, "issued_at": "2030-01-01T00:00:00Z"}"#), Some(290));
        assert_eq!(lifetime(r#"{"token": "a", "expires_in": 5}"#), Some(4));
        assert_eq!(lifetime(r#"{"token": "a", "expires_in": 0}"#), Some(50));
        assert_eq!(lifetime(r#"{"token": "a", "expires_in": 300.7}"#), Some(290));
        assert_eq!(lifetime(r#"{"token": "a", "expires_in": "300", "issued_at": "2025-12-31T23:59:00Z"}"#), Some(230));
        for odd in [
            r#""expires_in": null, "issued_at": null"#,
            r#""expires_in": "soon", "issued_at": "yesterday""#,
            r#""expires_in": -1, "issued_at": "2026-01-01T00:00:00""#,
            r#""expires_in": [], "issued_at": 1767225600"#,
        ] {
            assert_eq!(lifetime(&format!("{{\"token\": \"a\", {odd}}}")), Some(50), "{odd}");
        }
        for bad in ["", "{}", r#"{"token": ""}"#, r#"{"token": "a\nb"}"#, r#"{"token": 1}"#, "[]", "null"] {
            assert_eq!(lifetime(bad), None, "{bad}");
        }
    }

    #[test]
    fn t14_no_token_is_used_for_longer_than_a_day() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        for lifetime in ["18446744073709551615", "1e300", "\"99999999999999999999999\"", "86401"] {
            let body = format!("{{\"token\": \"a\", \"expires_in\": {lifetime}}}");
            let token = BearerToken::parse(body.as_bytes(), now).unwrap();
            assert_eq!(token.lifetime.as_secs(), LIFETIME_MAX - 10, "{lifetime}");
            assert!(Duration::from_secs(u64::from(u32::MAX)).checked_add(token.lifetime).is_some());
        }
    }
}
