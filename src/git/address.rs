//! Addresses of remotes, by a grammar narrower than Git's: text that a program could read as an option, a helper or a
//! command is rejected.
//!
//! Credentials are removed from an address when it is parsed, and never shown. Only over SSH, where a user name opens
//! nothing, it remains.

use std::net::{IpAddr, Ipv6Addr};
use std::path::{Path, PathBuf};

use super::RemoteOrigin;
use super::error::{GitError, is_format, shown};
use crate::http::Secret;
use crate::text::encoding::percent_decode;

/// The longest address, in bytes.
const URL_MAX: usize = 2048;

/// The transport of a remote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RemoteRoute {
    /// A directory of this machine.
    Directory(PathBuf),
    /// A server.
    Server(RemoteScheme),
}

/// The protocol of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RemoteScheme {
    Https,
    /// On the loopback host only.
    Http,
    Ssh,
    /// On the loopback host only.
    Git,
}

/// The server and the path of a remote over SSH.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SshTarget {
    /// `user@host`, or the host alone; a host may be an alias of the ssh configuration.
    pub(super) destination: String,
    pub(super) port: Option<u16>,
    /// The path as the server's shell gets it, e.g. `~user/repo.git`.
    pub(super) path: String,
}

impl RemoteScheme {
    /// Returns the name in URLs, and the default port.
    fn facts(self) -> (&'static str, u16) {
        match self {
            Self::Https => ("https", 443),
            Self::Http => ("http", 80),
            Self::Ssh => ("ssh", 22),
            Self::Git => ("git", 9418),
        }
    }
}

/// The address of a remote, without credentials in its text.
#[derive(Clone)]
pub(super) struct RemoteAddress {
    pub(super) route: RemoteRoute,
    url: String,
    user: Option<String>,
    password: Option<Secret>,
    host: String,
    port: Option<u16>,
}

impl RemoteAddress {
    /// Parses a path, `file://`, `https://`, `ssh://` or `user@host:path`; on the loopback host also `http://` and `git://`.
    ///
    /// # Errors
    /// If it is not a valid address.
    pub(super) fn parse(text: &str) -> Result<Self, GitError> {
        Self::parse_text(text)
            .map_err(|reason| GitError::Remote { url: shown(&hide_login(text)), reason: reason.to_owned() })
    }

