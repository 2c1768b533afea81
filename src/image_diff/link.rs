//! Links to the page of a forge that compares the sources of two images.
//!
//! They are built from labels, which anyone may have written: a source that is not a repository on a known forge gives no
//! link, and a link contains nothing that is active in Markdown, HTML or a terminal.

use url::Url;

use crate::model::image::facts::BuildOrigin;
use crate::model::settings::publish::ForgeKind;

/// Maximum length of a revision, in bytes.
const REVISION_MAX: usize = 100;

/// Returns the URL that compares two origins, if they are different revisions of one repository on a known forge.
pub(super) fn compare(old: &BuildOrigin, new: &BuildOrigin) -> Option<String> {
    let [a, b] = [old, new].map(|origin| origin.source.as_deref().and_then(repository));
    let ((_, old_web), (forge, new_web)) = (a?, b?);
    let (from, to) = (revision(old)?, revision(new)?);
    (old_web == new_web && from != to).then(|| (forge.facts().compare)(&new_web, from, to))
}

/// Returns the revision if it consists of characters that names of commits, tags and branches usually have.
fn revision(origin: &BuildOrigin) -> Option<&str> {
    let text = origin.revision.as_deref()?;
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'/');
    let is_good = text.len() <= REVISION_MAX && text.bytes().all(good) && !text.contains("..");
    (is_good && text.starts_with(|c: char| c.is_ascii_alphanumeric())).then_some(text)
}

/// Parses the source in a label: the forge and the web URL of the repository.
fn repository(source: &str) -> Option<(ForgeKind, String)> {
    let source = source.strip_prefix("git+").unwrap_or(source);
    let text = match source.split_once("://") {
        Some(("https" | "http" | "git" | "ssh", rest)) => format!("https://{rest}"),
        Some(_) => return None,
        // scp-like syntax: `git@host:owner/name`.
        None => {
            let (host, path) = source.strip_prefix("git@")?.split_once(':')?;
            format!("https://{host}/{path}")
        }
    };
    let url = Url::parse(&text).ok()?;
    let host = url.host_str()?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-');
    if !host.bytes().all(plain) || !host.contains('.') {
        return None;
    }
    let forge = ForgeKind::of_host(host)?;
    let mut segments: Vec<&str> = url.path_segments()?.filter(|segment| !segment.is_empty()).collect();
    segments.truncate((forge.facts().repository_len)(&segments)?);
    let last = segments.pop()?;
    segments.push(last.strip_suffix(".git").unwrap_or(last));
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'%');
    let is_good = segments.len() >= 2 && segments.iter().all(|part| !part.is_empty() && part.bytes().all(good));
    is_good.then(|| (forge, format!("https://{host}/{}", segments.join("/"))))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, any, proptest};

    use super::*;

    fn origin(source: &str, revision: &str) -> BuildOrigin {
        let [source, revision] = [source, revision].map(|text| Some(text.to_owned()));
        BuildOrigin { source, revision, ..BuildOrigin::default() }
    }

    #[track_caller]
    fn check(source: &str, expected: Option<&str>) {
        assert_eq!(compare(&origin(source, "a1"), &origin(source, "b2")).as_deref(), expected, "{source}");
    }

    #[test]
    fn each_forge_has_its_own_compare_links() {
        let github = Some("https://github.com/acme/web/compare/a1...b2");
        for source in [
            "https://github.com/acme/web",
            "https://github.com/acme/web.git",
            "https://github.com/acme/web.git#0f1c2d:3.12/slim",
            "https://github.com/acme/web/tree/main/images",
            "git+https://github.com/acme/web.git",
            "git://github.com/acme/web",
            "git@github.com:acme/web.git",
            "https://user:secret@github.com/acme/web?token=x",
        ] {
            check(source, github);
        }
        check("https://github.corp.example/a/b", Some("https://github.corp.example/a/b/compare/a1...b2"));
        check("https://gitlab.com/a/b/c/-/tree/main", Some("https://gitlab.com/a/b/c/-/compare/a1...b2"));
        check("https://codeberg.org/a/b", Some("https://codeberg.org/a/b/compare/a1...b2"));
        check("https://forgejo.example.org/a/b", Some("https://forgejo.example.org/a/b/compare/a1...b2"));
        check(
            "https://gitlab.visualstudio.com/p/_git/r",
            Some("https://gitlab.visualstudio.com/p/_git/r/branchCompare?baseVersion=GCa1&targetVersion=GCb2"),
        );
        check("https://bitbucket.org/a/b/src/main", Some("https://bitbucket.org/a/b/branches/compare/b2%0Da1"));
        check(
            "https://dev.azure.com/org/project/_git/web",
            Some("https://dev.azure.com/org/project/_git/web/branchCompare?baseVersion=GCa1&targetVersion=GCb2"),
        );
    }

    #[test]
    fn a_source_that_is_not_a_repository_on_a_forge_has_no_link() {
        for source in [
            "",
            "web",
            "https://example.org/acme/web",
            "https://github.com/acme",
            "https://github/acme/web",
            "javascript://github.com/a/b",
            "https://github.com/a)/b",
            "https://[::1]/a/b",
            "https://notgithub.com/a/b",
        ] {
            check(source, None);
        }
        let here = |source: &str, revision: &str| origin(source, revision);
        let web = "https://github.com/acme/web";
        assert_eq!(compare(&here(web, "a"), &here("https://github.com/acme/other", "b")), None);
        assert_eq!(compare(&here(web, "a"), &here(web, "a")), None);
        for revision in ["", "-x", "a..b", "a b", "a)b", "a\u{202e}", &"a".repeat(101)] {
            assert_eq!(compare(&here(web, "a"), &here(web, revision)), None, "{revision}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn t9_no_label_puts_active_content_into_a_link(
            path in any::<String>(), revision in any::<String>(), host in "(github|gitlab|gitea)[.]com",
        ) {
            for source in [format!("https://{host}/{path}"), format!("git@{host}:{path}"), path.clone()] {
                if let Some(link) = compare(&origin(&source, "a"), &origin(&source, &revision)) {
                    assert!(link.starts_with("https://"), "{link}");
                    let good = |c: char| c.is_ascii_alphanumeric() || ":/._-%?=&".contains(c);
                    assert!(link.chars().all(good), "{link}");
                }
            }
        }
    }
}
