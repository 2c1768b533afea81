//! Proxies: which requests go through one, decided here and nowhere else.
//!
//! Pure but for reading the environment: nothing is connected to. What decides is what curl documents for
//! `NO_PROXY` (curl(1), "--noproxy"), with ports and networks as Go programs take them.

use std::net::IpAddr;

use url::Url;

use super::origin::{HostPort, UrlOrigin};
use crate::system::environment;

/// Proxies, as the environment names them for all programs.
#[derive(Clone, Default)]
pub struct Proxies {
    /// `HTTPS_PROXY`
    pub https: Option<String>,
    /// `HTTP_PROXY`, which for requests counts in lower case alone (CVE-2016-5385).
    pub http: Option<String>,
    /// `NO_PROXY`
    pub except: Option<String>,
}

impl Proxies {
    /// The proxies that the environment of the process names.
    pub fn from_environment() -> Self {
        let var = |lower: &str, upper: &str| environment::var(lower).or_else(|| environment::var(upper));
        let all = || var("all_proxy", "ALL_PROXY");
        Self {
            https: var("https_proxy", "HTTPS_PROXY").or_else(all),
            http: environment::var("http_proxy").or_else(all),
            except: var("no_proxy", "NO_PROXY"),
        }
    }
}

/// The ways that requests take.
pub(super) struct ProxyRoutes {
    https: Option<Url>,
    http: Option<Url>,
    except: Vec<NoProxyRule>,
}

/// Places that are gone to directly.
struct NoProxyRule {
    what: What,
    port: Option<u16>,
}

enum What {
    All,
    /// A name and all names below it.
    Name(String),
    /// An address and how many of its bits count.
    Network(IpAddr, u32),
}

impl ProxyRoutes {
    /// Reads what the environment says.
    ///
    /// # Errors
    /// A sentence, where a proxy is no URL. It may hold a password, so it is not repeated.
    pub(super) fn read(proxies: &Proxies) -> Result<Self, String> {
        let read = |text: &String| {
            let text = if text.contains("://") { text.clone() } else { format!("http://{text}") };
            let url = Url::parse(&text).ok().filter(Url::has_host);
            url.ok_or_else(|| "the proxy that the environment names cannot be read as a URL".to_owned())
        };
        let except = proxies.except.as_deref().unwrap_or_default();
        let except = except.split([',', ' ']).filter(|text| !text.is_empty()).map(NoProxyRule::read).collect();
        let https = proxies.https.as_ref().map(read).transpose()?;
        Ok(Self { https, http: proxies.http.as_ref().map(read).transpose()?, except })
    }

    /// The proxy that a request to `origin` goes through, if it does.
    pub(super) fn proxy(&self, origin: &UrlOrigin) -> Option<&Url> {
        let proxy = if origin.secure { &self.https } else { &self.http };
        proxy.as_ref().filter(|_| !self.except.iter().any(|except| except.covers(&origin.place)))
    }
}

impl NoProxyRule {
    fn read(text: &str) -> Self {
        let text = text.to_ascii_lowercase();
        let (text, port) = match text.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => match port.parse() {
                Ok(port) => (host, Some(port)),
                Err(_) => (text.as_str(), None),
            },
            _ => (text.as_str(), None),
        };
        let bare = text.trim_start_matches('[').trim_end_matches(']');
        let network = match bare.split_once('/') {
            Some((address, bits)) => address.parse().ok().zip(bits.parse().ok()),
            None => bare.parse().ok().map(|address| (address, u32::MAX)),
        };
        let what = match network {
            _ if text == "*" => What::All,
            Some((address, bits)) => What::Network(address, bits),
            None => What::Name(text.trim_start_matches('*').trim_matches('.').to_owned()),
        };
        Self { what, port }
    }

    fn covers(&self, place: &HostPort) -> bool {
        if self.port.is_some_and(|port| port != place.port()) {
            return false;
        }
        let host = place.host();
        match &self.what {
            What::All => true,
            What::Name(name) => {
                let host = host.trim_end_matches('.');
                !name.is_empty() && host.strip_suffix(name).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            }
            What::Network(network, bits) => match (network, host.trim_matches(['[', ']']).parse()) {
                (IpAddr::V4(network), Ok(IpAddr::V4(address))) => {
                    let ignored = 32 - (*bits).min(32);
                    (u32::from(*network) ^ u32::from(address)).checked_shr(ignored).unwrap_or(0) == 0
                }
                (IpAddr::V6(network), Ok(IpAddr::V6(address))) => {
                    let ignored = 128 - (*bits).min(128);
                    (u128::from(*network) ^ u128::from(address)).checked_shr(ignored).unwrap_or(0) == 0
                }
                _ => false,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(except: &str, direct: &[&str], proxied: &[&str]) {
        let proxies = Proxies {
            https: Some("proxy.example:3128".to_owned()),
            http: Some("http://u:p@proxy.example:3129".to_owned()),
            except: Some(except.to_owned()),
        };
        let ways = ProxyRoutes::read(&proxies).unwrap();
        let port = |text: &str| ways.proxy(&UrlOrigin::parse(text).unwrap()).and_then(Url::port);
        for text in direct {
            assert_eq!(port(text), None, "{except} {text}");
        }
        for text in proxied {
            assert_eq!(port(text), Some(if text.starts_with("https") { 3128 } else { 3129 }), "{except} {text}");
        }
    }

    #[test]
    fn what_is_excepted_goes_directly() {
        check("", &[], &["https://a.example", "http://a.example", "https://127.0.0.1"]);
        check("*", &["https://a.example", "http://127.0.0.1:5000"], &[]);
        let below = ["https://a.example", "https://x.a.example:5000", "http://A.EXAMPLE."];
        for except in ["a.example", ".a.example", "*.a.example", "b, a.example", "b a.example", "A.Example"] {
            check(except, &below, &["https://xa.example", "https://a.example.org", "https://example"]);
        }
        check("a.example:5000", &["https://a.example:5000"], &["https://a.example"]);
        check(
            "127.0.0.1",
            &["http://127.0.0.1:5000", "http://127.1"],
            &["http://127.0.0.2", "http://1.127.0.0.1.example"],
        );
        check("10.0.0.0/8", &["https://10.1.2.3"], &["https://11.0.0.1", "https://[::a01:203]"]);
        check("0.0.0.0/0", &["https://10.1.2.3"], &["https://[::1]", "https://a.example"]);
        check(
            "[::1]:5000,fc00::/7",
            &["https://[::1]:5000", "https://[fdff::1]"],
            &["https://[::1]", "https://[fe80::1]"],
        );
        check(". , ,:,/", &[], &["https://a.example", "https://10.0.0.1"]);
    }

    #[test]
    fn a_proxy_that_is_no_url_is_said_and_not_repeated() {
        for bad in ["http://u:canary@", "http://[canary", "data:canary"] {
            let error = ProxyRoutes::read(&Proxies { https: Some(bad.to_owned()), ..Proxies::default() }).err();
            assert!(error.is_some_and(|error| !error.contains("canary")), "{bad}");
        }
    }
}
