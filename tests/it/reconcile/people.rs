//! A person who commits to the branch with the `git` program while passes run.

use std::time::{Duration, Instant};

use super::stage::Stage;
use crate::support::sandbox::RunResult;

/// A person with a clone.
pub(super) struct Person<'a> {
    stage: &'a Stage,
    clone: String,
}

impl<'a> Person<'a> {
    /// Clones into the directory `clone`.
    pub(super) fn new(stage: &'a Stage, clone: &str) -> Self {
        stage.sandbox.git(&["clone", "--quiet", &stage.remote, clone]);
        Self { stage, clone: clone.to_owned() }
    }

    /// Commits a note, pushes it until the push succeeds, and returns the commit id.
    pub(super) fn commit(&self) -> String {
        let note = format!("{}/notes/{}", self.clone, fastrand::u64(..));
        self.stage.sandbox.write(&note, "a note\n");
        self.git(&["add", "."]);
        self.git(&["commit", "--quiet", "--message", "A note"]);
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let pushed = self.git(&["push", "--quiet", "origin", "HEAD:main"]);
            if pushed.code == Some(0) {
                break;
            }
            assert!(Instant::now() < deadline, "the person never got through: {}", pushed.stderr);
            assert_eq!(self.git(&["pull", "--quiet", "--rebase", "origin", "main"]).code, Some(0));
        }
        self.git(&["rev-parse", "HEAD"]).stdout.trim().to_owned()
    }

    fn git(&self, args: &[&str]) -> RunResult {
        let mut command = self.stage.sandbox.command("git");
        command.args(["-C", &self.clone]).args(args);
        self.stage.sandbox.finish(command)
    }
}
