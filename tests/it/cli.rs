//! All commands except `reconcile`: output and exit codes of the binary, as people and CI systems run it.

mod add;
mod adopt;
mod agree;
mod base;
mod ci;
mod describe;
mod door;
mod export;
mod files;
mod foreign;
mod formats;
mod from;
mod further;
mod graph;
mod history;
mod ignored;
mod init;
mod log;
mod merge;
mod other_tools;
mod partial;
mod print;
mod rollback;
mod show;
mod sparse;
mod story;
mod tag;
mod targets;
mod terminal;
mod update;
mod usage;
mod wrong;

use crate::support::registry::{FakeRegistry, Image};
use crate::support::sandbox::Sandbox;

/// A root with the stream `python`, and a registry.
struct Stage {
    sandbox: Sandbox,
    registry: FakeRegistry,
}

/// The stream of most tests; `REGISTRY` is replaced by the registry's host.
const PYTHON: &str = r#"
[tags]
"3.11" = "REGISTRY/python:3.11"
"3.12" = "REGISTRY/python:3.12"
arm = { image = "REGISTRY/python:3.12", platform = "linux/arm64" }
latest = { follow = "3.12" }
"#;

impl Stage {
    /// Creates an unpinned root; both images are in the registry.
    fn new() -> Self {
        let mut sandbox = Sandbox::new();
        let registry = FakeRegistry::start();
        sandbox.scrub(registry.host(), "REGISTRY");
        let stage = Self { sandbox, registry };
        stage.settings("");
        stage.stream(PYTHON);
        stage.registry.push("python", "3.11", &image(11, "3.11.9"));
        stage.registry.push("python", "3.12", &image(12, "3.12.4"));
        stage
    }

    /// Creates a root with all tags pinned and committed.
    fn pinned() -> Self {
        let stage = Self::new();
        stage.update();
        stage.sandbox.git(&["init", "-q"]);
        stage.commit("Pin two images");
        stage
    }

    fn settings(&self, more: &str) {
        let host = self.registry.host();
        self.sandbox.write("pinstream.toml", &format!("[registry.\"{host}\"]\nplain-http = true\n{more}"));
    }

    /// Writes the stream `python`.
    fn stream(&self, text: &str) {
        self.sandbox.write("streams/python.toml", &text.replace("REGISTRY", &self.registry.host()));
    }

    /// Pushes a new image to `python:3.12`.
    fn move_upstream(&self) {
        self.registry.push("python", "3.12", &image(13, "3.12.5"));
    }

    #[track_caller]
    fn update(&self) {
        let ran = self.sandbox.run(&["update"]);
        assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    }

    fn commit(&self, message: &str) {
        self.sandbox.git(&["add", "-A"]);
        self.sandbox.git(&["commit", "-q", "-m", message]);
    }

    #[track_caller]
    fn check(&self, args: &[&str], expected: &str) {
        self.sandbox.check(args, expected);
    }

    /// Edits the lock by hand.
    #[track_caller]
    fn edit_lock(&self, from: &str, to: &str) {
        let text = self.sandbox.read("pinstream.lock");
        assert!(text.contains(from), "{text}");
        self.sandbox.write("pinstream.lock", &text.replacen(from, to, 1));
    }

    /// Returns the digest that a tag is pinned to.
    fn digest(&self, tag: &str) -> String {
        self.sandbox.run(&["get", tag, "-o", "digest"]).stdout.trim().to_owned()
    }
}

fn image(seed: u64, version: &str) -> Image {
    Image::new(seed).version(version).created("2026-10-01T08:12:44Z").platforms(&["linux/amd64", "linux/arm64"])
}
