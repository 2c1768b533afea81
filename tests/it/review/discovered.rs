//! Discovered tags: proposed by the pass that read their tag list, they stay proposed in passes that did not.

use super::Review;
use crate::reconcile::shards::of;
use crate::support::forge::Kind;
use crate::support::lane::slow;

/// Both orders of two shards; the first one reads the tag list. The owner of a branch without known tags depends on the
/// name of the branch.
const SHARDS: [[&str; 2]; 2] = [["1/2", "2/2"], ["2/2", "1/2"]];

/// Tag lists are read at night.
const NIGHTLY: &str = "[import]\nschedule = \"0 3 * * *\"\n";

/// A root whose stream `app` discovers the tags of one repository, and a tag `web:x` of another repository.
struct Discovering {
    review: Review,
    /// Repositories in different shards.
    app: String,
    web: String,
}

impl Discovering {
    /// Pins `app:2.0` and `web:x`, then configures proposals grouped by `group`.
    fn new(settings: &str, group: &str, shards: [&str; 2]) -> Self {
        let review = Review::bare(Kind::GitHub);
        let [app, web] = shards.map(|shard| of(&review.stage, shard).next().unwrap());
        let mut root = Self { review, app, web };
        root.review.stage.settings(settings);
        root.discover("semver = \">=2\"");
        root.push(&["1.9", "2.0"]);
        root.web(1);
        root.review.stage.commit("streams/web.toml", &format!("[tags]\nx = \"REGISTRY/{}:1\"\n", root.web));
        root.at("24T02:00");
        root.review.stage.ends(0, &[]);
        root.review.stage.settings(&format!("{settings}[publish]\ngroup = {group}\n{}", Kind::GitHub.table()));
        root
    }

    fn discover(&self, rule: &str) {
        let text = format!("[discover]\nrepository = \"REGISTRY/{}\"\n{rule}\n", self.app);
        self.review.stage.commit("streams/app.toml", &text);
    }

    fn at(&mut self, time: &str) {
        self.review.stage.sandbox.env("PINSTREAM_NOW", format!("2026-11-{time}:00Z"));
    }

    fn push(&self, tags: &[&str]) {
        for tag in tags {
            let seed = tag.replace('.', "").parse().unwrap();
            self.review.stage.push(&format!("{}:{tag}", self.app), seed);
        }
    }

    fn remove(&self, tag: &str) {
        self.review.stage.registry.remove(&self.app, tag);
    }

    fn web(&self, seed: u64) {
        self.review.stage.push(&format!("{}:1", self.web), seed);
    }

    /// Runs a pass and compares its exit code, and outcome and number of each proposal.
    #[track_caller]
    fn pass(&self, code: i32, args: &[&str], expected: &[(&str, u64)]) {
        let found = Review::proposals(&self.review.stage.report(code, args));
        let expected: Vec<_> = expected.iter().map(|(outcome, number)| ((*outcome).to_owned(), *number)).collect();
        assert_eq!(found, expected);
    }

    /// Lists the open proposals, each with the tags that it adds or changes (`+`) and removes (`-`).
    fn open(&self) -> Vec<String> {
        let stage = &self.review.stage;
        let of = |lock: &str, id: &str| crate::reconcile::stage::pin(lock, id);
        let all = ["app:2.0", "app:2.1", "app:2.2", "web:new", "web:x"];
        let shown = |branch: &str| {
            let there = stage.repo.read(branch, "pinstream.lock").unwrap();
            let differ = all.iter().filter_map(|id| match (of(&stage.lock(), id), of(&there, id)) {
                (old, new) if old == new => None,
                (_, Some(_)) => Some(format!("+{id}")),
                (_, None) => Some(format!("-{id}")),
            });
            format!("{branch} {}", differ.collect::<Vec<_>>().join(" "))
        };
        let mut open: Vec<String> = self.review.forge.open().iter().map(|pull| shown(&pull.branch)).collect();
        open.sort();
        open
    }
}

