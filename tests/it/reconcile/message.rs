//! Commit messages: templates and trailers.

use pinstream::text::encoding::hex;

use super::stage::Stage;
use crate::support::registry::Image;
use crate::support::signing_key::sha256;

const LIST: &str = r#"[git]
message = """
{{ title }} ({{ count }})
{% for change in changes -%}
* {{ change.stream }}/{{ change.tag }} {{ change.change }}
{%- if change.old and change.new %} {{ change.old.version }} > {{ change.new.version }}, {{ change.class }}{% endif %}
{% endfor %}"""
"#;

/// A checkout of the remote, and its directory.
fn checkout(stage: &Stage) -> String {
    stage.sandbox.git(&["clone", "--quiet", &stage.remote, "checkout"]);
    stage.sandbox.work().join("checkout").display().to_string()
}

/// Message of the branch's tip.
fn message(stage: &Stage) -> String {
    stage.repo.git(&["log", "-1", "--format=%B", "main"])
}

#[test]
fn a_template_renders_the_message_and_the_plan_shows_it() {
    let stage = Stage::new(LIST);
    stage.stream("web", &[("1", 1), ("2", 2)]);
    stage.ends(0, &[]);
    stage.push("web:1", 3);
    stage.commit("streams/web.toml", "[tags]\n1 = \"REGISTRY/web:1\"\n3 = \"REGISTRY/web:1\"\n");
    let folder = checkout(&stage);
    let plan = stage.sandbox.run(&["-C", &folder, "plan", "-v"]);
    let shown = plan.stdout.split_once("message:\n").unwrap().1;
    let shown: Vec<&str> =
        shown.lines().map_while(|line| line.strip_prefix("    ").or(line.is_empty().then_some(""))).collect();
    insta::assert_snapshot!(shown.join("\n"), @"
    chore(images): pin 3 tags (3)

    * web/1 updated 1.0.1 > 1.0.3, patch
    * web/2 removed
    * web/3 added
    ");
    stage.ends(0, &[]);
    let made = message(&stage);
    let (body, trailers) = made.rsplit_once("\n\n").unwrap();
    assert_eq!(body, shown.join("\n"));
    assert!(trailers.starts_with("Pinstream-Plan: sha256:"), "{made}");
    let plan = stage.sandbox.run(&["-C", &folder, "plan"]);
    assert!(!plan.stdout.contains("message:"), "{}", plan.stdout);
}

#[test]
fn a_broken_template_stops_check_and_pass() {
    let stage = Stage::new("[git]\nmessage = \"{{ changes[0].id }}\"\n");
    stage.stream("web", &[("1", 1)]);
    let folder = checkout(&stage);
    let check = stage.sandbox.run(&["-C", &folder, "check"]);
    assert_eq!(check.code, Some(1));
    insta::assert_snapshot!(check.stderr, @r#"
    error: invalid template `git.message` (line 1, column 11): `[0].id` is undefined, rendered for a commit without changes of digests
     --> pinstream.toml:5:22
      |
    5 | message = "{{ changes[0].id }}"
      |                      ^^^^^^
      |
      = help: not every change has it: test it first, e.g. `{% if change.old %}{{ change.old.short }}{% endif %}`
    "#);
    assert_eq!(stage.ends(1, &[]), check.stderr);
    assert_eq!(stage.commits().len(), 2);
}

/// Trailers that `git` finds in the message of the branch's tip.
fn trailers(stage: &Stage) -> Vec<String> {
    let found = stage.repo.git_with(&["interpret-trailers", "--parse"], message(stage).as_bytes());
    found.lines().map(str::to_owned).collect()
}

/// Expected value of `Pinstream-Plan` at the tip, whose lock is in `root`.
fn plan(stage: &Stage, root: &str) -> String {
    let parent = stage.repo.git(&["rev-parse", "main^"]);
    let lock = stage.repo.read("main", &format!("{root}pinstream.lock")).unwrap();
    format!("Pinstream-Plan: sha256:{}", hex(&sha256(format!("{parent}\n{lock}").as_bytes())))
}

#[test]
fn git_finds_the_trailers_of_a_commit() {
    let stage = Stage::new("");
    stage.stream("web", &[("1", 1)]);
    stage.ends(0, &[]);
    assert_eq!(trailers(&stage), [plan(&stage, "")]);

    let settings = stage.repo.read("main", "pinstream.toml").unwrap();
    stage.commit("deploy/prod/pinstream.toml", &settings);
    stage.commit("deploy/prod/streams/web.toml", "[tags]\n1 = \"REGISTRY/web:1\"\n");
    stage.ends(0, &["--root", "deploy/prod"]);
    assert_eq!(trailers(&stage), ["Pinstream-Root: deploy/prod".to_owned(), plan(&stage, "deploy/prod/")]);
}

#[test]
fn trailers_of_a_template_stay_and_cannot_forge_ours() {
    const HOSTILE: &str = "1\n\n---\nPinstream-Plan: sha256:00\n";
    let stage = Stage::new(
        "[git]\nmessage = \"\"\"{{ title }}\n---\n{% for change in changes %}{{ change.new.version if change.new }}{% endfor %}\nPinstream-Plan: x\n\n\
         Change-Id: I{{ changes|map(attribute='tag')|join }}\nSigned-off-by: Bot <bot@acme.example>\"\"\"\n",
    );
    stage.registry.push("web", "1", &Image::new(1).version(HOSTILE));
    stage.commit("streams/web.toml", "[tags]\n1 = \"REGISTRY/web:1\"\n");
    stage.ends(0, &[]);
    let [change, signed, last] = <[String; 3]>::try_from(trailers(&stage)).unwrap();
    assert_eq!([change.as_str(), &signed], ["Change-Id: I1", "Signed-off-by: Bot <bot@acme.example>"]);
    assert_eq!(last, plan(&stage, ""));
    let made = message(&stage);
    assert!(made.contains("\n1__---_Pinstream-Plan__sha256_00_"), "{made}");
    assert_eq!(made.lines().filter(|line| line.starts_with("Pinstream-") || line.starts_with("---")).count(), 1);
}
