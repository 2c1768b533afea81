//! `graph`: images, tags and followers.

use super::Stage;

#[test]
fn images_tags_and_followers_are_drawn() {
    let stage = Stage::new();
    stage.sandbox.write("streams/team/web.toml", "[tags]\nprod = { follow = \"python:latest\" }\n");
    stage.check(
        &["graph"],
        r#"
--- out
REGISTRY/python:3.11
└── python:3.11
REGISTRY/python:3.12
├── python:3.12
│   └── python:latest
│       └── team/web:prod
└── python:arm (linux/arm64)
--- exit 0
"#,
    );
    stage.check(
        &["graph", "team/web:prod", "--format", "mermaid"],
        r#"
--- out
flowchart LR
  n0(["REGISTRY/python:3.12"])
  n1["python:3.12"]
  n2["python:latest"]
  n3["team/web:prod"]
  n0 --> n1
  n1 --> n2
  n2 --> n3
--- exit 0
"#,
    );
    stage.check(
        &["graph", "python:3.11", "--format", "dot"],
        r#"
--- out
digraph pinstream {
  rankdir = LR;
  node [shape = box];
  n0 [label = "REGISTRY/python:3.11", shape = ellipse];
  n1 [label = "python:3.11"];
  n0 -> n1;
}
--- exit 0
"#,
    );
    let svg = stage.sandbox.run(&["graph", "--format", "svg"]).stdout;
    assert!(
        svg.starts_with("<svg xmlns=") && svg.ends_with("</svg>\n") && svg.contains(">team/web:prod</text>"),
        "{svg}"
    );
    assert_eq!(stage.sandbox.run(&["graph", "--format", "svg"]).stdout, svg);
    stage.check(
        &["graph", "python:3.13"],
        r#"
--- err
error: no tag named `python:3.13`
help: did you mean `python:3.11`?
--- exit 64
"#,
    );
}
