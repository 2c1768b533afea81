//! Repositories deployed by Flux and Argo CD: an update writes pins to their manifests, which remain valid.

use serde_json::json;

use super::cluster::faults;
use super::{documents, sandbox};
use crate::support::registry::{FakeRegistry, Image};
use crate::support::sandbox::Sandbox;

/// Copies an example and pushes its images to a fake registry.
fn stage(name: &str) -> (Sandbox, FakeRegistry) {
    let registry = FakeRegistry::start();
    for (tag, seed) in [("1.9.0", 1), ("2.0.0", 2), ("2.1.0", 3)] {
        registry.push("acme/web", tag, &Image::new(seed).version(tag));
    }
    registry.push("library/redis", "7", &Image::new(4).version("7.4.1"));
    let host = registry.host();
    let here = |path: &str, text: String| match path {
        "pinstream.toml" => format!("{text}\n[registry.\"{host}\"]\nplain-http = true\n"),
        _ if path.starts_with("streams/") => ["ghcr.io", "docker.io"]
            .iter()
            .fold(text, |text, known| text.replace(&format!("\"{known}/"), &format!("\"{host}/"))),
        _ => text,
    };
    let sandbox = sandbox(name, here);
    sandbox.log_in(&host);
    (sandbox, registry)
}

/// Runs an example that writes `web:prod` to a kustomization and `cache:redis` to the Helm values at `at` in `path`.
#[track_caller]
fn check(name: &str, kustomization: &str, path: &str, at: &str) {
    let (sandbox, registry) = stage(name);
    let succeeds = |args: &[&str]| {
        let ran = sandbox.run(args);
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{args:?}: {}", ran.stdout);
        ran.stdout.trim().to_owned()
    };
    let digest = |tag: &str| succeeds(&["get", tag, "--output", "digest"]);
    // The deploying tools read only these files.
    let written = || {
        let read = |path: &str| documents(&sandbox.read(path));
        let (images, objects) = (read(kustomization)[0]["images"].clone(), read(path));
        assert_eq!(objects.iter().flat_map(faults).collect::<Vec<_>>(), Vec::<String>::new());
        (images, objects.iter().find_map(|object| object.pointer(at)).unwrap().clone())
    };
    let host = registry.host();
    let expected = || {
        let web = json!([{"name": "web", "newName": format!("{host}/acme/web"), "digest": digest("web:prod")}]);
        let values = json!({
            "registry": host, "repository": "library/redis", "tag": "7", "digest": digest("cache:redis"),
        });
        (web, values)
    };

    assert_eq!(sandbox.run(&["check"]).code, Some(2));
    succeeds(&["update"]);
    succeeds(&["check"]);
    let first = written();
    assert_eq!(first, expected());
    assert_eq!(digest("web:prod"), Image::new(3).version("2.1.0").digest().to_string());

    // The cache is updated at once, production two days later.
    registry.push("acme/web", "2.2.0", &Image::new(5).version("2.2.0"));
    registry.push("library/redis", "7", &Image::new(6).version("7.4.2"));
    succeeds(&["update"]);
    succeeds(&["check"]);
    let second = written();
    assert_eq!(second, expected());
    assert!(second.0 == first.0 && second.1 != first.1, "{second:?}");

    // A manual edit is drift.
    let changed = sandbox.read(path).replace(&digest("cache:redis"), "");
    sandbox.write(path, &changed);
    assert_eq!(sandbox.run(&["check"]).code, Some(2));
}

#[test]
fn pins_are_written_to_the_manifests_of_flux() {
    check("flux", "apps/web/kustomization.yaml", "apps/cache/release.yaml", "/spec/values/image");
}

#[test]
fn pins_are_written_to_the_manifests_of_argo_cd() {
    check("argo-cd", "web/kustomization.yaml", "apps/cache.yaml", "/spec/source/helm/valuesObject/image");
}