#[test]
fn a_discovered_tag_stays_proposed_until_the_shard_that_lists_it_finds_it_deleted() {
    slow!();
    for shards @ [reader, other] in SHARDS {
        let root = Discovering::new("", "\"tag\"", shards);
        root.push(&["2.1"]);
        root.pass(0, &["--shard", reader], &[("created", 1)]);
        for _ in 0..2 {
            root.pass(0, &["--shard", other], &[]);
            root.pass(0, &["--shard", reader], &[("unchanged", 1)]);
        }
        assert_eq!(root.open(), ["pinstream/app+2.1 +app:2.1"]);

        // The same applies to a removal.
        root.remove("2.0");
        root.pass(0, &["--shard", reader], &[("created", 2), ("unchanged", 1)]);
        root.pass(0, &["--shard", other], &[]);
        assert_eq!(root.open(), ["pinstream/app+2.0 -app:2.0", "pinstream/app+2.1 +app:2.1"]);

        root.push(&["2.0"]);
        root.remove("2.1");
        root.pass(0, &["--shard", other], &[]);
        root.pass(0, &["--shard", reader], &[("closed", 2), ("closed", 1)]);
        assert_eq!(root.open(), [""; 0]);
    }
}

#[test]
fn a_proposal_of_two_shards_keeps_the_changes_of_both() {
    slow!();
    for group in ["\"all\"", "{ all = [\"*\"] }"] {
        for shards @ [reader, other] in SHARDS {
            let root = Discovering::new("", group, shards);
            root.push(&["2.1", "2.2"]);
            root.remove("2.0");
            root.web(2);
            root.pass(0, &["--shard", reader], &[("created", 1)]);
            assert_eq!(root.open(), ["pinstream/all -app:2.0 +app:2.1 +app:2.2"]);
            let all = ["pinstream/all -app:2.0 +app:2.1 +app:2.2 +web:x"];
            root.pass(0, &["--shard", other], &[("refreshed", 1)]);
            assert_eq!(root.open(), all);
            root.pass(0, &["--shard", reader], &[("unchanged", 1)]);
            root.pass(0, &["--shard", other], &[("unchanged", 1)]);
            assert_eq!(root.open(), all);

            root.remove("2.2");
            root.push(&["2.0"]);
            root.pass(0, &["--shard", other], &[("unchanged", 1)]);
            root.pass(0, &["--shard", reader], &[("refreshed", 1)]);
            assert_eq!(root.open(), ["pinstream/all +app:2.1 +web:x"]);
        }
    }
}

#[test]
fn one_shard_closes_the_proposal_of_a_tag_that_is_no_longer_discovered() {
    slow!();
    for shards @ [reader, other] in SHARDS {
        for rule in ["semver = \"~2.0.0\"", ""] {
            let root = Discovering::new("", "\"tag\"", shards);
            root.push(&["2.1"]);
            root.pass(0, &["--shard", reader], &[("created", 1)]);
            match rule {
                "" => drop(root.review.stage.commit("streams/app.toml", "")),
                rule => root.discover(rule),
            }
            for shard in [other, reader] {
                root.review.stage.report(0, &["--shard", shard]);
            }
            let open = root.open();
            assert!(!open.iter().any(|open| open.contains("2.1")), "{open:?}");
            assert_eq!(root.review.forge.pulls()[0].comments.len(), 1);
        }
    }
}

