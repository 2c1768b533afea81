//! Where the source of two images can be compared, in the forms of the forges.
//!
//! The address is made of the labels of images, which anybody may have written: a source of another form than a forge's
//! gives none, and what comes out holds nothing that could act in Markdown, HTML or a terminal.

use url::Url;

use crate::model::image::facts::BuildOrigin;

/// The longest name of a revision.
const REVISION_MAX: usize = 100;

/// How a forge writes such addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    GitHub,
    GitLab,
    Gitea,
    Bitbucket,
    Azure,
}

/// The address at which a person reads what changed between two origins, if they are revisions of one repository.
pub(super) fn compare(old: &BuildOrigin, new: &BuildOrigin) -> Option<String> {
    let [a, b] = [old, new].map(|origin| origin.source.as_deref().and_then(repository));
    let ((form, old_at), (_, new_at)) = (a?, b?);
    let (from, to) = (revision(old)?, revision(new)?);
    if old_at != new_at || from == to {
        return None;
    }
    Some(match form {
        // docs.github.com, "Comparing commits"; Gitea and Forgejo answer under the same path.
        Form::GitHub | Form::Gitea => format!("{new_at}/compare/{from}...{to}"),
        // docs.gitlab.com, "Compare revisions".
        Form::GitLab => format!("{new_at}/-/compare/{from}...{to}"),
        // The newer one comes first there, and a carriage return stands between the two.
        Form::Bitbucket => format!("{new_at}/branches/compare/{to}%0D{from}"),
        // `GC` says that what follows is a commit.
        Form::Azure => format!("{new_at}/branchCompare?baseVersion=GC{from}&targetVersion=GC{to}"),
    })
}

/// A revision in the letters that names of commits, tags and branches have here.
fn revision(origin: &BuildOrigin) -> Option<&str> {
    let text = origin.revision.as_deref()?;
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'/');
    let is_good = text.len() <= REVISION_MAX && text.bytes().all(good) && !text.contains("..");
    (is_good && text.starts_with(|c: char| c.is_ascii_alphanumeric())).then_some(text)
}

/// The forge and the address of a repository there, from a source as labels have it.
fn repository(source: &str) -> Option<(Form, String)> {
    let source = source.strip_prefix("git+").unwrap_or(source);
    let text = match source.split_once("://") {
        Some(("https" | "http" | "git" | "ssh", rest)) => format!("https://{rest}"),
        Some(_) => return None,
        // As SSH has it: `git@host:owner/name`.
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
    let form = form(host)?;
    let mut parts: Vec<&str> = url.path_segments()?.filter(|part| !part.is_empty()).collect();
    match form {
        Form::GitHub | Form::Gitea | Form::Bitbucket => parts.truncate(2),
        Form::GitLab => parts.truncate(parts.iter().position(|part| *part == "-").unwrap_or(parts.len())),
        Form::Azure => parts.truncate(parts.iter().position(|part| *part == "_git")? + 2),
    }
    let last = parts.pop()?;
    parts.push(last.strip_suffix(".git").unwrap_or(last));
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'%');
    let is_good = parts.len() >= 2 && parts.iter().all(|part| !part.is_empty() && part.bytes().all(good));
    is_good.then(|| (form, format!("https://{host}/{}", parts.join("/"))))
}

/// By the names that forges' hosts have; of another host it is not known what runs there.
fn form(host: &str) -> Option<Form> {
    let is = |name: &str| host.split(['.', '-']).any(|part| part == name);
    match host {
        "dev.azure.com" => Some(Form::Azure),
        "codeberg.org" => Some(Form::Gitea),
        _ if host.ends_with(".visualstudio.com") => Some(Form::Azure),
        _ if is("github") => Some(Form::GitHub),
        _ if is("gitlab") => Some(Form::GitLab),
        _ if is("gitea") || is("forgejo") => Some(Form::Gitea),
        "bitbucket.org" => Some(Form::Bitbucket),
        _ => None,
    }
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
    fn each_forge_has_a_form_of_its_own() {
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
        check("https://bitbucket.org/a/b/src/main", Some("https://bitbucket.org/a/b/branches/compare/b2%0Da1"));
        check(
            "https://dev.azure.com/org/project/_git/web",
            Some("https://dev.azure.com/org/project/_git/web/branchCompare?baseVersion=GCa1&targetVersion=GCb2"),
        );
    }

    #[test]
    fn what_is_no_repository_of_a_forge_has_no_link() {
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
        fn t9_no_label_gets_anything_that_acts_into_a_link(
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
