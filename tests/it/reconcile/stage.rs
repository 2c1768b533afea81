//! Fixture of a pass: a registry, a remote, and a home in which hooks record their events.

use std::process::Command;

use pinstream::model::image::Digest;
use serde_json::{Deserializer, Value};

use crate::support::registry::{FakeRegistry, Image};
use crate::support::remote::BareRepo;
use crate::support::sandbox::{RunResult, Sandbox};

/// A hook for all tags that appends its events to `told` in its home.
pub(crate) const TELL: &str = "[[hook]]\nname = \"tell\"\nrun = [\"sh\", \"-c\", \"cat >> $HOME/told\"]\n";

/// A registry, a remote and a home.
pub(crate) struct Stage {
    pub(crate) sandbox: Sandbox,
    pub(crate) registry: FakeRegistry,
    pub(crate) repo: BareRepo,
    /// URL of the remote.
    pub(crate) remote: String,
}

impl Stage {
    /// A root with `settings` after those of the registry, and no stream yet.
    pub(crate) fn new(settings: &str) -> Self {
        Self::with(FakeRegistry::start(), settings)
    }

    /// A root whose registry is `registry`, over HTTP.
    pub(crate) fn with(registry: FakeRegistry, settings: &str) -> Self {
        let (sandbox, repo) = (Sandbox::new(), BareRepo::new());
        let remote = repo.url();
        let mut stage = Self { sandbox, registry, repo, remote };
        let host = stage.registry.host();
        stage.sandbox.log_in(&host);
        stage.sandbox.scrub(host.clone(), "[REGISTRY]");
        stage.sandbox.scrub(stage.repo.path().display().to_string(), "[REMOTE]");
        stage.settings(settings);
        stage
    }

    /// Pushes images and commits a stream of them; `tags` are pairs of tag and seed.
    pub(crate) fn stream(&self, name: &str, tags: &[(&str, u64)]) {
        let mut text = "[tags]\n".to_owned();
        for (tag, seed) in tags {
            self.push(&format!("{name}:{tag}"), *seed);
            text += &format!("\"{tag}\" = \"REGISTRY/{name}:{tag}\"\n");
        }
        self.commit(&format!("streams/{name}.toml"), &text);
    }

    /// Commits `pinstream.toml`: the registry's table, then `settings`.
    pub(crate) fn settings(&self, settings: &str) {
        self.commit("pinstream.toml", &format!("[registry.\"REGISTRY\"]\nplain-http = true\n\n{settings}"));
    }

    /// Commits one file to `main` as a person; `REGISTRY` is replaced by the registry's address.
    pub(crate) fn commit(&self, path: &str, text: &str) -> String {
        self.repo.commit("main", &[(path, &text.replace("REGISTRY", &self.registry.host()))])
    }

    /// Pushes the image of `seed` as `repository:tag`.
    pub(crate) fn push(&self, name: &str, seed: u64) -> Digest {
        let (repository, tag) = name.split_once(':').unwrap();
        self.registry.push(repository, tag, &Image::new(seed).version(&format!("1.0.{seed}")))
    }

    /// Prepares a pass.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut all = vec!["reconcile", "--remote", &self.remote];
        all.extend(args);
        self.sandbox.pinstream(&all)
    }

    /// Runs a pass to its end.
    pub(crate) fn pass(&self, args: &[&str]) -> RunResult {
        self.sandbox.finish(self.command(args))
    }

    /// Runs a pass that must end with `code`, and returns its output.
    #[track_caller]
    pub(crate) fn ends(&self, code: i32, args: &[&str]) -> String {
        let ran = self.pass(args);
        assert_eq!(ran.code, Some(code), "\n{}", self.sandbox.shown(&ran));
        format!("{}{}", ran.stdout, ran.stderr)
    }

    /// Runs a pass that must end with `code`, and returns its report.
    #[track_caller]
    pub(crate) fn report(&self, code: i32, args: &[&str]) -> Value {
        let ran = self.pass(&[args, &["--format", "json"]].concat());
        assert_eq!(ran.code, Some(code), "\n{}", self.sandbox.shown(&ran));
        serde_json::from_str(&ran.stdout).unwrap()
    }

    /// Runs a pass and compares its output; commits of the branch are replaced by their numbers.
    #[track_caller]
    pub(crate) fn check(&self, args: &[&str], expected: &str) {
        let ran = self.pass(args);
        let found = self.shown(&self.sandbox.shown(&ran));
        assert_eq!(found.trim(), expected.trim(), "\n{found}\n");
    }

    /// Replaces commits of the branch in `text` by their numbers, from 1.
    pub(crate) fn shown(&self, text: &str) -> String {
        let mut text = self.sandbox.scrubbed(text);
        for (number, commit) in self.commits().iter().enumerate() {
            let name = format!("[COMMIT {}]", number + 1);
            text = text.replace(commit, &name).replace(&commit[..9], &name);
        }
        text
    }

    /// All commits of the branch, oldest first.
    pub(crate) fn commits(&self) -> Vec<String> {
        self.repo.git(&["rev-list", "--reverse", "main"]).lines().map(str::to_owned).collect()
    }

    /// The lock at the branch's tip.
    pub(crate) fn lock(&self) -> String {
        self.repo.read("main", "pinstream.lock").unwrap_or_default()
    }

    /// Digest of `stream:tag` in the lock.
    pub(crate) fn pin(&self, name: &str) -> Option<String> {
        pin(&self.lock(), name)
    }

    /// Content of a file in the home.
    pub(crate) fn home(&self, name: &str) -> String {
        std::fs::read_to_string(self.sandbox.home().join(name)).unwrap_or_default()
    }

    /// Events that hooks recorded.
    pub(crate) fn events(&self) -> Vec<Value> {
        Deserializer::from_str(&self.home("told")).into_iter().collect::<Result<_, _>>().unwrap()
    }

    /// The recorded events in short, as `stream:tag old > new`, one per line.
    pub(crate) fn events_in_short(&self) -> String {
        self.events().iter().flat_map(in_short).collect()
    }
}

/// Changes of an event, one per line.
pub(crate) fn in_short(event: &Value) -> Vec<String> {
    let side = |side: &Value| side["version"].as_str().map_or("-".to_owned(), str::to_owned);
    let line = |one: &Value| {
        let (stream, tag) = (one["stream"].as_str().unwrap(), one["tag"].as_str().unwrap());
        format!("{stream}:{tag} {} > {}\n", side(&one["old"]), side(&one["new"]))
    };
    event["changes"].as_array().unwrap().iter().map(line).collect()
}

/// Reads the digest of `stream:tag` from a lock without code of the program.
pub(crate) fn pin(lock: &str, name: &str) -> Option<String> {
    let table: toml::Table = lock.parse().unwrap();
    let (stream, tag) = name.split_once(':').unwrap();
    let pins = table.get("pin")?.as_array()?;
    let found = pins.iter().find(|pin| pin["stream"].as_str() == Some(stream) && pin["tag"].as_str() == Some(tag))?;
    found["digest"].as_str().map(str::to_owned)
}
