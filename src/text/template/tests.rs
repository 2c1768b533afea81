//! Templates: rendered texts, and problems of invalid ones.

use super::*;
use crate::text::diagnostics::{Problems, RenderStyle, RenderedProblems};

fn read(toml: &str) -> Result<Template, Problem> {
    let file = Arc::new(SourceFile { path: "pinstream.toml".to_owned(), text: toml.to_owned() });
    let table: std::collections::BTreeMap<String, At<String>> = toml::from_str(toml).unwrap();
    Template::read("git.message", &table["message"], &file)
}

fn said(toml: &str) -> String {
    let problem = read(toml).unwrap_err();
    assert!(problem.help.as_ref().is_some_and(|help| !help.is_empty()));
    RenderedProblems(&Problems(vec![problem]), RenderStyle::Plain).to_string()
}

fn made(template: &str) -> String {
    let template = read(&format!("message = '''\n{template}'''")).unwrap();
    template.render(&context::samples().swap_remove(4).1).unwrap()
}

#[test]
fn a_template_renders_changes() {
    let lines = "{% for change in changes %}{{ change.id }} {{ change.change }} {{ change.old.short if change.old }} {{ change.class }}.\n\
        {% endfor %}";
    insta::assert_snapshot!(made(&format!("{{{{ title }}}} ({{{{ count }}}})\n\n{lines}")), @r"
    chore(images): pin python:3.12 (4)

    python:3.12 added  .
    python:3.12 updated 010101010101 patch.
    python:3.12 updated 010101010101 .
    python:3.12 removed 010101010101 .
    ");
    insta::assert_snapshot!(made("pin {{ changes|selectattr('class')|map(attribute='id')|join(', ')|upper }}"), @"pin PYTHON:3.12");
}

#[test]
fn mistakes_are_shown_at_their_place() {
    insta::assert_snapshot!(said("author = \"x\"\nmessage = \"\"\"\npin {{ count }}\n{% for change in changes %}\n{{ change.clas }}\n{% endfor %}\"\"\"\n"), @r"
        error: invalid template `git.message` (line 3, column 4): `change.clas` is undefined, rendered for an updated tag
         --> pinstream.toml:5:4
          |
        5 | {{ change.clas }}
          |    ^^^^^^^^^^^
          |
          = help: did you mean `class`?
    ");
    insta::assert_snapshot!(said("message = \"{{ titel }}\""), @r#"
    error: invalid template `git.message` (line 1, column 4): `titel` is undefined, rendered for an updated tag
     --> pinstream.toml:1:15
      |
    1 | message = "{{ titel }}"
      |               ^^^^^
      |
      = help: did you mean `title`?
    "#);
    insta::assert_snapshot!(said("message = \"\\u007b{ whatever }}\""), @r#"
    error: invalid template `git.message` (line 1, column 4): `whatever` is undefined, rendered for an updated tag
     --> pinstream.toml:1:11
      |
    1 | message = "\u007b{ whatever }}"
      |           ^^^^^^^^^^^^^^^^^^^^^
      |
      = help: known variables: changes, count, more, text, title; a change has age, base, built, change, class, compare, differences, follow, id, image, layers, new, old, platforms_gained, platforms_lost, reference, size, stream, tag, unknown, warnings; its `old` and `new` have digest, short, version; its `layers` have added, kept, removed; a base has digest, name; a difference has name, new, old, what
    "#);
    insta::assert_snapshot!(said("message = \"{{ title }\""), @r#"
    error: invalid template `git.message` (line 1, column 10): syntax error: unexpected `}`, expected end of variable block
     --> pinstream.toml:1:21
      |
    1 | message = "{{ title }"
      |                     ^
      |
      = help: use Jinja syntax: `{{ title }}`, `{% for change in changes %}…{% endfor %}`
    "#);
    insta::assert_snapshot!(said("message = \"{% if title %}\""), @r#"
    error: invalid template `git.message` (line 1, column 13): syntax error: unexpected end of input, expected end of block
     --> pinstream.toml:1:24
      |
    1 | message = "{% if title %}"
      |                        ^^
      |
      = help: use Jinja syntax: `{{ title }}`, `{% for change in changes %}…{% endfor %}`
    "#);
    insta::assert_snapshot!(said("message = \"{{ title|shout }}\""), @r#"
    error: invalid template `git.message` (line 1, column 10): unknown filter: filter shout is unknown, rendered for an updated tag
     --> pinstream.toml:1:21
      |
    1 | message = "{{ title|shout }}"
      |                     ^^^^^
      |
      = help: use the filters and tests built into Jinja; templates cannot include other files
    "#);
    insta::assert_snapshot!(said("message = \"{% include 'x' %}\""), @r#"
    error: invalid template `git.message` (line 1, column 4): syntax error: unknown statement include
     --> pinstream.toml:1:15
      |
    1 | message = "{% include 'x' %}"
      |               ^^^^^^^
      |
      = help: use Jinja syntax: `{{ title }}`, `{% for change in changes %}…{% endfor %}`
    "#);
    insta::assert_snapshot!(said("message = \" \""), @r#"
    error: the template `git.message` renders to nothing for an updated tag
     --> pinstream.toml:1:11
      |
    1 | message = " "
      |           ^^^
      |
      = help: write at least one line, e.g. `{{ title }}`
    "#);
    insta::assert_snapshot!(said("message = \"{% if count %}x{% endif %}\""), @r#"
    error: the template `git.message` renders to nothing for a commit without changes of digests
     --> pinstream.toml:1:11
      |
    1 | message = "{% if count %}x{% endif %}"
      |           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: write at least one line, e.g. `{{ title }}`
    "#);
}

#[test]
fn values_missing_from_some_changes_are_found_on_samples() {
    insta::assert_snapshot!(said("message = \"{% for change in changes %}{{ change.old.short }}{% endfor %}.\""), @r#"
    error: invalid template `git.message` (line 1, column 31): `change.old.short` is undefined, rendered for an added tag
     --> pinstream.toml:1:42
      |
    1 | message = "{% for change in changes %}{{ change.old.short }}{% endfor %}."
      |                                          ^^^^^^^^^^^^^^^^
      |
      = help: not every change has it: test it first, e.g. `{% if change.old %}{{ change.old.short }}{% endif %}`
    "#);
    insta::assert_snapshot!(said("message = \"{% for change in changes %}{{ change.new.short }}{% endfor %}.\""), @r#"
    error: invalid template `git.message` (line 1, column 31): `change.new.short` is undefined, rendered for a removed tag
     --> pinstream.toml:1:42
      |
    1 | message = "{% for change in changes %}{{ change.new.short }}{% endfor %}."
      |                                          ^^^^^^^^^^^^^^^^
      |
      = help: not every change has it: test it first, e.g. `{% if change.old %}{{ change.old.short }}{% endif %}`
    "#);
    insta::assert_snapshot!(said("message = \"{% for change in changes %}{{ change.layers.kept }}{% endfor %}.\""), @r#"
    error: invalid template `git.message` (line 1, column 31): `change.layers.kept` is undefined, rendered for an added tag
     --> pinstream.toml:1:42
      |
    1 | message = "{% for change in changes %}{{ change.layers.kept }}{% endfor %}."
      |                                          ^^^^^^^^^^^^^^^^^^
      |
      = help: not every change has it: test it first, e.g. `{% if change.old %}{{ change.old.short }}{% endif %}`
    "#);
    insta::assert_snapshot!(said("message = \"{{ changes[0].id }}\""), @r#"
    error: invalid template `git.message` (line 1, column 11): `[0].id` is undefined, rendered for a commit without changes of digests
     --> pinstream.toml:1:22
      |
    1 | message = "{{ changes[0].id }}"
      |                      ^^^^^^
      |
      = help: not every change has it: test it first, e.g. `{% if change.old %}{{ change.old.short }}{% endif %}`
    "#);
}

#[test]
fn t6_a_template_is_limited_in_time_and_memory() {
    let doubled = "{% set x = x ~ x %}".repeat(60);
    for bomb in [
        format!("{{% set x = title %}}{doubled}{{{{ x|length }}}}"),
        "{{ ('x' * 90000000)|length }}".to_owned(),
        "{{ text|replace('0', text)|replace('0', text)|replace('0', text) }}".to_owned(),
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}x".to_owned(),
        "{% for a in [1] recursive %}{{ loop([a]) }}{% endfor %}".to_owned(),
    ] {
        read(&format!("message = \"{bomb}\"")).unwrap_err();
    }
    insta::assert_snapshot!(said("message = \"{{ 'x' * 90000000 }}\""), @r#"
    error: invalid template `git.message` (line 1, column 4): it runs too long or its output is too large, rendered for an updated tag
     --> pinstream.toml:1:15
      |
    1 | message = "{{ 'x' * 90000000 }}"
      |               ^^^^^^^^^^^^^^
      |
      = help: remove nested loops
    "#);
}
