//! `adopt`: OpenShift ImageStreams become files of a root.

use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use crate::support::sandbox::{RunResult, Sandbox, same};

const WEB: &str = r#"
apiVersion: image.openshift.io/v1
kind: ImageStream
metadata:
  name: web
  annotations:
    description: The web
spec:
  tags:
  - name: "1.0"
    from: { kind: DockerImage, name: "quay.io/acme/web:1.0" }
    importPolicy: { scheduled: true, importMode: PreserveOriginal }
  - name: prod
    from: { kind: ImageStreamTag, name: "1.0" }
  - name: pushed
status:
  tags:
  - tag: "1.0"
    items:
    - image: sha256:0909090909090909090909090909090909090909090909090909090909090909
      dockerImageReference: quay.io/acme/web@sha256:0909090909090909090909090909090909090909090909090909090909090909
    - image: sha256:0808080808080808080808080808080808080808080808080808080808080808
      dockerImageReference: quay.io/acme/web@sha256:0808080808080808080808080808080808080808080808080808080808080808
---
apiVersion: route.openshift.io/v1
kind: Route
"#;

#[test]
fn an_image_stream_becomes_a_stream_and_its_history_the_first_lock() {
    let sandbox = Sandbox::new();
    sandbox.write("web.yaml", WEB);
    sandbox.check(
        &["adopt", "--with-status", "web.yaml"],
        r#"
--- out
wrote pinstream.toml
wrote streams/web.toml
wrote pinstream.lock
next: review the files, run `pinstream update`, then commit
--- err
changed or not converted:
FIELD       OF           REASON OR REPLACEMENT
whole tag   web:pushed   exists only through pushes to the cluster's registry
skipped other objects: 1 Route
--- exit 0
"#,
    );
    same(
        &sandbox.read("streams/web.toml"),
        r#"
# not converted: pushed: exists only through pushes to the cluster's registry
description = "The web"

[tags]
"1.0" = { image = "quay.io/acme/web:1.0", schedule = "*/15 * * * *" }
prod = { follow = "1.0" }
"#,
    );
    sandbox.check(
        &["check"],
        r#"
--- out
2 pins in 1 stream: lock matches the definitions
--- exit 0
"#,
    );
    sandbox.check(
        &["list"],
        r#"
--- out
TAG        SOURCE                 DIGEST         VERSION   CREATED   STATUS
web:1.0    quay.io/acme/web:1.0   090909090909                       pinned
web:prod   -> web:1.0             090909090909                       pinned
--- exit 0
"#,
    );
}

#[test]
fn existing_files_are_overwritten_only_with_force() {
    let sandbox = Sandbox::new();
    sandbox.write("web.yaml", WEB);
    sandbox.write("pinstream.toml", "# mine\n");
    sandbox.write("streams/web.toml", "# mine\n");
    sandbox.check(
        &["adopt", "web.yaml"],
        r#"
--- err
error: `streams/web.toml` already exists; nothing was written
help: use `--force` to overwrite it
--- exit 1
"#,
    );
    assert_eq!(sandbox.read("streams/web.toml"), "# mine\n");
    let ran = sandbox.run(&["adopt", "--force", "web.yaml"]);
    assert_eq!((ran.code, sandbox.read("pinstream.toml").as_str()), (Some(0), "# mine\n"), "{}", ran.stderr);
    assert!(sandbox.read("streams/web.toml").contains("quay.io/acme/web:1.0"));
    assert!(!sandbox.work().join("pinstream.lock").exists());
}

#[test]
fn existing_pins_remain_without_force() {
    let sandbox = Sandbox::new();
    sandbox.write("web.yaml", WEB);
    sandbox.run(&["adopt", "--with-status", "web.yaml"]);
    let before = sandbox.read("pinstream.lock");
    sandbox.write("pinstream.lock", &before.replace("0909", "0707"));
    std::fs::remove_file(sandbox.work().join("streams/web.toml")).unwrap();
    sandbox.run(&["adopt", "--with-status", "web.yaml"]);
    assert_eq!(sandbox.read("pinstream.lock"), before.replace("0909", "0707"));
    sandbox.run(&["adopt", "--with-status", "--force", "web.yaml"]);
    assert_eq!(sandbox.read("pinstream.lock"), before);
}

