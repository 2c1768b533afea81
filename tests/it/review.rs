//! Proposals on each forge: opened, refreshed, merged, rejected and withdrawn.

mod calls;
mod crash;
mod discovered;
mod golden;
mod options;
mod other_tools;
mod prefix;
mod shards;
mod story;
mod targets;
mod trouble;
mod verified;

use serde_json::Value;

use crate::reconcile::stage::{Stage, TELL};
use crate::support::forge::{FakeForge, Kind, Pull, TOKEN};
use crate::support::remote::http::HttpBackend;

/// A root with `[publish]`: a registry, a remote over HTTP, and a forge.
struct Review {
    stage: Stage,
    forge: FakeForge,
    _server: HttpBackend,
}

impl Review {
    /// Creates a stream `web` with the pinned tags `1` and `2`, and `[publish]` with the settings `more`.
    fn new(kind: Kind, more: &str) -> Self {
        let review = Self::bare(kind);
        review.stage.stream("web", &[("1", 1), ("2", 2)]);
        review.stage.ends(0, &[]);
        review.publish(more);
        review
    }

    /// Creates a root as [`Self::new`] does, with an open proposal for `web:1`.
    #[track_caller]
    fn open(kind: Kind, more: &str) -> Self {
        let review = Self::new(kind, more);
        review.stage.push("web:1", 3);
        review.stage.ends(0, &[]);
        review
    }

    /// Creates a root without streams and `[publish]`.
    fn bare(kind: Kind) -> Self {
        let mut stage = Stage::new("");
        let server = HttpBackend::start(stage.repo.base());
        stage.remote = server.url();
        let forge = FakeForge::start(kind, &stage.repo.path());
        stage.sandbox.env("PINSTREAM_FORGE_URL", forge.url());
        stage.sandbox.env("PINSTREAM_FORGE_TOKEN", TOKEN);
        for (text, name) in [(forge.url(), "[FORGE]"), (server.url(), "[REMOTE]")] {
            stage.sandbox.scrub(text, name);
        }
        Self { stage, forge, _server: server }
    }

    fn publish(&self, more: &str) {
        let table = self.forge.kind.table().replace("FORGE", &self.forge.url());
        self.stage.settings(&format!("{TELL}[publish]\n{more}\n{table}"));
    }

    /// Returns the only open proposal.
    #[track_caller]
    fn only(&self) -> Pull {
        let open = self.forge.open();
        assert_eq!(open.len(), 1, "{open:#?}");
        open.into_iter().next().unwrap()
    }

    /// Counts the commits of a branch that are not on `main`.
    fn commits(&self, branch: &str) -> usize {
        self.stage.repo.git(&["rev-list", "--count", branch, "^main"]).parse().unwrap()
    }

    fn tip(&self, branch: &str) -> Option<String> {
        self.stage.repo.tip(&format!("refs/heads/{branch}"))
    }

    /// Reads outcome and number of each proposal from the report of a pass.
    fn proposals(report: &Value) -> Vec<(String, u64)> {
        let all = report["proposals"].as_array().into_iter().flatten();
        all.map(|one| (one["outcome"].as_str().unwrap().to_owned(), one["number"].as_u64().unwrap_or(0))).collect()
    }

    /// Reads the outcome of a tag from the report of a pass.
    fn outcome(report: &Value, tag: &str) -> String {
        let rows = report["tags"].as_array().unwrap();
        rows.iter().find(|row| row["tag"] == tag).unwrap()["outcome"].as_str().unwrap().to_owned()
    }
}
