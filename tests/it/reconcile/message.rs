//! The messages of commits: from a template of the settings, and what they end with.

use super::stage::Stage;

const LIST: &str = r#"[git]
message = """
{{ title }} ({{ count }})
{% for move in moves -%}
* {{ move.stream }}/{{ move.tag }} {{ move.change }}
{%- if move.old and move.new %} {{ move.old.version }} > {{ move.new.version }}, {{ move.class }}{% endif %}
{% endfor %}"""
"#;

/// A checkout of the remote, and its folder.
fn checkout(stage: &Stage) -> String {
    stage.sandbox.git(&["clone", "--quiet", &stage.remote, "checkout"]);
    stage.sandbox.work().join("checkout").display().to_string()
}

/// The message of the branch's tip.
fn message(stage: &Stage) -> String {
    stage.repo.git(&["log", "-1", "--format=%B", "main"])
}

#[test]
fn a_template_makes_the_message_and_the_plan_shows_it() {
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

    * web/1 moved 1.0.1 > 1.0.3, patch
    * web/2 removed
    * web/3 added
    ");
    stage.ends(0, &[]);
    assert_eq!(message(&stage), shown.join("\n"));
    let plan = stage.sandbox.run(&["-C", &folder, "plan"]);
    assert!(!plan.stdout.contains("message:"), "{}", plan.stdout);
}

#[test]
fn a_template_that_cannot_be_used_stops_check_and_pass_alike() {
    let stage = Stage::new("[git]\nmessage = \"{{ moves[0].id }}\"\n");
    stage.stream("web", &[("1", 1)]);
    let folder = checkout(&stage);
    let check = stage.sandbox.run(&["-C", &folder, "check"]);
    assert_eq!(check.code, Some(1));
    insta::assert_snapshot!(check.stderr, @r#"
    error: the template `git.message` cannot be used (line 1, column 9): `[0].id` is not known, tried on a lock that changes without a move
     --> pinstream.toml:5:20
      |
    5 | message = "{{ moves[0].id }}"
      |                    ^^^^^^
      |
      = help: not every move has it: ask first, as in `{% if move.old %}{{ move.old.short }}{% endif %}`
    "#);
    assert_eq!(stage.ends(1, &[]), check.stderr);
    assert_eq!(stage.commits().len(), 2);
}
