//! The origin that each token is sent to, for each forge and the variables of its CI.

use super::*;
use crate::forge::protocol;
use crate::model::settings::publish::ForgeKind;

/// Returns the URL of the API and the `Authorization` header, or the error and its help.
fn found(kind: ForgeKind, url: Option<&str>, variables: &[(&str, &str)]) -> String {
    let url = url.map(|url| url.parse().unwrap());
    let repository = if kind == ForgeKind::Azure { "acme/images/deploy" } else { "acme/deploy" };
    let repository = ForgeRepository { forge: kind, path: repository.to_owned(), url };
    let var = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
    match find(&repository, protocol(kind), &var) {
        Ok(instance) => {
            let header = instance.header(&instance.origin).unwrap().to_str().unwrap().to_owned();
            let reach = if instance.is_named { ", named" } else { "" };
            format!("{} {header}{reach}", shown(&instance.api))
        }
        Err(error) => format!("{error}; {}", error.help().unwrap()),
    }
}

#[test]
fn public_instances_receive_the_tokens_of_their_own_ci() {
    use ForgeKind::{Azure, Bitbucket, GitHub, GitLab};
    for (kind, variables, expected) in [
        (GitHub, vec![("GITHUB_TOKEN", "t")], "https://api.github.com Bearer t"),
        (GitHub, vec![("GITHUB_TOKEN", "t"), ("PINSTREAM_FORGE_TOKEN", "own")], "https://api.github.com Bearer own"),
        (
            GitHub,
            vec![("GITHUB_TOKEN", "t"), ("GITHUB_API_URL", "https://api.github.com")],
            "https://api.github.com Bearer t",
        ),
        (
            GitLab,
            vec![("GITLAB_TOKEN", "t"), ("CI_SERVER_URL", "https://gitlab.com")],
            "https://gitlab.com/api/v4 Bearer t",
        ),
        (Bitbucket, vec![("BITBUCKET_TOKEN", "t")], "https://api.bitbucket.org/2.0 Bearer t"),
        (
            Azure,
            vec![("SYSTEM_ACCESSTOKEN", "t"), ("SYSTEM_COLLECTIONURI", "https://dev.azure.com/acme/")],
            "https://dev.azure.com Bearer t",
        ),
        (
            Azure,
            vec![("SYSTEM_ACCESSTOKEN", "t"), ("SYSTEM_COLLECTIONURI", "https://acme.visualstudio.com/")],
            "https://dev.azure.com Bearer t",
        ),
        (Azure, vec![("PINSTREAM_FORGE_TOKEN", "pat")], "https://dev.azure.com Basic OnBhdA=="),
        (Azure, vec![("PINSTREAM_FORGE_TOKEN", "eyJh.b.c")], "https://dev.azure.com Bearer eyJh.b.c"),
    ] {
        assert_eq!(found(kind, None, &variables), expected);
    }
}

#[test]
fn self_hosted_instances_receive_the_tokens_of_their_own_ci() {
    use ForgeKind::{Azure, GitHub, GitLab, Gitea};
    for (kind, url, variables, expected) in [
        (
            GitHub,
            "https://github.corp.example",
            vec![("GITHUB_TOKEN", "t"), ("GITHUB_API_URL", "https://github.corp.example/api/v3")],
            "https://github.corp.example/api/v3 Bearer t",
        ),
        (
            GitHub,
            "https://acme.ghe.com",
            vec![("GITHUB_TOKEN", "t"), ("GITHUB_SERVER_URL", "https://acme.ghe.com")],
            "https://api.acme.ghe.com Bearer t",
        ),
        (GitHub, "https://github.com", vec![("PINSTREAM_FORGE_TOKEN", "t")], "https://api.github.com Bearer t"),
        (
            GitLab,
            "https://corp.example/gitlab",
            vec![("GITLAB_TOKEN", "t"), ("CI_SERVER_URL", "https://corp.example/gitlab")],
            "https://corp.example/gitlab/api/v4 Bearer t",
        ),
        (
            Gitea,
            "https://codeberg.org",
            vec![("FORGEJO_TOKEN", "t"), ("FORGEJO_SERVER_URL", "https://codeberg.org")],
            "https://codeberg.org/api/v1 token t",
        ),
        (
            Gitea,
            "https://g.example",
            vec![("GITEA_TOKEN", "t"), ("GITHUB_SERVER_URL", "https://g.example")],
            "https://g.example/api/v1 token t",
        ),
        (
            Gitea,
            "https://g.example",
            vec![("GITEA_TOKEN", "t"), ("PINSTREAM_FORGE_URL", "https://g.example")],
            "https://g.example/api/v1 token t, named",
        ),
        (
            Azure,
            "https://ado.corp.example/tfs",
            vec![("PINSTREAM_FORGE_TOKEN", "eyJ"), ("PINSTREAM_FORGE_URL", "https://ado.corp.example/")],
            "https://ado.corp.example/tfs Bearer eyJ, named",
        ),
    ] {
        assert_eq!(found(kind, Some(url), &variables), expected);
    }
    let operator = [("PINSTREAM_FORGE_TOKEN", "t"), ("PINSTREAM_FORGE_URL", "http://127.0.0.1:3000/")];
    assert_eq!(found(GitLab, None, &operator), "http://127.0.0.1:3000/api/v4 Bearer t, named");
}

