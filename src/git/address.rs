//! Where a remote is and what its branches are called: parsed once, by a grammar narrower than Git's.
//!
//! What does not match is refused, so nothing that a program further down could take for an option, a helper or a
//! command is ever passed on. A login within an address is taken out at once and never shown; only over SSH, where it opens nothing, its name is.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

use super::message::{is_format, shown};
use super::secret::GitSecret;
use super::{GitError, RemoteOrigin};

/// The longest address that is read.
const URL_MAX: usize = 2048;

/// How a remote is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RemoteRoute {
    /// A folder of this machine.
    Folder(PathBuf),
    /// A server.
    Server(RemoteScheme),
}

/// How a server is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RemoteScheme {
    Https,
    /// Only on this machine.
    Http,
    Ssh,
    /// Only on this machine.
    Git,
}

/// The address of a remote.
#[derive(Clone)]
pub(super) struct RemoteAddress {
    route: RemoteRoute,
    url: String,
    user: Option<String>,
    password: Option<GitSecret>,
    host: String,
    port: Option<u16>,
}

impl RemoteAddress {
    /// Reads an address as a person gives it: a folder, `file://`, `https://`, `ssh://` or `user@host:path`; on the
    /// loopback host also `http://` and `git://`.
    ///
    /// # Errors
    /// Says why it was not accepted.
    pub(super) fn parse(text: &str) -> Result<Self, GitError> {
        Self::read(text).map_err(|reason| GitError::Remote { url: shown(&hide_login(text)), reason: reason.to_owned() })
    }

    fn read(text: &str) -> Result<Self, &'static str> {
        if text.is_empty() || text.len() > URL_MAX {
            return Err("it is empty or too long");
        }
        if text.starts_with('-') {
            return Err("it starts with a dash");
        }
        if text.chars().any(|c| c.is_control() || is_format(c) || (c.is_whitespace() && c != ' ')) {
            return Err("it has control characters or white space");
        }
        if let Some((scheme, rest)) = text.split_once("://") {
            return match scheme {
                "file" => Self::file(text, rest),
                "https" => Self::server(RemoteScheme::Https, rest),
                "http" => Self::server(RemoteScheme::Http, rest),
                "ssh" => Self::server(RemoteScheme::Ssh, rest),
                "git" => Self::server(RemoteScheme::Git, rest),
                _ => Err("only `https://`, `ssh://`, `user@host:path`, `file://` and folders are remotes"),
            };
        }
        if text.contains("::") {
            return Err("remote helpers are not used");
        }
        match Self::scp_like(text) {
            Some(found) => found,
            None => Self::folder(Path::new(text)),
        }
    }

    fn folder(path: &Path) -> Result<Self, &'static str> {
        // Its own path, so that what is remembered about it does not depend on where we stand.
        let path = path.canonicalize().ok().filter(|path| path.is_dir()).ok_or("there is no such folder")?;
        let url = path.to_str().ok_or("its path is not Unicode")?.to_owned();
        Ok(Self { route: RemoteRoute::Folder(path), url, user: None, password: None, host: String::new(), port: None })
    }

    fn file(text: &str, rest: &str) -> Result<Self, &'static str> {
        if !rest.starts_with('/') || text.contains(['?', '#', ' ', '\\']) {
            return Err("a `file://` address has three slashes and a plain path");
        }
        let parsed = url::Url::parse(text).map_err(|_| "it cannot be read")?;
        let path = parsed.to_file_path().map_err(|()| "it names no file")?;
        Self::folder(&path)
    }

    fn server(scheme: RemoteScheme, rest: &str) -> Result<Self, &'static str> {
        let (authority, path) = rest.split_at(rest.find('/').ok_or("it has no path")?);
        let (userinfo, place) = match authority.rsplit_once('@') {
            Some((userinfo, place)) => (Some(userinfo), place),
            None => (None, authority),
        };
        let (user, password) = match userinfo.map(|userinfo| userinfo.split_once(':').unwrap_or((userinfo, ""))) {
            None => (None, None),
            Some((user, "")) => (Some(user.to_owned()), None),
            Some((user, password)) => (
                Some(user.to_owned()),
                Some(GitSecret::new(
                    decode(password).ok_or("its password has characters that must be written as `%XX`")?,
                )),
            ),
        };
        if user.as_deref().is_some_and(|user| !is_user(user)) {
            return Err("its user name has characters that are not letters, digits, `.`, `_`, `+` or `-`");
        }
        if password.is_some() && !matches!(scheme, RemoteScheme::Https | RemoteScheme::Http) {
            return Err("a password is only taken for `https://`");
        }
        let (host, port) = split_port(place).ok_or("its host or port is not one")?;
        if matches!(scheme, RemoteScheme::Http | RemoteScheme::Git) && !is_loopback(&host) {
            return Err("what is sent there could be read on the way; use `https://` or `ssh://`");
        }
        if !is_path(path) || path == "/" {
            return Err("its path has characters or parts that are not taken");
        }
        let word = match scheme {
            RemoteScheme::Https => "https",
            RemoteScheme::Http => "http",
            RemoteScheme::Ssh => "ssh",
            RemoteScheme::Git => "git",
        };
        // Over HTTP a user's name may be a token.
        let named = user.as_ref().filter(|_| matches!(scheme, RemoteScheme::Ssh | RemoteScheme::Git));
        let at = named.map_or_else(String::new, |user| format!("{user}@"));
        let colon = port.map_or_else(String::new, |port| format!(":{port}"));
        let url = format!("{word}://{at}{host}{colon}{path}");
        Ok(Self { route: RemoteRoute::Server(scheme), url, user, password, host, port })
    }

    /// `user@host:path`; none where the text does not have that shape.
    fn scp_like(text: &str) -> Option<Result<Self, &'static str>> {
        let (before, path) = text.split_once(':')?;
        if before.contains('/') {
            return None;
        }
        let Some((user, host)) = before.split_once('@') else {
            return Some(Err("a remote over SSH is written `user@host:path` or `ssh://user@host/path`"));
        };
        if !is_user(user)
            || !is_host(host)
            || path.starts_with('-')
            || !is_path(path)
            || path.trim_matches('/').is_empty()
        {
            return Some(Err("it is not `user@host:path`"));
        }
        Some(Ok(Self {
            route: RemoteRoute::Server(RemoteScheme::Ssh),
            url: text.to_owned(),
            user: Some(user.to_owned()),
            password: None,
            host: host.to_owned(),
            port: None,
        }))
    }

    pub(super) fn route(&self) -> &RemoteRoute {
        &self.route
    }

    /// The address as libgit2 is given it: without any login.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// The address for people: without any login.
    pub(super) fn shown(&self) -> &str {
        &self.url
    }

    pub(super) fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    pub(super) fn password(&self) -> Option<&GitSecret> {
        self.password.as_ref()
    }

    /// The host; empty for a folder.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    pub(super) fn port(&self) -> Option<u16> {
        self.port
    }

    pub(super) fn is_ssh(&self) -> bool {
        self.route == RemoteRoute::Server(RemoteScheme::Ssh)
    }

    /// Where it leads.
    pub(super) fn origin(&self) -> RemoteOrigin {
        let (scheme, port) = match self.route {
            RemoteRoute::Folder(_) => return RemoteOrigin::Folder,
            RemoteRoute::Server(RemoteScheme::Https) => ("https", 443),
            RemoteRoute::Server(RemoteScheme::Http) => ("http", 80),
            RemoteRoute::Server(RemoteScheme::Ssh) => ("ssh", 22),
            RemoteRoute::Server(RemoteScheme::Git) => ("git", 9418),
        };
        let host = self.host.to_ascii_lowercase();
        RemoteOrigin::Server(format!("{scheme}://{host}:{}", self.port.unwrap_or(port)))
    }

    /// Whether `url`, as a server's challenge is reported, is this remote's origin: scheme, host and port.
    pub(super) fn is_origin_of(&self, url: &str) -> bool {
        if self.is_ssh() {
            return url == self.url;
        }
        let origin = |text: &str| url::Url::parse(text).ok().map(|url| url.origin());
        origin(url).is_some_and(|theirs| Some(theirs) == origin(&self.url))
    }

    /// `text` with the address's own password taken out.
    pub(super) fn without_secrets(&self, text: &str) -> String {
        match &self.password {
            Some(password) => text.replace(password.reveal(), "***"),
            None => text.to_owned(),
        }
    }
}

