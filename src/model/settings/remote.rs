//! `[remote.name]`: other repositories whose tags are followed.
//!
//! The URL is in a file that many people read and some may change. It therefore contains no credentials, and
//! [`crate::effects`] decides which ones are offered to it.

use std::collections::{BTreeMap, HashSet};

use super::git::branch;
use super::path;
use super::table::RemoteTable;
use crate::model::image::{NameError, RemoteName};
use crate::text::diagnostics::{At, Diagnostics, is_bidi_control};
use crate::text::escape::excerpt;
use crate::text::toml::Entries;

/// The maximum number of remotes; each one costs a connection per pass.
const REMOTES_MAX: usize = 100;

/// Another repository with a root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteSettings {
    /// The URL, without credentials.
    pub url: String,
    /// The branch; `None` means its `HEAD`.
    pub branch: Option<String>,
    /// The directory of its root; empty for the top.
    pub root: String,
}

/// Validates the remotes, by name.
pub(super) fn remotes(
    written: &Entries<RemoteTable>,
    incomplete: &HashSet<usize>,
    findings: &mut Diagnostics<'_>,
) -> BTreeMap<RemoteName, RemoteSettings> {
    if let Some((more, _)) = written.0.get(REMOTES_MAX) {
        let help = "remove some; each pass contacts all of them";
        findings.report(&more.span, format!("more than {REMOTES_MAX} remotes"), help);
        return BTreeMap::new();
    }
    let read = |(key, table): &(At<String>, RemoteTable)| {
        let name = findings.parse::<RemoteName>(key);
        if table.url.is_none() && !incomplete.contains(&key.span.start) {
            let message = format!("the remote `{}` has no `url`", excerpt(&key.value));
            findings.report(&key.span, message, "add `url = \"https://git.example/team/repository\"`");
        }
        let url = table.url.as_ref().and_then(|text| findings.accept(&text.span, url(&text.value)));
        let branch_name = table.branch.as_ref().and_then(|text| findings.accept(&text.span, branch(&text.value)));
        let root = table.root.as_ref().filter(|text| !matches!(text.value.as_str(), "" | "."));
        let root = root.and_then(|text| findings.accept(&text.span, path::parse(text.value.trim_end_matches('/'))));
        Some((name?, RemoteSettings { url: url?, branch: branch_name, root: root.unwrap_or_default() }))
    };
    written.0.iter().filter_map(read).collect()
}

/// Validates a URL, as far as possible without Git.
fn url(text: &str) -> Result<String, NameError> {
    let bad = |why: &str| NameError::new(format!("invalid remote URL `{}`: {why}", excerpt(text)));
    let help = "write e.g. `https://git.example/team/repository` or `git@git.example:team/repository`";
    if text.is_empty() || text.contains(|c: char| c.is_control() || c.is_whitespace() || is_bidi_control(c)) {
        return Err(bad("empty, or invalid characters").help(help));
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        // A local path would depend on the current directory.
        let is_scp_like = text.split_once(':').is_some_and(|(before, _)| before.contains('@') && !before.contains('/'));
        return if is_scp_like { Ok(text.to_owned()) } else { Err(bad("no scheme").help(help)) };
    };
    if !["https", "http", "ssh", "git", "file"].contains(&scheme) {
        return Err(bad("unknown scheme").help(help));
    }
    let place = rest.split('/').next().unwrap_or_default();
    match place.rsplit_once('@') {
        // It may be a token.
        Some((user, host)) if scheme != "ssh" || user.contains(':') => {
            let (host, path) = (excerpt(host), excerpt(&rest[place.len()..]));
            let help = format!("write `{scheme}://{host}{path}`; credentials come from Git's credential helpers");
            Err(NameError::new("credentials in the URL of a remote").help(help))
        }
        _ => Ok(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::diagnostics::{Problems, RenderStyle, RenderedProblems};

    #[test]
    fn other_repositories_are_read_with_branch_and_root() {
        let (settings, problems) = crate::model::settings::read(
            b"[remote.platform]\nurl = 'https://git.example/p/images'\nbranch = 'prod'\nroot = './deploy/'\n\
              [remote.b-2]\nurl = 'git@git.example:b/c'\nroot = '.'",
        );
        assert_eq!(problems, []);
        let shown =
            settings.remotes.iter().map(|(name, one)| format!("{name} {} {:?} {}", one.url, one.branch, one.root));
        assert_eq!(
            shown.collect::<Vec<_>>(),
            ["b-2 git@git.example:b/c None ", "platform https://git.example/p/images Some(\"prod\") deploy"]
        );
    }

    #[test]
    fn mistakes_in_remotes_are_said() {
        let text =
            b"[remote.Platform]\nurl = 'https://me:secret@git.example/a'\n[remote.a]\n[remote.b]\nurl = '../b'\n\
                     branch = 'a..b'\nroot = '../x'\n[remote.c]\nurl = 'ext::sh'\nurls = 1\n[remote.d]\nurl = 5";
        let found = Problems::check(crate::model::settings::read(text).1).unwrap_err();
        let rendered = RenderedProblems(&found, RenderStyle::Plain).to_string();
        assert!(!rendered.lines().any(|line| line.starts_with("error") && line.contains("secret")), "{rendered}");
        let lines = rendered.lines().filter(|line| line.starts_with("error") || line.contains("= help"));
        insta::assert_snapshot!(lines.map(str::trim).collect::<Vec<_>>().join("\n"), @r#"
        error: invalid remote name `Platform`
        = help: use at most 63 lower-case letters, digits and `-`, and do not start with `-`
        error: credentials in the URL of a remote
        = help: write `https://git.example/a`; credentials come from Git's credential helpers
        error: the remote `a` has no `url`
        = help: add `url = "https://git.example/team/repository"`
        error: invalid remote URL `../b`: no scheme
        = help: write e.g. `https://git.example/team/repository` or `git@git.example:team/repository`
        error: invalid branch name `a..b`
        = help: write e.g. `main` or `release/1.2`
        error: `../x` contains `..`
        = help: write the path from the root
        error: invalid remote URL `ext::sh`: no scheme
        = help: write e.g. `https://git.example/team/repository` or `git@git.example:team/repository`
        error: unknown key `urls`
        = help: did you mean `url`?
        error: expected a string, found an integer
        = help: put it in quotes: `"5"`
        "#);
    }

    #[test]
    fn credentials_in_a_url_are_rejected() {
        for text in ["https://token@git.example/a", "https://a:b@git.example/a", "ssh://git:x@git.example/a"] {
            assert_eq!(url(text).unwrap_err().message, "credentials in the URL of a remote", "{text}");
        }
        for text in ["https://git.example/a", "ssh://git@git.example:22/a", "file:///srv/a.git", "git@git.example:a"] {
            assert_eq!(url(text).as_deref(), Ok(text));
        }
    }
}