#[test]
fn discovered_tags_stay_proposed_between_two_reads_of_the_list() {
    slow!();
    let mut root = Discovering::new(NIGHTLY, "\"stream\"", SHARDS[0]);
    let x = format!("[tags]\nx = \"REGISTRY/{}:1\"\n", root.web);
    root.review.stage.commit("streams/web.toml", &format!("{x}new = {{ follow = \"app:2.1\" }}\n"));
    root.push(&["2.1"]);
    root.remove("2.0");
    root.at("24T03:00");
    root.pass(0, &["--due"], &[("created", 1)]);
    let open = ["pinstream/app -app:2.0 +app:2.1 +web:new"];
    assert_eq!(root.open(), open);

    root.at("24T03:15");
    root.review.stage.registry.forget();
    let report = root.review.stage.report(0, &["--due"]);
    assert_eq!(Review::proposals(&report), [("unchanged".to_owned(), 1)]);
    assert_eq!(["2.0", "2.1", "new"].map(|tag| Review::outcome(&report, tag)), ["proposed", "proposed", "proposed"]);
    let asked = root.review.stage.registry.requests();
    let is_looked = |path: &str| path.contains("/tags/list") || path.contains(&format!("/{}/manifests/2.1", root.app));
    assert!(!asked.iter().any(|asked| is_looked(asked.path())), "{asked:?}");
    for args in [&["web:x"][..], &["--due", "web:x"], &["--shard", "1/1", "--due"]] {
        root.pass(0, args, &[("unchanged", 1)]);
    }

    // It is built anew on what lands meanwhile, and what nobody defines any more is not carried on.
    root.review.stage.commit("streams/web.toml", &x);
    root.pass(0, &["--due"], &[("refreshed", 1)]);
    assert_eq!(root.open(), ["pinstream/app -app:2.0 +app:2.1"]);

    // The next look finds the one gone and the other back.
    root.remove("2.1");
    root.push(&["2.0"]);
    root.at("25T02:45");
    root.pass(0, &["--due"], &[("unchanged", 1)]);
    root.at("25T03:00");
    root.pass(0, &["--due"], &[("closed", 1)]);
    root.at("25T03:15");
    root.pass(0, &["--due"], &[]);
}

#[test]
fn a_list_that_cannot_be_read_closes_no_proposal() {
    slow!();
    let root = Discovering::new("", "\"tag\"", SHARDS[0]);
    root.push(&["2.1"]);
    root.remove("2.0");
    root.pass(0, &[], &[("created", 1), ("created", 2)]);
    let open = ["pinstream/app+2.0 -app:2.0", "pinstream/app+2.1 +app:2.1"];
    assert_eq!(root.open(), open);
    root.review.stage.registry.fail("/tags/list", 500);
    root.pass(3, &[], &[("unchanged", 1), ("unchanged", 2)]);
    assert_eq!(root.open(), open);
    root.review.stage.registry.clear_lies();
    root.push(&["2.0"]);
    root.remove("2.1");
    root.pass(0, &[], &[("closed", 1), ("closed", 2)]);
}

#[test]
fn a_merged_tag_is_not_proposed_for_removal() {
    let mut root = Discovering::new(NIGHTLY, "\"tag\"", SHARDS[0]);
    root.push(&["2.1", "2.2"]);
    root.at("24T03:00");
    root.pass(0, &["--due"], &[("created", 1), ("created", 2)]);
    root.review.forge.merge(2);
    root.at("24T03:15");
    root.pass(0, &["--due"], &[("refreshed", 1)]);
    assert_eq!(root.open(), ["pinstream/app+2.1 +app:2.1"]);
    root.review.forge.merge(1);
    root.pass(0, &["--due"], &[]);
    assert_eq!(root.review.tip("pinstream/app+2.1"), None);
}

#[test]
fn a_rejected_tag_stays_rejected_when_the_list_is_read_again() {
    let mut root = Discovering::new(NIGHTLY, "\"tag\"", SHARDS[0]);
    root.push(&["2.1"]);
    root.at("24T03:00");
    root.pass(0, &["--due"], &[("created", 1)]);
    root.review.forge.close(1);
    for time in ["24T03:15", "25T03:00", "25T03:15"] {
        root.at(time);
        root.pass(0, &["--due"], &[]);
        assert_eq!((root.open(), root.review.tip("pinstream/app+2.1")), (Vec::new(), None));
    }
}
