//! `targets` and `targets add`: targets for images in all kinds of files.

mod options;

use super::Stage;

/// One file of each kind; `REGISTRY` is replaced by the registry.
const FILES: [(&str, &str); 9] = [
    (
        "Dockerfile",
        "# syntax=docker/dockerfile:1\nARG TAG=3.11\nFROM REGISTRY/python:3.12 AS build\nFROM golang:1.26 AS go\nFROM \
         REGISTRY/python:${TAG}\nCOPY --from=build /a /a\n",
    ),
    ("copy/Dockerfile", "FROM scratch\nCOPY --from=REGISTRY/python:3.12 /a /a\n"),
    (
        "compose.yaml",
        "services:\n  web:\n    image: \"REGISTRY/python:3.12\" # app\n  own: {build: ., image: REGISTRY/own}\n",
    ),
    (
        "deploy/web.yaml",
        "kind: Deployment\nspec:\n  template:\n    spec:\n      containers:\n        - name: web\n          image: \
         REGISTRY/python:3.12   # pinned\n        - {name: side, image: 'REGISTRY/python:3.11'}\n---\nkind: \
         Service\n---\nkind: CronJob\nmetadata: {name: clean}\nspec: {template: {spec: {containers: [{name: web, image: \
         REGISTRY/python:3.11}]}}}\n",
    ),
    ("deploy/shared.yaml", "kind: Pod\nspec:\n  containers:\n  - &web\n    image: REGISTRY/python:3.12\n  - *web\n"),
    ("deploy/chart/templates/web.yaml", "kind: Pod\n{{- if .Values.web }}\n{{- end }}\n"),
    (
        "deploy/chart/values.yaml",
        "replicas: 2\nimage:\n  repository: REGISTRY/python\n  # The version.\n  tag: \"3.12\"\njob:\n  image: \
         REGISTRY/python:3.11\n",
    ),
    (
        "deploy/kustomization.yaml",
        "images:\n- name: web\n  newName: REGISTRY/python\n  newTag: \"3.12\"\n  digest: \"\"\n- name: \
         REGISTRY/python\n  newTag: \"3.11\"\n",
    ),
    (
        ".github/workflows/ci.yml",
        "on: push\njobs:\n  test:\n    container: REGISTRY/python:3.12\n    services:\n      py: {image: \
         REGISTRY/python:3.11}\n    steps:\n    - uses: actions/checkout@v5\n    - uses: docker://alpine:3\n  pages:\n    \
         container: {image: \"ghcr.io/a/b:${{ matrix.v }}\"}\n",
    ),
];

/// Sets up files of all kinds; all tags are pinned.
fn stage() -> Stage {
    let stage = Stage::pinned();
    stage.settings("\n# Who is told.\n[git]\nbranch = \"main\" # ours");
    for (path, text) in FILES {
        stage.sandbox.write(path, &text.replace("REGISTRY", &stage.registry.host()));
    }
    stage.commit("Files");
    stage
}

/// Returns the output of several commands.
fn said(stage: &Stage, commands: &[&str]) -> String {
    let one = |command: &&str| {
        let args: Vec<&str> = command.split(' ').collect();
        format!("$ pinstream {command}\n{}\n", stage.sandbox.shown(&stage.sandbox.run(&args)))
    };
    commands.iter().map(one).collect()
}

/// Returns the changes since the last commit, without context.
fn differs(stage: &Stage) -> String {
    let diff = stage.sandbox.scrubbed(&stage.sandbox.git(&["diff", "-U0", "--no-color"]));
    let is_shown =
        |line: &&str| ["+", "-", "@@", "\\"].iter().any(|start| line.starts_with(start)) && !line.starts_with("---");
    diff.lines().filter(is_shown).map(|line| format!("{line}\n")).collect()
}

