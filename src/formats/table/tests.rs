//! Every mistake in a target is reported with its position.

use crate::text::diagnostics::{Problems, RenderStyle, RenderedProblems};

fn problems(text: &str) -> String {
    let (_, problems) = crate::model::settings::read(text.as_bytes());
    let problems = Problems::check(problems).unwrap_err();
    RenderedProblems(&problems, RenderStyle::Plain).to_string()
}

const INVALID: &str = r#"[[target]]
from = "python"
yaml = { path = "../a.yaml", at = "a..b" }
[[target]]
form = "python:3.12"
yaml = { pth = "a.yaml", at = "a" }
[[target]]
from = "python:3.12"
write = "diges"
[[target]]
yaml = { path = "a.yaml" }
json = { path = "a.json", at = "a" }
[[target]]
from = "python:3.12"
marker = { path = ".git/x" }
[[target]]
from = "python:3.12"
write = "digest"
kustomize = { path = "kustomization.yaml" }
[[target]]
from = "python:3.12"
dockerfile = { path = "pinstream.lock", stage = "a", arg = "B" }
[[target]]
write = "tag"
marker = { path = "**" }
"#;

const PROBLEMS: &str = r#"error: invalid tag `python`
 --> pinstream.toml:2:8
  |
2 | from = "python"
  |        ^^^^^^^^
  |
  = help: write `stream:tag`

error: `../a.yaml` has a component that is empty, `.` or `..`
 --> pinstream.toml:3:17
  |
3 | yaml = { path = "../a.yaml", at = "a..b" }
  |                 ^^^^^^^^^^^
  |
  = help: name a file below the root, e.g. `deploy/web.yaml`, or use a glob, e.g. `deploy/**/*.yaml`

error: `a..b` is not a valid selector: a key is missing
 --> pinstream.toml:3:35
  |
3 | yaml = { path = "../a.yaml", at = "a..b" }
  |                                   ^^^^^^
  |
  = help: e.g. `spec.containers[name=web].image`; quote a key that contains a dot: `metadata."a.b"`

error: unknown key `form`
 --> pinstream.toml:5:1
  |
5 | form = "python:3.12"
  | ^^^^
  |
  = help: did you mean `from`?

error: unknown key `pth`
 --> pinstream.toml:6:10
  |
6 | yaml = { pth = "a.yaml", at = "a" }
  |          ^^^
  |
  = help: did you mean `path`?

error: the target has no kind of file
 --> pinstream.toml:7:1
  |
7 | [[target]]
  | ^^^^^^^^^^
  |
  = help: add one of `dockerfile`, `kustomize`, `workflow`, `helm`, `compose`, `image`, `env`, `json`, `yaml`, `toml`, `marker`

error: invalid value `diges` for `write`
 --> pinstream.toml:9:9
  |
9 | write = "diges"
  |         ^^^^^^^
  |
  = help: did you mean `digest`?

error: missing `from` in the target
  --> pinstream.toml:10:1
   |
10 | [[target]]
   | ^^^^^^^^^^
   |
   = help: add `from = "python:3.12"`

error: missing `at` in the target
  --> pinstream.toml:11:8
   |
11 | yaml = { path = "a.yaml" }
   |        ^^^^^^^^^^^^^^^^^^^
   |
   = help: add `at = "spec.containers[name=web].image"`

error: a target has one kind of file; this is a second
  --> pinstream.toml:12:8
   |
12 | json = { path = "a.json", at = "a" }
   |        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
   |
   = help: write a `[[target]]` for each

error: `from` is not allowed with `marker`
  --> pinstream.toml:14:8
   |
14 | from = "python:3.12"
   |        ^^^^^^^^^^^^^
   |
   = help: remove `from`; each comment names its tag: `# pinstream: python:3.12`

error: `.git/x` belongs to Git
  --> pinstream.toml:15:19
   |
15 | marker = { path = ".git/x" }
   |                   ^^^^^^^^
   |
   = help: name a file below the root, e.g. `deploy/web.yaml`, or use a glob, e.g. `deploy/**/*.yaml`

error: `write = "digest"` is not supported with `kustomize`
  --> pinstream.toml:18:9
   |
18 | write = "digest"
   |         ^^^^^^^^
   |
   = help: remove it; the keys `newName`, `newTag` and `digest` are written if they exist

error: missing `name` in the target
  --> pinstream.toml:19:13
   |
19 | kustomize = { path = "kustomization.yaml" }
   |             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
   |
   = help: add `name = "web"`

error: `pinstream.lock` belongs to pinstream and cannot be a target
  --> pinstream.toml:22:23
   |
22 | dockerfile = { path = "pinstream.lock", stage = "a", arg = "B" }
   |                       ^^^^^^^^^^^^^^^^
   |
   = help: name a file below the root, e.g. `deploy/web.yaml`, or use a glob, e.g. `deploy/**/*.yaml`

error: `arg` and `stage` exclude each other
  --> pinstream.toml:22:60
   |
22 | dockerfile = { path = "pinstream.lock", stage = "a", arg = "B" }
   |                                                            ^^^
   |
   = help: write a target for each

error: `write = "tag"` is not supported with `marker`
  --> pinstream.toml:24:9
   |
24 | write = "tag"
   |         ^^^^^
   |
   = help: remove it; digests without a reference are recognized
"#;

#[test]
fn all_mistakes_in_targets_are_reported_at_once() {
    assert_eq!(problems(INVALID).trim_end(), PROBLEMS.trim_end());
}