    fn parse_text(text: &str) -> Result<Self, &'static str> {
        if text.is_empty() || text.len() > URL_MAX {
            return Err("it is empty or too long");
        }
        if text.starts_with('-') {
            return Err("it starts with a dash");
        }
        if text.chars().any(|c| c.is_control() || is_format(c) || (c.is_whitespace() && c != ' ')) {
            return Err("it contains control characters or white space");
        }
        if let Some((name, rest)) = text.split_once("://") {
            let schemes = [RemoteScheme::Https, RemoteScheme::Http, RemoteScheme::Ssh, RemoteScheme::Git];
            return match schemes.into_iter().find(|scheme| scheme.facts().0 == name) {
                Some(scheme) => Self::server(scheme, rest),
                None if name == "file" => Self::file(text, rest),
                None => Err("expected a path, `https://`, `ssh://`, `user@host:path` or `file://`"),
            };
        }
        if text.contains("::") {
            return Err("remote helpers are not supported");
        }
        match text.split_once(':') {
            Some((login, path)) if !login.contains('/') => Self::scp_like(text, login, path),
            _ => Self::directory(Path::new(text)),
        }
    }

    fn directory(path: &Path) -> Result<Self, &'static str> {
        // Absolute, so that its state does not depend on the working directory.
        let path = path.canonicalize().ok().filter(|path| path.is_dir()).ok_or("there is no such directory")?;
        let url = path.to_str().ok_or("its path is not Unicode")?.to_owned();
        let route = RemoteRoute::Directory(path);
        Ok(Self { route, url, user: None, password: None, host: String::new(), port: None })
    }

    fn file(text: &str, rest: &str) -> Result<Self, &'static str> {
        if !rest.starts_with('/') || text.contains(['?', '#', ' ', '\\']) {
            return Err("expected `file://` with a third slash and a plain path");
        }
        let parsed = url::Url::parse(text).map_err(|_| "it is malformed")?;
        let path = parsed.to_file_path().map_err(|()| "it has no path")?;
        Self::directory(&path)
    }

    fn server(scheme: RemoteScheme, rest: &str) -> Result<Self, &'static str> {
        let (authority, path) = rest.split_at(rest.find('/').ok_or("it has no path")?);
        let (login, place) =
            authority.rsplit_once('@').map_or((None, authority), |(login, place)| (Some(login), place));
        let (user, password) = login.map(|login| login.split_once(':').unwrap_or((login, ""))).unzip();
        let user = user.map(str::to_owned);
        let password = password.filter(|password| !password.is_empty()).map(|password| {
            decode(password).map(Secret::new).ok_or("its password contains characters that must be written as `%XX`")
        });
        let password = password.transpose()?;
        if user.as_deref().is_some_and(|user| !is_user(user)) {
            return Err("its user name contains other characters than letters, digits, `.`, `_`, `+` and `-`");
        }
        if password.is_some() && !matches!(scheme, RemoteScheme::Https | RemoteScheme::Http) {
            return Err("a password is accepted for `https://` only");
        }
        let (host, port) = split_port(place).ok_or("its host or port is invalid")?;
        if matches!(scheme, RemoteScheme::Http | RemoteScheme::Git) && !is_loopback(&host) {
            return Err("the connection is not encrypted; use `https://` or `ssh://`");
        }
        if !is_path(path) || path == "/" {
            return Err("its path contains invalid characters or parts");
        }
        let (name, _) = scheme.facts();
        // Over HTTP, a user name may be a token.
        let named = user.as_ref().filter(|_| matches!(scheme, RemoteScheme::Ssh | RemoteScheme::Git));
        let at = named.map_or_else(String::new, |user| format!("{user}@"));
        let colon = port.map_or_else(String::new, |port| format!(":{port}"));
        let url = format!("{name}://{at}{host}{colon}{path}");
        Ok(Self { route: RemoteRoute::Server(scheme), url, user, password, host, port })
    }

    /// Parses `user@host:path`.
    fn scp_like(text: &str, login: &str, path: &str) -> Result<Self, &'static str> {
        let (user, host) =
            login.split_once('@').ok_or("expected `user@host:path` or `ssh://user@host/path` for SSH")?;
        let is_plain = !path.starts_with('-') && is_path(path) && !path.trim_matches('/').is_empty();
        if !is_user(user) || !is_host(host) || !is_plain {
            return Err("expected `user@host:path`");
        }
        let (url, user, host) = (text.to_owned(), Some(user.to_owned()), host.to_owned());
        Ok(Self { route: RemoteRoute::Server(RemoteScheme::Ssh), url, user, password: None, host, port: None })
    }

    /// Returns the address for libgit2, without credentials.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Returns the address for messages, without credentials.
    pub(super) fn shown(&self) -> &str {
        &self.url
    }

    pub(super) fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    pub(super) fn password(&self) -> Option<&Secret> {
        self.password.as_ref()
    }

    /// Returns the host; empty for a directory.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    pub(super) fn port(&self) -> Option<u16> {
        self.port
    }

    /// Returns the port, by default that of the scheme; none for a directory.
    pub(super) fn port_or_default(&self) -> Option<u16> {
        match &self.route {
            RemoteRoute::Server(scheme) => Some(self.port.unwrap_or(scheme.facts().1)),
            RemoteRoute::Directory(_) => None,
        }
    }

    /// Returns the server and the path; none unless this is an address over SSH.
    pub(super) fn ssh_target(&self) -> Option<SshTarget> {
        if self.route != RemoteRoute::Server(RemoteScheme::Ssh) {
            return None;
        }
        let path = match self.url.strip_prefix("ssh://") {
            Some(rest) => {
                let path = decode(&rest[rest.find('/')?..])?;
                // git(1), "GIT URLS": `ssh://host/~user/path`.
                path.strip_prefix('/').filter(|path| path.starts_with('~')).map(str::to_owned).unwrap_or(path)
            }
            None => self.url.split_once(':')?.1.to_owned(),
        };
        let host = self.host.trim_matches(['[', ']']);
        let destination = self.user.as_ref().map_or_else(|| host.to_owned(), |user| format!("{user}@{host}"));
        Some(SshTarget { destination, port: self.port, path })
    }

    /// Returns the origin of the remote.
    pub(super) fn origin(&self) -> RemoteOrigin {
        let RemoteRoute::Server(scheme) = self.route else { return RemoteOrigin::Directory };
        let ((scheme, port), host) = (scheme.facts(), self.host.to_ascii_lowercase());
        RemoteOrigin::Server(format!("{scheme}://{host}:{}", self.port.unwrap_or(port)))
    }

    /// Redacts the address's password in a text.
    pub(super) fn without_secrets(&self, text: &str) -> String {
        match &self.password {
            Some(password) => text.replace(password.reveal(), "***"),
            None => text.to_owned(),
        }
    }
}

