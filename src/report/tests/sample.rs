//! Sample reports and findings for tests.

use std::sync::Arc;

use crate::git::CommitId;
use crate::hook::HookExit;
use crate::model::image::class::VersionLevel;
use crate::model::lock::diff::PinSide;
pub(crate) use crate::model::lock::sample::digest;
use crate::model::settings::adoption_rules::{HeldUpdate, Hold, HoldReason};
use crate::model::state::FailingTag;
use crate::registry::{FailureKind, ResolveError};
use crate::report::exit::Exit;
use crate::report::finding::{Finding, FindingLocation, Rule, RunResults, Severity, Subject, lock_location, pass};
use crate::report::pass::{FileRow, HookOutcome, HookRow, PassEnd, RemoteRow, Report};
use crate::report::tag::{TagOutcome, TagRow};
use crate::text::diagnostics::{Problem, SourceFile};

/// Returns one side of a change.
pub(crate) fn side(number: u8, version: Option<&str>) -> Option<PinSide> {
    Some(PinSide { digest: digest(number), version: version.map(str::to_owned), created: None })
}

/// Returns the report of a pass with most outcomes.
pub(crate) fn report() -> Report {
    let row = |tag: &str, outcome, old, new| TagRow {
        tag: tag.parse().unwrap(),
        follow: None,
        image: Some(format!("docker.io/library/{tag}").parse().unwrap()),
        outcome,
        old,
        new,
        explanation: None,
        failing: None,
    };
    let failed = |kind, message: &str| TagOutcome::Failed(ResolveError::new(kind, message));
    let tls = ResolveError::new(FailureKind::Tls, "TLS handshake with `quay.io` failed").help("set `ca`");
    let follower = TagRow {
        follow: Some("python:3.12".parse().unwrap()),
        ..row("python:latest", TagOutcome::Updated, side(1, None), side(2, None))
    };
    let hook = |name: &str, outcome, output: &str| HookRow {
        name: name.to_owned(),
        event: Some("00112233445566778899aabbccddeeff".to_owned()),
        changes: 2,
        outcome,
        output: output.to_owned(),
    };
    Report {
        remote: Some("https://git.example/acme/deploy".to_owned()),
        branch: Some("main".to_owned()),
        tip: Some(CommitId("0f1c2d3e4f5a6b7c8d9e0f1c2d3e4f5a6b7c8d9e".to_owned())),
        end: PassEnd::Landed(CommitId("0f1c2d3e4f5a6b7c8d9e0f1c2d3e4f5a6b7c8d9e".to_owned())),
        rows: vec![
            row(
                "alpine:3",
                failed(FailureKind::NotFound, "`docker.io/library/alpine:3` does not exist"),
                side(5, None),
                side(5, None),
            ),
            row("node:22", TagOutcome::Failed(tls), None, None),
            row("python:3.10", TagOutcome::Removed, side(4, Some("3.10.9")), None),
            row("python:3.11", TagOutcome::Unchanged, side(3, Some("3.11.1")), side(3, Some("3.11.1"))),
            row("python:3.12", TagOutcome::Updated, side(1, Some("3.12.4")), side(2, Some("3.12.5\u{1b}[2J"))),
            row("python:3.13-slim-bookworm", TagOutcome::Added, None, side(6, Some("3.13.0"))),
            row("python:3.9", TagOutcome::NotDue, side(7, None), side(7, None)),
            TagRow {
                failing: Some(failing()),
                ..row("python:dead", TagOutcome::BackingOff, side(8, None), side(8, None))
            },
            follower,
        ],
        proposals: Vec::new(),
        remotes: vec![RemoteRow {
            name: "platform".parse().unwrap(),
            url: "https://git.example/platform/images".to_owned(),
            commit: CommitId("0123456789abcdef0123456789abcdef01234567".to_owned()),
        }],
        hooks: vec![
            hook("rollout", HookOutcome::Succeeded, "rolling out\n::error::web\n"),
            hook("chat", HookOutcome::Failed(HookExit::Code(7)), "```\n::error::x\nno such <room>\n"),
            hook("slow", running(), ""),
        ],
        message: None,
        files: vec![FileRow { path: "deploy/web.yaml".to_owned(), lines: vec![4, 12] }],
        errors: Vec::new(),
        notes: vec!["the remote rejects the state ref; state is stored locally".to_owned()],
    }
}

/// Returns the outcome of a hook that another pass has claimed.
pub(crate) fn running() -> HookOutcome {
    HookOutcome::Running { until: "2026-11-24T12:02:00Z".parse().unwrap() }
}

