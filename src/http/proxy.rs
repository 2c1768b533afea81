//! Proxy selection by `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`.
//!
//! Reads the environment and connects to nothing. `NO_PROXY` follows curl (curl(1), "--noproxy"), plus ports and
//! networks as Go programs accept them.

use std::net::IpAddr;

use url::Url;

use super::error::HttpSetupError;
use super::origin::{HostPort, UrlOrigin};
use crate::system::environment;

/// Proxy variables of the environment.
#[derive(Clone, Default)]
pub struct Proxies {
    /// `HTTPS_PROXY`
    pub https: Option<String>,
    /// `http_proxy`, in lower case only (CVE-2016-5385).
    pub http: Option<String>,
    /// `NO_PROXY`
    pub except: Option<String>,
}

impl Proxies {
    /// Reads the proxy variables of the process.
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

/// Proxy settings from the environment variables.
pub(super) struct ProxyRules {
    https: Option<Url>,
    http: Option<Url>,
    except: Vec<NoProxyRule>,
}

/// Entry of `NO_PROXY`: hosts that are contacted directly.
struct NoProxyRule {
    hosts: NoProxyHosts,
    port: Option<u16>,
}

enum NoProxyHosts {
    All,
    /// A domain and its subdomains.
    Domain(String),
    /// An address and the length of its prefix in bits.
    Network(IpAddr, u32),
}

impl ProxyRules {
    /// Parses the proxy variables.
    ///
    /// # Errors
    /// If a proxy is not a URL.
    pub(super) fn parse(proxies: &Proxies) -> Result<Self, HttpSetupError> {
        let parse = |text: &Option<String>, variable| {
            let Some(text) = text else { return Ok(None) };
            let text = if text.contains("://") { text.clone() } else { format!("http://{text}") };
            let url = Url::parse(&text).ok().filter(Url::has_host);
            url.map(Some).ok_or(HttpSetupError::Proxy { variable })
        };
        let except = proxies.except.as_deref().unwrap_or_default();
        let except = except.split([',', ' ']).filter(|text| !text.is_empty()).map(NoProxyRule::parse).collect();
        let https = parse(&proxies.https, "HTTPS_PROXY")?;
        Ok(Self { https, http: parse(&proxies.http, "HTTP_PROXY")?, except })
    }

    /// Returns the proxy for `origin`, if any.
    pub(super) fn proxy(&self, origin: &UrlOrigin) -> Option<&Url> {
        let proxy = if origin.secure { &self.https } else { &self.http };
        proxy.as_ref().filter(|_| !self.except.iter().any(|except| except.covers(&origin.place)))
    }
}

impl NoProxyRule {
    fn parse(text: &str) -> Self {
        let text = text.to_ascii_lowercase();
        let place = text.rsplit_once(':').filter(|(host, _)| !host.contains(':') || host.ends_with(']'));
        let place = place.and_then(|(host, port)| Some((host, Some(port.parse().ok()?))));
        let (text, port) = place.unwrap_or((&text, None));
        let bare = text.trim_start_matches('[').trim_end_matches(']');
        let network = match bare.split_once('/') {
            Some((address, bits)) => address.parse().ok().zip(bits.parse().ok()),
            None => bare.parse().ok().map(|address| (address, u32::MAX)),
        };
        let hosts = match network {
            _ if text == "*" => NoProxyHosts::All,
            Some((address, bits)) => NoProxyHosts::Network(address, bits),
            None => NoProxyHosts::Domain(text.trim_start_matches('*').trim_matches('.').to_owned()),
        };
        Self { hosts, port }
    }

    fn covers(&self, place: &HostPort) -> bool {
        if self.port.is_some_and(|port| port != place.port()) {
            return false;
        }
        let host = place.host();
        match &self.hosts {
            NoProxyHosts::All => true,
            NoProxyHosts::Domain(name) => {
                let host = host.trim_end_matches('.');
                !name.is_empty() && host.strip_suffix(name).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            }
            NoProxyHosts::Network(network, bits) => {
                let number = |address: IpAddr| match address {
                    IpAddr::V4(address) => (32, u128::from(u32::from(address))),
                    IpAddr::V6(address) => (128, u128::from(address)),
                };
                let ((width, network), address) = (number(*network), host.trim_matches(['[', ']']).parse().map(number));
                let ignored = width - bits.min(&width);
                address.is_ok_and(|(other, address)| {
                    other == width && (network ^ address).checked_shr(ignored).unwrap_or(0) == 0
                })
            }
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
        let rules = ProxyRules::parse(&proxies).unwrap();
        let port = |text: &str| rules.proxy(&UrlOrigin::parse(text).unwrap()).and_then(Url::port);
        for text in direct {
            assert_eq!(port(text), None, "{except} {text}");
        }
        for text in proxied {
            assert_eq!(port(text), Some(if text.starts_with("https") { 3128 } else { 3129 }), "{except} {text}");
        }
    }

    #[test]
    fn hosts_in_no_proxy_are_contacted_directly() {
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
    fn a_proxy_that_is_not_a_url_is_an_error_without_its_value() {
        for bad in ["http://u:canary@", "http://[canary", "data:canary"] {
            let error = ProxyRules::parse(&Proxies { https: Some(bad.to_owned()), ..Proxies::default() }).err();
            assert!(error.is_some_and(|error| !error.to_string().contains("canary")), "{bad}");
        }
    }
}