/// What may be shown of an address that could not be read.
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

/// Host and port of `host[:port]`.
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
        || host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
        || host.trim_matches(['[', ']']).parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback())
}

/// Whether `path` is plain: no query, quote, backslash, broken escape, or part `.` or `..`, written or escaped.
fn is_path(path: &str) -> bool {
    let good = |b: u8| b.is_ascii_alphanumeric() || b"/-._~+%,=:()".contains(&b);
    let Some(decoded) = decode(path) else { return false };
    path.bytes().all(good)
        && !decoded.chars().any(|c| c.is_control() || matches!(c, '\\' | '\'' | '"'))
        && !decoded.split('/').any(|part| part == "." || part == ".." || part.starts_with('-'))
}

/// `text` with its `%XX` read; none where one is broken, or where a character is not printable ASCII.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        if *first != b'%' {
            if !first.is_ascii_graphic() {
                return None;
            }
            bytes.push(*first);
            continue;
        }
        let digits = after.get(..2).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))?;
        bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
        rest = &after[2..];
    }
    String::from_utf8(bytes).ok()
}

/// A branch's name, as in `refs/heads/<name>`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct BranchName(String);

impl BranchName {
    /// Reads a name by the rules of git-check-ref-format(1), without a leading dash, and without characters that
    /// cannot be seen.
    ///
    /// # Errors
    /// Says that it is none.
    pub(super) fn parse(text: &str) -> Result<Self, GitError> {
        let bad_char = |c: char| {
            c.is_control()
                || is_format(c)
                || c.is_whitespace()
                || matches!(c, '~' | '^' | ':' | '?' | '*' | '[' | '\\')
                || !(c.is_ascii() || c.is_alphanumeric())
        };
        let part = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.ends_with(".lock");
        let good = (1..=244).contains(&text.len())
            && !text.starts_with('-')
            && !text.starts_with("refs/")
            && !text.ends_with('.')
            && !text.contains("..")
            && !text.contains("@{")
            && text != "@"
            && text != "HEAD"
            && !text.contains(bad_char)
            && text.split('/').all(part);
        if good { Ok(Self(text.to_owned())) } else { Err(GitError::Branch { branch: shown(text) }) }
    }

    pub(super) fn reference(&self) -> String {
        format!("refs/heads/{}", self.0)
    }
}

impl fmt::Display for BranchName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests;