/// Returns a tag that failed three times.
pub(crate) fn failing() -> FailingTag {
    let time = |text: &str| text.parse().unwrap();
    FailingTag {
        since: time("2026-11-24T11:00:00Z"),
        last: time("2026-11-24T11:50:00Z"),
        next: time("2026-11-24T12:06:00Z"),
        attempts: 3,
        kind: FailureKind::NotFound,
        definitions: String::new(),
    }
}

/// Returns one hold reason of each kind.
pub(crate) fn hold_reasons() -> [HoldReason; 7] {
    let time = |text: &str| text.parse().unwrap();
    [
        HoldReason::Held(Hold::default()),
        HoldReason::Rejected,
        HoldReason::Reverted,
        HoldReason::RolledBack,
        HoldReason::Ignored("config".parse().unwrap()),
        HoldReason::BeyondAllow(VersionLevel::Major),
        HoldReason::Soaking { since: time("2026-11-24T12:00:00Z"), until: time("2026-12-01T00:00:00Z") },
    ]
}

/// Returns the findings of a check in a subdirectory.
pub(crate) fn results() -> RunResults {
    let mut results = RunResults::new("check", "deploy/prod", Exit::Refused);
    let file = |path: &str, text: &str| Arc::new(SourceFile { path: path.to_owned(), text: text.to_owned() });
    let stream = file("streams/node.toml", "# \u{1f40d}\n[tags]\n\"\u{1f40d}\" = {\n}\n22 = 1\n");
    let problems = [
        Problem::at(&stream, 14..20, "`\u{1f40d}` is not a valid tag, 100%").help("write `node`"),
        Problem::at(&stream, 14..26, "unterminated table"),
        Problem::whole(Some(&file("streams/big.toml", "")), "`streams/big.toml` is too large"),
        Problem::whole(Some(&file("/etc/policy.toml", "")), "unknown key `hosts`"),
    ];
    problems.iter().for_each(|problem| results.add(Finding::from_problem(Rule::Definition, problem)));
    let tag = |id: &str| Subject::tag(&id.parse().unwrap());
    let pinned = |line| lock_location(Some(line));
    let drift = Finding::new(Rule::Lock, Severity::Error, tag("python:3.12"), "`python:3.12` is not pinned");
    results.add(drift.at(FindingLocation::line("streams/python.toml", 4)).help(Some("run `pinstream update`")));
    let by_hand = "the registry does not serve `sha256:01`, the pin of `python:3.11`";
    results.add(Finding::new(Rule::HandEdited, Severity::Error, tag("python:3.11"), by_hand).at(pinned(9)));
    let unknown = "the pin of `node:22` could not be verified: <timeout> & \"more\"";
    results.add(Finding::new(Rule::Unverified, Severity::Error, tag("node:22"), unknown).at(pinned(3)));
    for line in [5, 12] {
        let message = format!("expected the pin of `python:3.12`, found `python:{line}`");
        let finding =
            Finding::new(Rule::Target, Severity::Error, Subject::new("deploy/web.yaml", "python:3.12"), &message);
        results.add(finding.at(FindingLocation::line("deploy/web.yaml", line)));
    }
    let idle = "`x:*` in `on` of hook `rollout` matches no tag";
    results.add(Finding::new(Rule::Hook, Severity::Warning, Subject::new("hooks", "rollout"), idle));
    results.add(Finding::new(Rule::Run, Severity::Error, Subject::new("run", "check"), "the remote is unreachable"));
    ["node:22", "python:3.11", "python:3.12", "python:latest"]
        .iter()
        .for_each(|id| results.record_checked(tag(id), None));
    results.summary = "4 pins of 2 streams: 9 findings".to_owned();
    results
}

/// Returns the findings of a pass with most outcomes, in which one tag is soaking.
pub(crate) fn of_pass() -> RunResults {
    let mut report = report();
    let [.., kept] = hold_reasons();
    report.rows[3].outcome = TagOutcome::Held(HeldUpdate { digest: digest(9), reason: kept });
    let mut results = RunResults::new("reconcile", "", report.exit());
    pass::add_report(&mut results, &report, Exit::Success, &|id| {
        FindingLocation::whole(format!("streams/{}.toml", id.stream))
    });
    results
}

/// Returns findings of each shape that contain `text` everywhere.
pub(crate) fn hostile(text: &str) -> RunResults {
    let mut results = RunResults::new("check", "", Exit::Error);
    for rule in [Rule::Definition, Rule::Lock] {
        let finding =
            Finding::new(rule, Severity::Error, Subject::new(text, text), text).help(Some(text)).distinguished_by(text);
        results.add(finding.at(FindingLocation::line(text, 1)));
    }
    results.record_checked(Subject::new("others", text), Some(text.to_owned()));
    results
}
