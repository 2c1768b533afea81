//! What is read of `[publish]`, and what is said of one that is wrong.

use super::*;
use crate::text::diagnostics::{Problems, RenderStyle, RenderedProblems};

fn read(text: &str) -> Publish {
    let (settings, problems) = crate::model::settings::read(text.as_bytes());
    assert_eq!(problems, [], "{text}");
    settings.publish.unwrap()
}

/// The problems of `text`, each with its line and the way out.
fn said(text: &str) -> String {
    let (settings, problems) = crate::model::settings::read(text.as_bytes());
    let Err(problems) = Problems::check(problems) else { return "nothing is wrong".to_owned() };
    assert!(problems.0.iter().all(|problem| problem.span.is_some() && problem.help.is_some()), "{problems:?}");
    drop(settings);
    let rendered = RenderedProblems(&problems, RenderStyle::Plain).to_string();
    let is_told = |line: &&str| ["error", "= help", "-->"].iter().any(|word| line.trim_start().starts_with(word));
    rendered.lines().filter(is_told).map(str::trim).collect::<Vec<_>>().join("\n")
}

#[test]
fn one_forge_is_enough() {
    let publish = read("[publish.github]\nrepository = 'acme/deploy'");
    assert_eq!(
        publish,
        Publish {
            place: ForgePlace { kind: ForgeKind::GitHub, repository: "acme/deploy".to_owned(), url: None },
            group: Grouping::Stream,
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
fn each_forge_has_its_own_form_of_a_repository() {
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
        let place = read(&format!("[publish]\n{table}")).place;
        assert_eq!((place.kind, place.repository.as_str()), (kind, repository));
        assert_eq!(place.url.as_ref().map(Url::as_str), url);
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
fn exactly_one_forge_with_a_repository_is_required() {
    insta::assert_snapshot!(said("[publish]\ndraft = true"), @r#"
    error: `publish` does not say on which forge
    --> pinstream.toml:1:1
    = help: add a table for yours, as `[publish.github]` with `repository = "acme/deploy"`; without `[publish]` a pass pushes to the branch
    "#);
    insta::assert_snapshot!(said("publish.github.repository = 'a/b'\npublish.gitlab.repository = 'a/b'"), @r"
    error: `publish` names two forges, `github` and `gitlab`
    --> pinstream.toml:2:9
    = help: keep one of the two: a pass proposes its moves in one place
    ");
    insta::assert_snapshot!(said("[publish.azure]"), @r#"
    error: `azure` does not say which repository
    --> pinstream.toml:1:1
    = help: add `repository = "organization/project/repository"`
    "#);
    insta::assert_snapshot!(said("[publish.gitea]\nrepository = 'a/b'"), @r#"
    error: there is no public instance that `gitea` could mean
    --> pinstream.toml:1:1
    = help: add its address, as `url = "https://git.acme.example"`
    "#);
    insta::assert_snapshot!(said("[publish.github]\nrepositroy = 'a/b'\n[publish]\ngithab = 1"), @r#"
    error: unknown key `repositroy`
    --> pinstream.toml:2:1
    = help: did you mean `repository`?
    error: unknown key `githab`
    --> pinstream.toml:4:1
    = help: did you mean `github`?
    "#);
    insta::assert_snapshot!(said("[publish.github]\nrepository = 5"), @r#"
    error: expected a string, found an integer
    --> pinstream.toml:2:14
    = help: put it in quotes: `"5"`
    "#);
}

#[test]
fn invalid_repositories_and_urls_are_reported_with_an_example() {
    insta::assert_snapshot!(said("[publish.github]\nrepository = 'https://github.com/acme/deploy'"), @r#"
    error: `https://github.com/acme/deploy` is not a repository of GitHub
    --> pinstream.toml:2:14
    = help: leave the address out, as `repository = "acme/deploy"`
    "#);
    insta::assert_snapshot!(said("[publish.gitlab]\nrepository = 'acme/deploy.git'"), @r#"
    error: `acme/deploy.git` is not a repository of GitLab
    --> pinstream.toml:2:14
    = help: leave `.git` out: `acme/deploy`
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
        let said = said(&format!("[publish.{key}]\nrepository = '{repository}'"));
        assert!(said.contains(&format!("`{repository}` is not a repository of")), "{said}");
    }
    insta::assert_snapshot!(said("[publish.github]\nrepository = 'a/b'\nurl = 'https://me:secret@a.example'"), @r"
    error: a forge's address holds no credential
    --> pinstream.toml:3:7
    = help: take it out; the token comes from the environment, as `PINSTREAM_FORGE_TOKEN`
    ");
    insta::assert_snapshot!(said("[publish.github]\nrepository = 'a/b'\nurl = 'git.example'"), @r#"
    error: `url` is not the address of a forge: it cannot be read as a URL
    --> pinstream.toml:3:7
    = help: as `https://git.acme.example`
    "#);
    for url in ["ftp://a", "https://", "https://a/?token=x", "https://a/#x"] {
        assert!(said(&format!("[publish.github]\nrepository = 'a/b'\nurl = '{url}'")).contains("`url`"), "{url}");
    }
    insta::assert_snapshot!(said("[publish.bitbucket]\nrepository = 'a/b'\nurl = 'https://bb.example'"), @r"
    error: only Bitbucket Cloud is known, which has one address
    --> pinstream.toml:3:7
    = help: take `url` out: Bitbucket Data Center is another program
    ");
}

#[test]
fn templates_are_tried_where_they_are_written() {
    insta::assert_snapshot!(
        said("[publish]\ntitle = '{{ titel }}'\nbody = '{% if %}'\ngithub = { repository = 'a/b' }"),
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
fn features_missing_from_a_forge_are_reported() {
    insta::assert_snapshot!(said(
        "[publish]\nlabels = ['a', 'b']\nauto-merge = true\nreviewers = ['alice', 'team:x', '557058:ba8948b2']\n\
         bitbucket = { repository = 'a/b' }"
    ), @r"
    error: Bitbucket Cloud has no labels on its proposals
    --> pinstream.toml:2:11
    = help: take `labels` out; the title can say what it is about
    error: Bitbucket Cloud takes no request to merge later by itself
    --> pinstream.toml:3:14
    = help: take `auto-merge` out; its own merge checks can be set up there
    error: `alice` is neither a UUID nor an account id of Bitbucket Cloud
    --> pinstream.toml:4:14
    = help: as `{d301aafa-d676-4ee0-88be-962be7417567}` or `557058:ba8948b2-49da-43a9-9e8b-e7249b8e324a`: it names no user by their name since 2019
    error: Bitbucket Cloud cannot ask a team to review
    --> pinstream.toml:4:23
    = help: name its members one by one
    ");
    insta::assert_snapshot!(said(
        "[publish]\nreviewers = ['alice', 'team:x', 'd6245f20-2af8-44f4-9451-8107cb2767db']\n\
         azure = { repository = 'a/b/c' }"
    ), @r#"
    error: `alice` is not the id of a user or team of Azure DevOps
    --> pinstream.toml:2:14
    = help: as `d6245f20-2af8-44f4-9451-8107cb2767db`; `az devops user show --user NAME` shows it
    error: Azure DevOps cannot ask a team to review
    --> pinstream.toml:2:23
    = help: name the team by its id alone, as any reviewer there
    "#);
    insta::assert_snapshot!(said(
        "[publish]\nreviewers = ['team:x']\ndraft = true\nauto-merge = true\ngitlab = { repository = 'a/b' }"
    ), @r#"
    error: GitLab cannot ask a team to review
    --> pinstream.toml:2:14
    = help: name its members one by one
    error: a draft is not merged by itself
    --> pinstream.toml:4:14
    = help: take `draft` or `auto-merge` out
    "#);
}

#[test]
fn problems_of_groups_labels_and_reviewers_are_reported() {
    insta::assert_snapshot!(said("[publish]\ngroup = 'repo'\ngithub.repository = 'a/b'"), @r#"
    error: `repo` is no way to group moves
    --> pinstream.toml:2:9
    = help: `stream`, `tag`, `all`, or named sets, as `group = { base = ["python:*"] }`
    "#);
    insta::assert_snapshot!(said(
        "[publish]\ngroup = { Base = ['a'], b = [], c = ['A:['], d = 5 }\nlabels = ['', 'a,b', 5]\nreviewers = ['team:']\n\
         github.repository = 'a/b'"
    ), @r#"
    error: `Base` is not the name of a set
    --> pinstream.toml:2:11
    = help: lower-case letters, digits and `-`, not beginning with `-`, at most 63
    error: the set `b` has no tags
    --> pinstream.toml:2:25
    = help: name tags, as `["python:*"]`, or take the set out
    error: invalid stream name `A`
    --> pinstream.toml:2:38
    = help: use lower-case letters and digits, with single `.`, `_` or `-` between them, in parts separated by `/`
    error: expected a list, found an integer
    --> pinstream.toml:2:50
    = help: put it in brackets: `[5]`
    error: `` is not a label
    --> pinstream.toml:3:11
    = help: at most 255 characters in one line, without commas and outer blanks
    error: `a,b` is not a label
    --> pinstream.toml:3:15
    = help: at most 255 characters in one line, without commas and outer blanks
    error: expected a string, found an integer
    --> pinstream.toml:3:22
    = help: put it in quotes: `"5"`
    error: `team:` is not a reviewer
    --> pinstream.toml:4:14
    = help: at most 255 characters in one line, without commas and outer blanks
    "#);
    let many = |item: &str| vec![item; 101].join(", ");
    for text in [
        format!("labels = [{}]", many("'a'")),
        format!("reviewers = [{}]", many("'a'")),
        format!("group = {{ a = [{}] }}", many("'a'")),
        format!("group = {{ {} }}", (0..101).map(|n| format!("s{n} = ['a']")).collect::<Vec<_>>().join(", ")),
    ] {
        assert!(said(&format!("[publish]\n{text}\ngithub.repository = 'a/b'")).contains("more than 100"), "{text}");
    }
}