#[test]
fn a_dry_run_prints_the_files_and_standard_input_is_read() {
    let sandbox = Sandbox::new();
    let mut command = sandbox.pinstream(&["adopt", "--dry-run", "-"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(WEB.as_bytes()).unwrap();
    let RunResult { code, stdout, .. } = sandbox.ended(child);
    let (settings, stream) = stdout.split_once("\n# streams/web.toml\n").unwrap();
    assert!(code == Some(0) && settings.starts_with("# pinstream.toml\n"), "{stdout}");
    assert!(stream.starts_with("# not converted: pushed"), "{stdout}");
    assert_eq!(std::fs::read_dir(sandbox.work()).unwrap().count(), 0);
}

#[test]
fn other_objects_are_an_error_with_help() {
    let sandbox = Sandbox::new();
    sandbox.write("a/route.yaml", "kind: Route\n");
    sandbox.write("a/.hidden.yaml", WEB);
    sandbox.write("a/notes.txt", "words");
    sandbox.check(
        &["adopt", "a"],
        r#"
--- err
error: no ImageStream found
help: export them with `oc get imagestreams -o yaml`
--- exit 1
"#,
    );
    sandbox.check(
        &["adopt", "nowhere.yaml"],
        r#"
--- err
error: cannot read `nowhere.yaml`: No such file or directory (os error 2)
--- exit 1
"#,
    );
    sandbox.write("b/broken.yaml", "kind: ImageStream\nspec: [\n");
    sandbox.write("b/broken.json", "{\"kind\": }");
    sandbox.check(
        &["adopt", "b"],
        r#"
--- err
error: invalid JSON: expected value
 --> b/broken.json:1:10
  |
1 | {"kind": }
  |          ^

error: invalid YAML: unclosed bracket '['
 --> b/broken.yaml:2:7
  |
2 | spec: [
  |       ^
--- exit 1
"#,
    );
    sandbox.check(
        &["adopt", "--platform", "amd64", "a"],
        r#"
--- err
error: invalid value 'amd64' for '--platform <OS/ARCH>': invalid platform `amd64`

For more information, try '--help'.
--- exit 64
"#,
    );
    sandbox.write("large.json", &" ".repeat((16 << 20) + 1));
    sandbox.check(
        &["adopt", "large.json"],
        r#"
--- err
error: `large.json` exceeds the limit of 16 MiB per file
help: split it into several files
--- exit 1
"#,
    );
    assert!(!sandbox.work().join("pinstream.toml").exists());
}

#[test]
fn two_streams_with_one_name_must_be_equal() {
    let sandbox = Sandbox::new();
    sandbox.write("a.yaml", WEB);
    sandbox.write("b.yaml", WEB);
    assert_eq!(sandbox.run(&["adopt", "--dry-run", "a.yaml", "b.yaml"]).code, Some(0));
    sandbox.write("b.yaml", &WEB.replace("web:1.0", "web:2.0"));
    sandbox.check(
        &["adopt", "a.yaml", "b.yaml"],
        r#"
--- err
error: ImageStream `web` in `b.yaml` differs from the one in `a.yaml`
help: adopt only one of them
--- exit 1
"#,
    );
}

#[test]
fn a_streams_directory_outside_the_root_is_not_followed() {
    let sandbox = Sandbox::new();
    sandbox.write("web.yaml", WEB);
    std::os::unix::fs::symlink(sandbox.home(), sandbox.work().join("streams")).unwrap();
    let ran = sandbox.run(&["adopt", "--force", "web.yaml"]);
    assert_eq!(ran.code, Some(1), "{}{}", ran.stdout, ran.stderr);
    assert!(!sandbox.home().join("web.toml").exists() && !sandbox.work().join("pinstream.toml").exists());
}

/// Converts published objects, if they are available beside the repository.
#[test]
fn published_objects_become_a_valid_root() {
    let library = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/openshift-library");
    let Ok(entries) = std::fs::read_dir(&library) else { return };
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    for is_arm in [false, true] {
        let sandbox = Sandbox::new();
        let files: Vec<String> = names
            .iter()
            .filter(|name| name.contains("aarch64") == is_arm)
            .map(|name| library.join(name).display().to_string())
            .collect();
        let mut args = vec!["adopt"];
        args.extend(files.iter().map(String::as_str));
        let ran = sandbox.run(&args);
        assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
        // All tags are converted; only fields without a meaning are noted.
        let tags = sandbox.run(&["list", "--no-headers"]);
        let expected: usize = files
            .iter()
            .map(|file| serde_json::from_slice::<serde_json::Value>(&std::fs::read(file).unwrap()).unwrap())
            .map(|object| object["spec"]["tags"].as_array().unwrap().len())
            .sum();
        assert_eq!((tags.code, tags.stdout.lines().count()), (Some(0), expected), "{}", tags.stderr);
        let fields: Vec<&str> = ran.stderr.lines().skip(2).map(|line| line.split("  ").next().unwrap()).collect();
        let known = ["importMode: Legacy", "importPolicy.scheduled: false", "referencePolicy: Local"];
        assert!(!fields.is_empty() && fields.iter().all(|field| known.contains(field)), "{}", ran.stderr);
        assert_eq!(sandbox.run(&["check"]).code, Some(2));
    }
}