/// Redacts an address that could not be parsed.
fn hide_login(text: &str) -> String {
    let (login, place) = text.rsplit_once('@').map_or((None, text), |(login, place)| (Some(login), place));
    let place = place.split_once('?').map_or_else(|| place.to_owned(), |(place, _)| format!("{place}?***"));
    let Some(login) = login else { return place };
    let (scheme, user) = login.split_at(login.find("://").map_or(0, |at| at + 3));
    match user.contains(':') || !matches!(scheme, "" | "ssh://") {
        true => format!("{scheme}***@{place}"),
        false => format!("{login}@{place}"),
    }
}

fn is_user(text: &str) -> bool {
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'+' | b'-');
    let first = text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_');
    first && text.len() <= 128 && text.bytes().all(good)
}

fn is_host(text: &str) -> bool {
    if let Some(inner) = text.strip_prefix('[') {
        return inner.strip_suffix(']').is_some_and(|address| address.parse::<Ipv6Addr>().is_ok());
    }
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(label)
}

/// Splits `host[:port]`.
fn split_port(text: &str) -> Option<(String, Option<u16>)> {
    let after = text.rfind(']').map_or(0, |at| at + 1);
    let (host, port) = match text[after..].find(':') {
        Some(at) => {
            let port = &text[after + at + 1..];
            if port.is_empty() || port.len() > 5 || !port.bytes().all(|b| b.is_ascii_digit()) {
                return None;
            }
            (&text[..after + at], Some(port.parse().ok().filter(|port| *port != 0)?))
        }
        None => (text, None),
    };
    is_host(host).then(|| (host.to_owned(), port))
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Accepts a path without query, quote, backslash, invalid escape, and `.` or `..` as a part, even if escaped.
fn is_path(path: &str) -> bool {
    let good = |b: u8| b.is_ascii_alphanumeric() || b"/-._~+%,=:()".contains(&b);
    let Some(decoded) = decode(path) else { return false };
    path.bytes().all(good)
        && !decoded.chars().any(|c| c.is_control() || matches!(c, '\\' | '\'' | '"'))
        && !decoded.split('/').any(|part| part == "." || part == ".." || part.starts_with('-'))
}

/// Decodes `%XX`; none if an escape is invalid or a character is not printable ASCII.
fn decode(text: &str) -> Option<String> {
    percent_decode(text).filter(|_| text.bytes().all(|b| b.is_ascii_graphic()))
}

#[cfg(test)]
mod tests;
