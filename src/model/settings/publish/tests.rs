//! Reading `[publish]`, and the problems that are reported.

use super::*;
use crate::text::diagnostics::{Problems, RenderStyle, RenderedProblems};

fn read(text: &str) -> Publish {
    let (settings, problems) = crate::model::settings::read(text.as_bytes());
    assert_eq!(problems, [], "{text}");
    settings.publish.unwrap()
}

/// Renders the problems of `text`, each with its line and help.
fn problems(text: &str) -> String {
    let (settings, problems) = crate::model::settings::read(text.as_bytes());
    let Err(problems) = Problems::check(problems) else { return "no problems".to_owned() };
    assert!(problems.0.iter().all(|problem| problem.span.is_some() && problem.help.is_some()), "{problems:?}");
    drop(settings);
    let rendered = RenderedProblems(&problems, RenderStyle::Plain).to_string();
    let is_shown = |line: &&str| ["error", "= help", "-->"].iter().any(|word| line.trim_start().starts_with(word));
    rendered.lines().filter(is_shown).map(str::trim).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_forge_is_all_that_publish_requires() {
    let publish = read("[publish.github]\nrepository = 'acme/deploy'");
    assert_eq!(
        publish,
        Publish {
            repository: ForgeRepository { forge: ForgeKind::GitHub, path: "acme/deploy".to_owned(), url: None },
            group: Grouping::Stream,
            branch_prefix: "pinstream/".to_owned(),
            title: None,
            body: None,
            labels: Vec::new(),
            reviewers: Vec::new(),
            draft: false,
            auto_merge: false,
            attestation: false,
        }
    );
    assert_eq!(crate::model::settings::read(b"").0.publish, None);
}

#[test]
fn each_forge_has_its_own_form_of_repository_path() {
    for (table, kind, repository, url) in [
        (
            "github = { repository = 'acme/deploy', url = 'https://github.corp.example/' }",
            ForgeKind::GitHub,
            "acme/deploy",
            Some("https://github.corp.example/"),
        ),
        ("gitlab = { repository = 'group/sub/project' }", ForgeKind::GitLab, "group/sub/project", None),
        (
            "gitlab = { repository = 'a/b', url = 'https://corp.example/gitlab/' }",
            ForgeKind::GitLab,
            "a/b",
            Some("https://corp.example/gitlab"),
        ),
        (
            "gitea = { repository = 'acme/deploy', url = 'https://codeberg.org' }",
            ForgeKind::Gitea,
            "acme/deploy",
            Some("https://codeberg.org/"),
        ),
        ("bitbucket = { repository = 'workspace/repo' }", ForgeKind::Bitbucket, "workspace/repo", None),
        ("azure = { repository = 'acme/My Project/deploy' }", ForgeKind::Azure, "acme/My Project/deploy", None),
    ] {
        let found = read(&format!("[publish]\n{table}")).repository;
        assert_eq!((found.forge, found.path.as_str()), (kind, repository));
        assert_eq!(found.url.as_ref().map(Url::as_str), url);
    }
}

#[test]
fn all_keys_are_read() {
    let publish = read(
        "[publish]\nlabels = ['images', 'áb c']\nreviewers = ['alice', 'team:platform']\nauto-merge = true\n\
         attestation = true\ngroup = { base = ['python:*', 'go'], apps = ['team-a/**'] }\n\
         [publish.github]\nrepository = 'acme/deploy'",
    );
    assert_eq!(publish.labels, ["images", "áb c"]);
    assert_eq!(publish.reviewers, [Reviewer::User("alice".to_owned()), Reviewer::Team("platform".to_owned())]);
    assert_eq!((publish.draft, publish.auto_merge, publish.attestation), (false, true, true));
    let Grouping::Sets(sets) = publish.group else { panic!() };
    let shown: Vec<_> = sets.iter().map(|set| (set.name.as_str(), set.tags.patterns().collect::<Vec<_>>())).collect();
    assert_eq!(shown, [("apps", vec!["team-a/**"]), ("base", vec!["python:*", "go"])]);
    for (word, expected) in [("stream", Grouping::Stream), ("tag", Grouping::Tag), ("all", Grouping::All)] {
        let text = format!("publish.group = '{word}'\npublish.draft = true\npublish.github.repository = 'a/b'");
        let publish = read(&text);
        assert_eq!((publish.group, publish.draft), (expected, true));
    }
}

#[test]
fn exactly_one_forge_and_its_repository_are_required() {
    insta::assert_snapshot!(problems("[publish]\ndraft = true"), @r#"
    error: `[publish]` names no forge
    --> pinstream.toml:1:1
    = help: add a table such as `[publish.github]` with `repository = "acme/deploy"`; without `[publish]`, passes push to the branch
    "#);
    insta::assert_snapshot!(problems("publish.github.repository = 'a/b'\npublish.gitlab.repository = 'a/b'"), @r#"
    error: `[publish]` names two forges: `github` and `gitlab`
    --> pinstream.toml:2:9
    = help: remove one of them
    "#);
    insta::assert_snapshot!(problems("[publish.azure]"), @r#"
    error: `[publish.azure]` has no `repository`
    --> pinstream.toml:1:1
    = help: add `repository = "organization/project/repository"`
    "#);
    insta::assert_snapshot!(problems("[publish.gitea]\nrepository = 'a/b'"), @r#"
    error: `[publish.gitea]` has no `url`, and Gitea has no public instance
    --> pinstream.toml:1:1
    = help: add the instance, e.g. `url = "https://git.acme.example"`
    "#);
    insta::assert_snapshot!(problems("[publish.github]\nrepositroy = 'a/b'\n[publish]\ngithab = 1"), @r#"
    error: unknown key `repositroy`
    --> pinstream.toml:2:1
    = help: did you mean `repository`?
    error: unknown key `githab`
    --> pinstream.toml:4:1
    = help: did you mean `github`?
    "#);
    insta::assert_snapshot!(problems("[publish.github]\nrepository = 5"), @r#"
        error: expected a string, found an integer
        --> pinstream.toml:2:14
        = help: put it in quotes: `"5"`
    "#);
}

#[test]
fn invalid_repositories_and_urls_are_reported_with_the_expected_form() {
    insta::assert_snapshot!(problems("[publish.github]\nrepository = 'https://github.com/acme/deploy'"), @r#"
    error: invalid GitHub repository `https://github.com/acme/deploy`
    --> pinstream.toml:2:14
    = help: remove the host: `repository = "acme/deploy"`
    "#);
    insta::assert_snapshot!(problems("[publish.gitlab]\nrepository = 'acme/deploy.git'"), @r#"
    error: invalid GitLab repository `acme/deploy.git`
    --> pinstream.toml:2:14
    = help: remove `.git`: `acme/deploy`
    "#);
    for (key, repository) in [
        ("github", "acme"),
        ("github", "a/b/c"),
        ("github", "a/.."),
        ("github", "a b/c"),
        ("gitlab", "a//b"),
        ("gitea", "/a"),
        ("bitbucket", "a/b/c"),
        ("azure", "acme/deploy"),
        ("azure", "a/b/c/d"),
        ("azure", "a/ b/c"),
        ("azure", "a/b?c/d"),
    ] {
        let problems = problems(&format!("[publish.{key}]\nrepository = '{repository}'"));
        assert!(problems.contains(&format!(" repository `{repository}`")), "{problems}");
    }
    insta::assert_snapshot!(problems("[publish.github]\nrepository = 'a/b'\nurl = 'https://me:secret@a.example'"), @r#"
    error: `url` contains credentials
    --> pinstream.toml:3:7
    = help: remove them; pinstream reads the token from the environment (`PINSTREAM_FORGE_TOKEN`)
    "#);
    insta::assert_snapshot!(problems("[publish.github]\nrepository = 'a/b'\nurl = 'git.example'"), @r#"
    error: invalid `url`: not a URL
    --> pinstream.toml:3:7
    = help: use a URL such as `https://git.acme.example`
    "#);
    for url in ["ftp://a", "https://", "https://a/?token=x", "https://a/#x"] {
        assert!(problems(&format!("[publish.github]\nrepository = 'a/b'\nurl = '{url}'")).contains("`url`"), "{url}");
    }
    insta::assert_snapshot!(problems("[publish.bitbucket]\nrepository = 'a/b'\nurl = 'https://bb.example'"), @r"
    error: `url` is not supported for Bitbucket Cloud
    --> pinstream.toml:3:7
    = help: remove `url`; self-hosted instances are not supported
    ");
}

#[test]
fn templates_are_tested_when_settings_are_read() {
    insta::assert_snapshot!(
        problems("[publish]\ntitle = '{{ titel }}'\nbody = '{% if %}'\ngithub = { repository = 'a/b' }"),
        @r"
        error: invalid template `publish.title` (line 1, column 4): `titel` is undefined, rendered for an updated tag
        --> pinstream.toml:2:13
        = help: did you mean `title`?
        error: invalid template `publish.body` (line 1, column 7): syntax error: unexpected end of block
        --> pinstream.toml:3:15
        = help: use Jinja syntax: `{{ title }}`, `{% for change in changes %}…{% endfor %}`
    "
    );
}

#[test]
fn options_that_a_forge_does_not_support_are_problems() {
    insta::assert_snapshot!(problems(
        "[publish]\nlabels = ['a', 'b']\nauto-merge = true\nreviewers = ['alice', 'team:x', '557058:ba8948b2']\n\
         bitbucket = { repository = 'a/b' }"
    ), @r#"
    error: Bitbucket Cloud does not support labels on proposals
    --> pinstream.toml:2:11
    = help: remove `labels`
    error: Bitbucket Cloud has no API for auto-merge
    --> pinstream.toml:3:14
    = help: remove `auto-merge`; configure merge checks on the forge instead
    error: `alice` is not a UUID or account id of Bitbucket Cloud
    --> pinstream.toml:4:14
    = help: use an id such as `{d301aafa-d676-4ee0-88be-962be7417567}` or `557058:ba8948b2-49da-43a9-9e8b-e7249b8e324a`; Bitbucket removed user names in 2019
    error: Bitbucket Cloud cannot request reviews from teams
    --> pinstream.toml:4:23
    = help: name its members
    "#);
    insta::assert_snapshot!(problems(
        "[publish]\nreviewers = ['alice', 'team:x', 'd6245f20-2af8-44f4-9451-8107cb2767db']\n\
         azure = { repository = 'a/b/c' }"
    ), @r#"
    error: `alice` is not a user or team id of Azure DevOps
    --> pinstream.toml:2:14
    = help: use an id such as `d6245f20-2af8-44f4-9451-8107cb2767db`; `az devops user show --user NAME` prints it
    error: Azure DevOps cannot request reviews from teams
    --> pinstream.toml:2:23
    = help: use the team's id without `team:`
    "#);
    insta::assert_snapshot!(problems(
        "[publish]\nreviewers = ['team:x']\ndraft = true\nauto-merge = true\ngitlab = { repository = 'a/b' }"
    ), @r#"
    error: GitLab cannot request reviews from teams
    --> pinstream.toml:2:14
    = help: name its members
    error: drafts cannot be merged automatically
    --> pinstream.toml:4:14
    = help: remove `draft` or `auto-merge`
    "#);
}

#[test]
fn mistakes_in_groups_labels_and_reviewers_are_problems() {
    insta::assert_snapshot!(problems("[publish]\ngroup = 'repo'\ngithub.repository = 'a/b'"), @r#"
    error: invalid value `repo` for `group`
    --> pinstream.toml:2:9
    = help: use `stream`, `tag`, `all` or named sets, e.g. `group = { base = ["python:*"] }`
    "#);
    insta::assert_snapshot!(problems(
        "[publish]\ngroup = { Base = ['a'], b = [], c = ['A:['], d = 5 }\nlabels = ['', 'a,b', 5]\nreviewers = ['team:']\n\
         github.repository = 'a/b'"
    ), @r#"
        error: invalid set name `Base`
        --> pinstream.toml:2:11
        = help: use at most 63 lower-case letters, digits and `-`; do not start with `-`
        error: set `b` is empty
        --> pinstream.toml:2:25
        = help: add tags, e.g. `["python:*"]`, or remove the set
        error: invalid stream name `A`
        --> pinstream.toml:2:38
        = help: use lower-case letters and digits, with single `.`, `_` or `-` between them, in parts separated by `/`
        error: expected a list, found an integer
        --> pinstream.toml:2:50
        = help: put it in brackets: `[5]`
        error: invalid label ``
        --> pinstream.toml:3:11
        = help: use at most 255 characters on one line, without commas or surrounding spaces
        error: invalid label `a,b`
        --> pinstream.toml:3:15
        = help: use at most 255 characters on one line, without commas or surrounding spaces
        error: expected a string, found an integer
        --> pinstream.toml:3:22
        = help: put it in quotes: `"5"`
        error: invalid reviewer `team:`
        --> pinstream.toml:4:14
        = help: use at most 255 characters on one line, without commas or surrounding spaces
    "#);
    let many = |item: &str| vec![item; 101].join(", ");
    for text in [
        format!("labels = [{}]", many("'a'")),
        format!("reviewers = [{}]", many("'a'")),
        format!("group = {{ a = [{}] }}", many("'a'")),
        format!("group = {{ {} }}", (0..101).map(|n| format!("s{n} = ['a']")).collect::<Vec<_>>().join(", ")),
    ] {
        assert!(problems(&format!("[publish]\n{text}\ngithub.repository = 'a/b'")).contains("more than 100"), "{text}");
    }
}

#[test]
fn l14_a_branch_prefix_starts_the_name_of_a_branch() {
    let settings = |prefix: &str| format!("[publish]\nbranch-prefix = '{prefix}'\ngithub.repository = 'a/b'");
    for prefix in ["pinstream/", "deps/pins-", "bot", "a/b/", "x."] {
        assert_eq!(read(&settings(prefix)).branch_prefix, prefix);
    }
    for prefix in ["", "/", "a//", "-a", "a/.", "a..", "a.lock/", "refs/heads/", "a b", "a~", "@", "é/", ".a/"] {
        let found = problems(&settings(prefix));
        assert!(found.starts_with(&format!("error: invalid branch prefix `{prefix}`\n")), "{found}");
    }
    assert!(problems(&settings(&"a".repeat(101))).starts_with("error: invalid branch prefix"));
}
