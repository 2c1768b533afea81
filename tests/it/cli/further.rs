//! Files of further tools: every command that searches files or writes them sees their images.

use super::Stage;
use crate::support::sandbox::Sandbox;

/// Files whose images are `REGISTRY/python:3.12`, each with the line of the image.
const FILES: [(&str, usize, &str); 5] = [
    (".gitlab-ci.yml", 2, "test:\n  image: REGISTRY/python:3.12\n  script: [x]\n"),
    ("MODULE.bazel", 1, "oci.pull(name = \"a\", image = \"REGISTRY/python\", tag = \"3.12\", digest = \"\")\n"),
    (
        "apps/release.yaml",
        6,
        "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: web}\nspec:\n  values:\n    image: \
         {repository: REGISTRY/python, tag: '3.12'}\n",
    ),
    ("docker-bake.hcl", 1, "target \"a\" { contexts = { base = \"docker-image://REGISTRY/python:3.12\" } }\n"),
    ("units/web.container", 2, "[Container]\nImage=REGISTRY/python:3.12\n"),
];

/// Runs a command and returns its output and exit code.
fn said(sandbox: &Sandbox, args: &[&str]) -> String {
    sandbox.shown(&sandbox.run(args))
}

#[test]
fn f05_files_of_further_tools_are_checked_and_receive_targets_and_pins() {
    let stage = Stage::pinned();
    for (path, _, text) in FILES {
        stage.sandbox.write(path, &text.replace("REGISTRY", &stage.registry.host()));
    }
    stage.commit("Files");
    let found = said(&stage.sandbox, &["check", "--all-images"]);
    assert!(found.contains("--- exit 2"), "{found}");
    for (path, line, _) in FILES {
        assert!(
            found.contains(&format!("`{path}`, line {line}: `REGISTRY/python:3.12`: without a digest\n")),
            "{found}"
        );
    }
    let added = said(&stage.sandbox, &["targets", "add"]);
    for target in [
        "image = { path = \".gitlab-ci.yml\", at = \"test.image\" }",
        "image = { path = \"MODULE.bazel\", at = \"\\\"oci.pull\\\"[name=a]\" }",
        "helm = { path = \"apps/release.yaml\", at = \"spec.values.image\" }",
        "image = { path = \"docker-bake.hcl\", at = \"target.a.contexts.base\" }",
        "image = { path = \"units/web.container\", at = \"Container.Image\" }",
    ] {
        assert!(added.contains(target), "{added}");
    }
    let digest = stage.digest("python:3.12");
    let updated = said(&stage.sandbox, &["update", "--offline"]);
    for (path, _, text) in FILES {
        let new = stage.sandbox.read(path);
        assert_eq!(new.matches(&digest.to_string()).count(), 1, "{updated}{new}");
        let text = text.replace("REGISTRY", &stage.registry.host());
        assert_eq!(new.replace(&format!("@{digest}"), "").replace(&digest.to_string(), ""), text);
    }
    let found = said(&stage.sandbox, &["check", "--all-images"]);
    assert!(found.contains("--- exit 0"), "{found}");
}

#[test]
fn f05_files_of_further_tools_become_streams() {
    let sandbox = Sandbox::new();
    for (path, _, text) in FILES {
        sandbox.write(path, &text.replace("REGISTRY", "quay.io/acme"));
    }
    let found = said(&sandbox, &["init", "--from", "."]);
    assert!(found.contains("wrote streams/python.toml\n"), "{found}");
    assert!(sandbox.read("streams/python.toml").contains("\"3.12\" = \"quay.io/acme/python:3.12\""));
}