#[test]
fn t22_no_token_is_sent_to_a_host_that_only_the_settings_name() {
    use ForgeKind::{Azure, GitHub, GitLab, Gitea};
    insta::assert_snapshot!(found(GitHub, Some("https://evil.example"), &[("PINSTREAM_FORGE_TOKEN", "t")]), @r"
    `PINSTREAM_FORGE_TOKEN` is not sent to `https://evil.example`: a URL in `pinstream.toml` alone does not authorize that; if you trust this forge, set `PINSTREAM_FORGE_URL` to `https://evil.example` in the environment of the token
    ");
    insta::assert_snapshot!(found(GitHub, Some("https://evil.example"), &[("GITHUB_TOKEN", "t")]), @r"
    `GITHUB_TOKEN` is a token for `https://api.github.com`, but the forge is `https://evil.example`; set `PINSTREAM_FORGE_TOKEN` to a token for that forge, and `PINSTREAM_FORGE_URL` to `https://evil.example`
    ");
    insta::assert_snapshot!(found(GitLab, None, &[("GITLAB_TOKEN", "t"), ("CI_SERVER_URL", "https://gitlab.corp.example")]), @r"
    `GITLAB_TOKEN` is a token for `https://gitlab.corp.example`, but the forge is `https://gitlab.com`; set `PINSTREAM_FORGE_TOKEN` to a token for that forge, and `PINSTREAM_FORGE_URL` to `https://gitlab.com`
    ");
    insta::assert_snapshot!(found(Gitea, Some("https://evil.example"), &[("GITEA_TOKEN", "t")]), @r"
    the environment does not say that `GITEA_TOKEN` is a token for `https://evil.example`; set `PINSTREAM_FORGE_TOKEN` to a token for that forge, and `PINSTREAM_FORGE_URL` to `https://evil.example`
    ");
    insta::assert_snapshot!(found(Gitea, Some("https://evil.example"), &[("GITEA_TOKEN", "t"), ("GITHUB_SERVER_URL", "https://github.com")]), @r"
    `GITEA_TOKEN` is a token for `https://github.com`, but the forge is `https://evil.example`; set `PINSTREAM_FORGE_TOKEN` to a token for that forge, and `PINSTREAM_FORGE_URL` to `https://evil.example`
    ");
    let allowed = [("PINSTREAM_FORGE_TOKEN", "t"), ("PINSTREAM_FORGE_URL", "https://git.corp.example")];
    insta::assert_snapshot!(found(GitLab, Some("https://evil.example"), &allowed), @r"
    `url` is `https://evil.example`, but `PINSTREAM_FORGE_URL` names another forge; correct one of them; tokens are sent only to `PINSTREAM_FORGE_URL`
    ");
    insta::assert_snapshot!(found(GitLab, Some("http://git.corp.example"), &[("PINSTREAM_FORGE_TOKEN", "t")]), @r"
    refusing to send a token to `http://git.corp.example` unencrypted; use `https://`, or set `PINSTREAM_FORGE_URL` to `http://git.corp.example`
    ");
    insta::assert_snapshot!(found(Azure, None, &[("SYSTEM_ACCESSTOKEN", "t"), ("SYSTEM_COLLECTIONURI", "https://evil.visualstudio.com/")]), @r"
    `SYSTEM_ACCESSTOKEN` is a token for `https://evil.visualstudio.com`, but the forge is `https://dev.azure.com`; set `PINSTREAM_FORGE_TOKEN` to a token for that forge, and `PINSTREAM_FORGE_URL` to `https://dev.azure.com`
    ");
}

#[test]
fn missing_and_invalid_tokens_are_errors() {
    use ForgeKind::{Azure, GitHub, Gitea};
    insta::assert_snapshot!(found(GitHub, None, &[("GITLAB_TOKEN", "t")]), @r"
    no token for GitHub found; set `PINSTREAM_FORGE_TOKEN` (or `GITHUB_TOKEN`) in the environment of pinstream
    ");
    insta::assert_snapshot!(found(Gitea, Some("https://g.example"), &[]), @r"
    no token for Gitea found; set `PINSTREAM_FORGE_TOKEN` (or `FORGEJO_TOKEN` or `GITEA_TOKEN`) in the environment of pinstream
    ");
    insta::assert_snapshot!(found(GitHub, None, &[("GITHUB_TOKEN", "a\nb")]), @r"
    `GITHUB_TOKEN` contains characters that are not allowed in a token; set it to the token alone
    ");
    insta::assert_snapshot!(found(Azure, None, &[("PINSTREAM_FORGE_TOKEN", "t"), ("PINSTREAM_FORGE_URL", "https://u:p@a.example")]), @r"
    invalid `PINSTREAM_FORGE_URL`: not the URL of a forge; use a URL without credentials, e.g. `https://git.acme.example`
    ");
}

#[test]
fn t22_a_token_is_only_returned_for_its_own_origin() {
    let instance = github();
    for (origin, is_own) in [
        ("https://api.github.com", true),
        ("http://api.github.com", false),
        ("https://github.com", false),
        ("https://api.github.com:8443", false),
    ] {
        assert_eq!(instance.header(&UrlOrigin::parse(origin).unwrap()).is_some(), is_own, "{origin}");
    }
}

#[test]
fn t22_a_token_header_is_sensitive() {
    let instance = github();
    assert!(instance.header(&instance.origin).unwrap().is_sensitive());
}

fn github() -> ForgeInstance {
    let repository = ForgeRepository { forge: ForgeKind::GitHub, path: "acme/deploy".to_owned(), url: None };
    let var = |name: &str| (name == TOKEN).then(|| "t".to_owned());
    find(&repository, protocol(ForgeKind::GitHub), &var).unwrap()
}