#[test]
fn targets_for_all_kinds_of_files_are_added_and_written() {
    let stage = stage();
    insta::assert_snapshot!(said(&stage, &["targets", "targets add"]), @r#"
    $ pinstream targets
    --- out
    PLACE   TARGET   TAG   VALUE   STATUS
    --- exit 0
    $ pinstream targets add
    --- out
    .github/workflows/ci.yml:4    python:3.12   yaml = { path = ".github/workflows/ci.yml", at = "jobs.test.container" }
    .github/workflows/ci.yml:6    python:3.11   workflow = { path = ".github/workflows/ci.yml", job = "test", service = "py" }
    Dockerfile:3                  python:3.12   dockerfile = { path = "Dockerfile", stage = "build" }
    Dockerfile:5                  python:3.11   dockerfile = { path = "Dockerfile", arg = "TAG" }
    compose.yaml:3                python:3.12   compose = { path = "compose.yaml", service = "web" }
    copy/Dockerfile:2             python:3.12   dockerfile = { path = "copy/Dockerfile" }
    deploy/chart/values.yaml:3    python:3.12   helm = { path = "deploy/chart/values.yaml" }
    deploy/chart/values.yaml:7    python:3.11   helm = { path = "deploy/chart/values.yaml", at = "job.image" }
    deploy/kustomization.yaml:2   python:3.12   kustomize = { path = "deploy/kustomization.yaml", name = "web" }
    deploy/kustomization.yaml:6   python:3.11   kustomize = { path = "deploy/kustomization.yaml", name = "REGISTRY/python" }
    deploy/web.yaml:7             python:3.12   yaml = { path = "deploy/web.yaml", at = "[kind=Deployment].spec.template.spec.containers[name=web].image" }
    deploy/web.yaml:8             python:3.11   yaml = { path = "deploy/web.yaml", at = "spec.template.spec.containers[name=side].image" }
    deploy/web.yaml:14            python:3.11   yaml = { path = "deploy/web.yaml", at = "[kind=CronJob].spec.template.spec.containers[name=web].image" }
    wrote pinstream.toml
    next: run `pinstream update --offline` to write the pins, then commit
    --- err
    not added:
    AT                            TEXT                            REASON
    .github/workflows/ci.yml:9    docker.io/library/alpine:3      not covered; run `pinstream tag docker.io/library/alpine:3 alpine:3`
    .github/workflows/ci.yml:11   ghcr.io/a/b:${{ matrix.v }}     contains a template expression
    Dockerfile:1                  docker.io/docker/dockerfile:1   not covered; run `pinstream tag docker.io/docker/dockerfile:1 dockerfile:1`
    Dockerfile:4                  docker.io/library/golang:1.26   not covered; run `pinstream tag docker.io/library/golang:1.26 golang:1.26`
    compose.yaml:4                REGISTRY/own             names the result of `build`
    copy/Dockerfile:1             scratch                         `scratch` is empty
    deploy/shared.yaml:5          REGISTRY/python:3.12     cannot edit `spec.containers[0].image` in `deploy/shared.yaml`: an anchor, an alias or a merge key shares it; write the value out there, without `&`, `*` or `<<`
    note: 1 file not read: 1 template (literal images only); `-v` lists them
    help: add a comment `# pinstream: stream:tag` to the line of an image, and a `marker` target for the file
    note: `REGISTRY/python:3.12` is covered by several tags; using `python:3.12`, not `python:arm`
    --- exit 0
    "#);
    insta::assert_snapshot!(differs(&stage), @r#"
        +++ b/pinstream.toml
        @@ -6 +6,54 @@ plain-http = true
        -branch = "main" # ours
        \ No newline at end of file
        +branch = "main" # ours
        +
        +[[target]]
        +from = "python:3.12"
        +yaml = { path = ".github/workflows/ci.yml", at = "jobs.test.container" }
        +
        +[[target]]
        +from = "python:3.11"
        +workflow = { path = ".github/workflows/ci.yml", job = "test", service = "py" }
        +
        +[[target]]
        +from = "python:3.12"
        +dockerfile = { path = "Dockerfile", stage = "build" }
        +
        +[[target]]
        +from = "python:3.11"
        +write = "tag@digest"
        +dockerfile = { path = "Dockerfile", arg = "TAG" }
        +
        +[[target]]
        +from = "python:3.12"
        +compose = { path = "compose.yaml", service = "web" }
        +
        +[[target]]
        +from = "python:3.12"
        +dockerfile = { path = "copy/Dockerfile" }
        +
        +[[target]]
        +from = "python:3.12"
        +helm = { path = "deploy/chart/values.yaml" }
        +
        +[[target]]
        +from = "python:3.11"
        +helm = { path = "deploy/chart/values.yaml", at = "job.image" }
        +
        +[[target]]
        +from = "python:3.12"
        +kustomize = { path = "deploy/kustomization.yaml", name = "web" }
        +
        +[[target]]
        +from = "python:3.11"
        +kustomize = { path = "deploy/kustomization.yaml", name = "REGISTRY/python" }
        +
        +[[target]]
        +from = "python:3.12"
        +yaml = { path = "deploy/web.yaml", at = "[kind=Deployment].spec.template.spec.containers[name=web].image" }
        +
        +[[target]]
        +from = "python:3.11"
        +yaml = { path = "deploy/web.yaml", at = "spec.template.spec.containers[name=side].image" }
        +
        +[[target]]
        +from = "python:3.11"
        +yaml = { path = "deploy/web.yaml", at = "[kind=CronJob].spec.template.spec.containers[name=web].image" }
        \ No newline at end of file
        "#);
    let settings = stage.sandbox.read("pinstream.toml");
    insta::assert_snapshot!(said(&stage, &["targets add", "targets", "check", "update --offline", "check", "targets"]), @r#"
        $ pinstream targets add
        --- out
        no targets to add
        --- err
        not added:
        AT                            TEXT                            REASON
        .github/workflows/ci.yml:9    docker.io/library/alpine:3      not covered; run `pinstream tag docker.io/library/alpine:3 alpine:3`
        .github/workflows/ci.yml:11   ghcr.io/a/b:${{ matrix.v }}     contains a template expression
        Dockerfile:1                  docker.io/docker/dockerfile:1   not covered; run `pinstream tag docker.io/docker/dockerfile:1 dockerfile:1`
        Dockerfile:4                  docker.io/library/golang:1.26   not covered; run `pinstream tag docker.io/library/golang:1.26 golang:1.26`
        compose.yaml:4                REGISTRY/own             names the result of `build`
        copy/Dockerfile:1             scratch                         `scratch` is empty
        deploy/shared.yaml:5          REGISTRY/python:3.12     cannot edit `spec.containers[0].image` in `deploy/shared.yaml`: an anchor, an alias or a merge key shares it; write the value out there, without `&`, `*` or `<<`
        note: 1 file not read: 1 template (literal images only); `-v` lists them
        help: add a comment `# pinstream: stream:tag` to the line of an image, and a `marker` target for the file
        --- exit 0
        $ pinstream targets
        --- out
        PLACE                         TARGET                                                                 TAG           VALUE                         STATUS
        .github/workflows/ci.yml:4    yaml jobs.test.container                                               python:3.12   REGISTRY/python:3.12   differs
        .github/workflows/ci.yml:6    workflow job=test service=py                                           python:3.11   REGISTRY/python:3.11   differs
        Dockerfile:3                  dockerfile stage=build                                                 python:3.12   REGISTRY/python:3.12   differs
        Dockerfile:2                  dockerfile arg=TAG                                                     python:3.11   3.11                          differs
        compose.yaml:3                compose service=web                                                    python:3.12   REGISTRY/python:3.12   differs
        copy/Dockerfile:2             dockerfile                                                             python:3.12   REGISTRY/python:3.12   differs
        deploy/chart/values.yaml:3    helm                                                                   python:3.12   REGISTRY/python        current
        deploy/chart/values.yaml:5    helm                                                                   python:3.12   3.12                          differs
        deploy/chart/values.yaml:7    helm job.image                                                         python:3.11   REGISTRY/python:3.11   differs
        deploy/kustomization.yaml:3   kustomize name=web                                                     python:3.12   REGISTRY/python        current
        deploy/kustomization.yaml:4   kustomize name=web                                                     python:3.12   3.12                          current
        deploy/kustomization.yaml:5   kustomize name=web                                                     python:3.12                                 differs
        deploy/kustomization.yaml:7   kustomize name=REGISTRY/python                                  python:3.11   3.11                          differs
        deploy/web.yaml:7             yaml [kind=Deployment].spec.template.spec.containers[name=web].image   python:3.12   REGISTRY/python:3.12   differs
        deploy/web.yaml:8             yaml spec.template.spec.containers[name=side].image                    python:3.11   REGISTRY/python:3.11   differs
        deploy/web.yaml:14            yaml [kind=CronJob].spec.template.spec.containers[name=web].image      python:3.11   REGISTRY/python:3.11   differs
        --- exit 0
        $ pinstream check
        --- out
        `.github/workflows/ci.yml`, line 4: expected `REGISTRY/python:3.12@346028a7044f` (pin of `python:3.12`), found `REGISTRY/python:3.12`
        `.github/workflows/ci.yml`, line 6: expected `REGISTRY/python:3.11@e0660bcc5200` (pin of `python:3.11`), found `REGISTRY/python:3.11`
        `Dockerfile`, line 2: expected `3.11@e0660bcc5200` (pin of `python:3.11`), found `3.11`
        `Dockerfile`, line 3: expected `REGISTRY/python:3.12@346028a7044f` (pin of `python:3.12`), found `REGISTRY/python:3.12`
        `compose.yaml`, line 3: expected `REGISTRY/python:3.12@346028a7044f` (pin of `python:3.12`), found `REGISTRY/python:3.12`
        `copy/Dockerfile`, line 2: expected `REGISTRY/python:3.12@346028a7044f` (pin of `python:3.12`), found `REGISTRY/python:3.12`
        `deploy/chart/values.yaml`, line 5: expected `3.12@346028a7044f` (pin of `python:3.12`), found `3.12`
        `deploy/chart/values.yaml`, line 7: expected `REGISTRY/python:3.11@e0660bcc5200` (pin of `python:3.11`), found `REGISTRY/python:3.11`
        `deploy/kustomization.yaml`, line 5: expected `346028a7044f` (pin of `python:3.12`), found an empty value
        `deploy/kustomization.yaml`, line 7: expected `3.11@e0660bcc5200` (pin of `python:3.11`), found `3.11`
        `deploy/web.yaml`, line 7: expected `REGISTRY/python:3.12@346028a7044f` (pin of `python:3.12`), found `REGISTRY/python:3.12`
        `deploy/web.yaml`, line 8: expected `REGISTRY/python:3.11@e0660bcc5200` (pin of `python:3.11`), found `REGISTRY/python:3.11`
        `deploy/web.yaml`, line 14: expected `REGISTRY/python:3.11@e0660bcc5200` (pin of `python:3.11`), found `REGISTRY/python:3.11`

        --- .github/workflows/ci.yml
        +++ expected
        @@ -2,7 +2,7 @@
         jobs:
           test:
        -    container: REGISTRY/python:3.12
        +    container: REGISTRY/python:3.12@sha256:346028a7044f44bfd45fe184a4e0ce589cd0e59c1e51b5168b36b0c60f67d326
             services:
        -      py: {image: REGISTRY/python:3.11}
        +      py: {image: REGISTRY/python:3.11@sha256:e0660bcc520007e1137fc46fd5822bdcd7da9f03b70cc06129df828f52082ba4}
             steps:
             - uses: actions/checkout@v5
        --- Dockerfile
        +++ expected
        @@ -1,5 +1,5 @@
         # syntax=docker/dockerfile:1
        -ARG TAG=3.11
        -FROM REGISTRY/python:3.12 AS build
        +ARG TAG=3.11@sha256:e0660bcc520007e1137fc46fd5822bdcd7da9f03b70cc06129df828f52082ba4
        +FROM REGISTRY/python:3.12@sha256:346028a7044f44bfd45fe184a4e0ce589cd0e59c1e51b5168b36b0c60f67d326 AS build
         FROM golang:1.26 AS go
         FROM REGISTRY/python:${TAG}
        --- compose.yaml
        +++ expected
        @@ -1,4 +1,4 @@
         services:
           web:
        -    image: "REGISTRY/python:3.12" # app
        +    image: "REGISTRY/python:3.12@sha256:346028a7044f44bfd45fe184a4e0ce589cd0e59c1e51b5168b36b0c60f67d326" # app
           own: {build: ., image: REGISTRY/own}
        --- copy/Dockerfile
        +++ expected
        @@ -1,2 +1,2 @@
         FROM scratch
        -COPY --from=REGISTRY/python:3.12 /a /a
        +COPY --from=REGISTRY/python:3.12@sha256:346028a7044f44bfd45fe184a4e0ce589cd0e59c1e51b5168b36b0c60f67d326 /a /a
        --- deploy/chart/values.yaml
        +++ expected
        @@ -3,5 +3,5 @@
           repository: REGISTRY/python
           # The version.
        -  tag: "3.12"
        +  tag: "3.12@sha256:346028a7044f44bfd45fe184a4e0ce589cd0e59c1e51b5168b36b0c60f67d326"
         job:
        -  image: REGISTRY/python:3.11
        +  image: REGISTRY/python:3.11@sha256:e0660bcc520007e1137fc46fd5822bdcd7da9f03b70cc06129df828f52082ba4
        --- deploy/kustomization.yaml
        +++ expected
        @@ -3,5 +3,5 @@
           newName: REGISTRY/python
           newTag: "3.12"
        -  digest: ""
        +  digest: "sha256:346028a7044f44bfd45fe184a4e0ce589cd0e59c1e51b5168b36b0c60f67d326"
         - name: REGISTRY/python
        -  newTag: "3.11"
        +  newTag: "3.11@sha256:e0660bcc520007e1137fc46fd5822bdcd7da9f03b70cc06129df828f52082ba4"
        --- deploy/web.yaml
        +++ expected
        @@ -5,6 +5,6 @@
               containers:
                 - name: web
        -          image: REGISTRY/python:3.12   # pinned
        -        - {name: side, image: 'REGISTRY/python:3.11'}
        +          image: REGISTRY/python:3.12@sha256:346028a7044f44bfd45fe184a4e0ce589cd0e59c1e51b5168b36b0c60f67d326   # pinned
        +        - {name: side, image: 'REGISTRY/python:3.11@sha256:e0660bcc520007e1137fc46fd5822bdcd7da9f03b70cc06129df828f52082ba4'}
         ---
         kind: Service
        @@ -12,3 +12,3 @@
         kind: CronJob
         metadata: {name: clean}
        -spec: {template: {spec: {containers: [{name: web, image: REGISTRY/python:3.11}]}}}
        +spec: {template: {spec: {containers: [{name: web, image: REGISTRY/python:3.11@sha256:e0660bcc520007e1137fc46fd5822bdcd7da9f03b70cc06129df828f52082ba4}]}}}

        help: run `pinstream update --offline`, then commit the changed files
        --- exit 2
        $ pinstream update --offline
        --- out
        wrote .github/workflows/ci.yml, lines 4, 6
        wrote Dockerfile, lines 2, 3
        wrote compose.yaml, line 3
        wrote copy/Dockerfile, line 2
        wrote deploy/chart/values.yaml, lines 5, 7
        wrote deploy/kustomization.yaml, lines 5, 7
        wrote deploy/web.yaml, lines 7, 8, 14
        4 skipped; 7 files were written
        --- exit 0
        $ pinstream check
        --- out
        4 pins in 1 stream: lock and targets match the definitions
        --- exit 0
        $ pinstream targets
        --- out
        PLACE                         TARGET                                                                 TAG           VALUE                                      STATUS
        .github/workflows/ci.yml:4    yaml jobs.test.container                                               python:3.12   REGISTRY/python:3.12@346028a7044f   current
        .github/workflows/ci.yml:6    workflow job=test service=py                                           python:3.11   REGISTRY/python:3.11@e0660bcc5200   current
        Dockerfile:3                  dockerfile stage=build                                                 python:3.12   REGISTRY/python:3.12@346028a7044f   current
        Dockerfile:2                  dockerfile arg=TAG                                                     python:3.11   3.11@e0660bcc5200                          current
        compose.yaml:3                compose service=web                                                    python:3.12   REGISTRY/python:3.12@346028a7044f   current
        copy/Dockerfile:2             dockerfile                                                             python:3.12   REGISTRY/python:3.12@346028a7044f   current
        deploy/chart/values.yaml:3    helm                                                                   python:3.12   REGISTRY/python                     current
        deploy/chart/values.yaml:5    helm                                                                   python:3.12   3.12@346028a7044f                          current
        deploy/chart/values.yaml:7    helm job.image                                                         python:3.11   REGISTRY/python:3.11@e0660bcc5200   current
        deploy/kustomization.yaml:3   kustomize name=web                                                     python:3.12   REGISTRY/python                     current
        deploy/kustomization.yaml:4   kustomize name=web                                                     python:3.12   3.12                                       current
        deploy/kustomization.yaml:5   kustomize name=web                                                     python:3.12   346028a7044f                               current
        deploy/kustomization.yaml:7   kustomize name=REGISTRY/python                                  python:3.11   3.11@e0660bcc5200                          current
        deploy/web.yaml:7             yaml [kind=Deployment].spec.template.spec.containers[name=web].image   python:3.12   REGISTRY/python:3.12@346028a7044f   current
        deploy/web.yaml:8             yaml spec.template.spec.containers[name=side].image                    python:3.11   REGISTRY/python:3.11@e0660bcc5200   current
        deploy/web.yaml:14            yaml [kind=CronJob].spec.template.spec.containers[name=web].image      python:3.11   REGISTRY/python:3.11@e0660bcc5200   current
        --- exit 0
        "#);
    assert_eq!(stage.sandbox.read("pinstream.toml"), settings);
    stage.sandbox.git(&["add", "pinstream.toml"]);
    insta::assert_snapshot!(differs(&stage), @r#"
        +++ b/.github/workflows/ci.yml
        @@ -4 +4 @@ jobs:
        -    container: REGISTRY/python:3.12
        +    container: REGISTRY/python:3.12@sha256:346028a7044f44bfd45fe184a4e0ce589cd0e59c1e51b5168b36b0c60f67d326
        @@ -6 +6 @@ jobs:
        -      py: {image: REGISTRY/python:3.11}
        +      py: {image: REGISTRY/python:3.11@sha256:e0660bcc520007e1137fc46fd5822bdcd7da9f03b70cc06129df828f52082ba4}
        +++ b/Dockerfile
        @@ -2,2 +2,2 @@
        -ARG TAG=3.11
        -FROM REGISTRY/python:3.12 AS build
        +ARG TAG=3.11@sha256:e0660bcc520007e1137fc46fd5822bdcd7da9f03b70cc06129df828f52082ba4
        +FROM REGISTRY/python:3.12@sha256:346028a7044f44bfd45fe184a4e0ce589cd0e59c1e51b5168b36b0c60f67d326 AS build
        +++ b/compose.yaml
        @@ -3 +3 @@ services:
        -    image: "REGISTRY/python:3.12" # app
        +    image: "REGISTRY/python:3.12@sha256:346028a7044f44bfd45fe184a4e0ce589cd0e59c1e51b5168b36b0c60f67d326" # app
        +++ b/copy/Dockerfile
        @@ -2 +2 @@ FROM scratch
        -COPY --from=REGISTRY/python:3.12 /a /a
        +COPY --from=REGISTRY/python:3.12@sha256:346028a7044f44bfd45fe184a4e0ce589cd0e59c1e51b5168b36b0c60f67d326 /a /a
        +++ b/deploy/chart/values.yaml
        @@ -5 +5 @@ image:
        -  tag: "3.12"
        +  tag: "3.12@sha256:346028a7044f44bfd45fe184a4e0ce589cd0e59c1e51b5168b36b0c60f67d326"
        @@ -7 +7 @@ job:
        -  image: REGISTRY/python:3.11
        +  image: REGISTRY/python:3.11@sha256:e0660bcc520007e1137fc46fd5822bdcd7da9f03b70cc06129df828f52082ba4
        +++ b/deploy/kustomization.yaml
        @@ -5 +5 @@ images:
        -  digest: ""
        +  digest: "sha256:346028a7044f44bfd45fe184a4e0ce589cd0e59c1e51b5168b36b0c60f67d326"
        @@ -7 +7 @@ images:
        -  newTag: "3.11"
        +  newTag: "3.11@sha256:e0660bcc520007e1137fc46fd5822bdcd7da9f03b70cc06129df828f52082ba4"
        +++ b/deploy/web.yaml
        @@ -7,2 +7,2 @@ spec:
        -          image: REGISTRY/python:3.12   # pinned
        -        - {name: side, image: 'REGISTRY/python:3.11'}
        +          image: REGISTRY/python:3.12@sha256:346028a7044f44bfd45fe184a4e0ce589cd0e59c1e51b5168b36b0c60f67d326   # pinned
        +        - {name: side, image: 'REGISTRY/python:3.11@sha256:e0660bcc520007e1137fc46fd5822bdcd7da9f03b70cc06129df828f52082ba4'}
        @@ -14 +14 @@ metadata: {name: clean}
        -spec: {template: {spec: {containers: [{name: web, image: REGISTRY/python:3.11}]}}}
        +spec: {template: {spec: {containers: [{name: web, image: REGISTRY/python:3.11@sha256:e0660bcc520007e1137fc46fd5822bdcd7da9f03b70cc06129df828f52082ba4}]}}}
        "#);
    stage.commit("Targets");
    insta::assert_snapshot!(said(&stage, &["targets add", "update"]), @r#"
        $ pinstream targets add
        --- out
        no targets to add
        --- err
        not added:
        AT                            TEXT                            REASON
        .github/workflows/ci.yml:9    docker.io/library/alpine:3      not covered; run `pinstream tag docker.io/library/alpine:3 alpine:3`
        .github/workflows/ci.yml:11   ghcr.io/a/b:${{ matrix.v }}     contains a template expression
        Dockerfile:1                  docker.io/docker/dockerfile:1   not covered; run `pinstream tag docker.io/docker/dockerfile:1 dockerfile:1`
        Dockerfile:4                  docker.io/library/golang:1.26   not covered; run `pinstream tag docker.io/library/golang:1.26 golang:1.26`
        compose.yaml:4                REGISTRY/own             names the result of `build`
        copy/Dockerfile:1             scratch                         `scratch` is empty
        deploy/shared.yaml:5          REGISTRY/python:3.12     cannot edit `spec.containers[0].image` in `deploy/shared.yaml`: an anchor, an alias or a merge key shares it; write the value out there, without `&`, `*` or `<<`
        note: 1 file not read: 1 template (literal images only); `-v` lists them
        help: add a comment `# pinstream: stream:tag` to the line of an image, and a `marker` target for the file
        --- exit 0
        $ pinstream update
        --- out
        4 unchanged; nothing to write
        --- exit 0
        "#);
    assert_eq!(differs(&stage), "");
}
