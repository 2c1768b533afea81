//! Updates of the state ref, and requests to the Git server: at most one update per pass and run of a hook.

use super::stage::{Stage, TELL};
use crate::support::remote::http::{Fault, HttpBackend};
use crate::support::remote::{git_in, run};

/// A second hook.
const LIST: &str = "[[hook]]\nname = \"list\"\nrun = [\"sh\", \"-c\", \"cat >> $HOME/listed\"]\n";

/// Counts the updates of the state ref: each is a commit.
fn updates(stage: &Stage) -> usize {
    match stage.repo.tip("refs/pinstream/state") {
        Some(tip) => stage.repo.git(&["rev-list", "--count", &tip]).parse().unwrap(),
        None => 0,
    }
}

/// Runs a pass over HTTP that lands one change, and then one without changes; returns the updates and requests of each.
fn costs(settings: &str, args: &[&str]) -> [(usize, usize); 2] {
    let mut stage = Stage::new(settings);
    stage.stream("web", &[("1", 1), ("2", 2)]);
    let server = HttpBackend::start(stage.repo.base());
    stage.remote = server.url();
    stage.ends(0, args);
    let cost = || {
        let before = updates(&stage);
        server.take_requests();
        stage.ends(0, args);
        (updates(&stage) - before, server.take_requests().len())
    };
    stage.push("web:1", 11);
    let landing = cost();
    [landing, cost()]
}

#[test]
fn s12_a_pass_updates_the_state_ref_once_and_once_more_for_each_hook_that_runs() {
    // A push is two requests; reading the refs is one, and is repeated after a hook.
    let unchanged = (0, 1);
    assert_eq!(costs("", &[]), [(1, 5), unchanged]);
    assert_eq!(costs("", &["--due"]), [(1, 5), unchanged]);
    assert_eq!(costs(TELL, &[]), [(2, 8), unchanged]);
    assert_eq!(costs(&format!("{TELL}{LIST}"), &[]), [(3, 10), unchanged]);
}

#[test]
fn s12_a_rejected_update_is_merged_and_the_pass_does_not_start_over() {
    let mut stage = Stage::new(TELL);
    stage.stream("web", &[("1", 1)]);
    stage.stream("api", &[("1", 2)]);
    let server = HttpBackend::start(stage.repo.base());
    stage.remote = server.url();
    stage.ends(0, &[]);
    stage.push("web:1", 11);
    // Another pass records a failing tag while this one resolves.
    stage.repo.git(&["branch", "next", "refs/pinstream/state"]);
    let time = "\"2026-11-24T11:00:00Z\"";
    let failing = format!(
        "{{\"api:1\": {{\"since\": {time}, \"last\": {time}, \"next\": {time}, \"attempts\": 1, \"kind\": \"tls\", \
         \"definitions\": \"\"}}}}"
    );
    let next = stage.repo.commit("next", &[("main/@/failing.json", &failing)]);
    let (repository, mut is_done) = (stage.repo.path(), false);
    stage.registry.lie(move |asked| {
        if asked.path().contains("/web/") && !std::mem::replace(&mut is_done, true) {
            run(git_in(&repository).args(["update-ref", "refs/pinstream/state", &next]), b"");
        }
        None
    });
    stage.registry.forget();
    let before = updates(&stage);
    stage.ends(0, &["web"]);
    assert_eq!(updates(&stage) - before, 1 + 2);
    let files = stage.repo.git(&["ls-tree", "-r", "--name-only", "refs/pinstream/state"]);
    let expected = ["begun/tell.json", "failing.json", "hook/tell.lock", "landed.json"];
    assert_eq!(files.lines().collect::<Vec<_>>(), expected.map(|file| format!("main/@/{file}")));
    assert_eq!(stage.events_in_short().lines().last(), Some("web:1 1.0.1 > 1.0.11"));
    let requests = stage.registry.requests();
    assert_eq!(requests.iter().filter(|asked| asked.method == "HEAD" && asked.path().contains("/web/")).count(), 1);
}

#[test]
fn s12_a_lost_answer_to_an_update_runs_no_hook_twice() {
    let mut stage = Stage::new(TELL);
    stage.stream("web", &[("1", 1)]);
    let server = HttpBackend::start(stage.repo.base());
    stage.remote = server.url();
    stage.ends(0, &[]);
    for (seed, lost) in [(11, 0), (12, 1), (13, 2)] {
        stage.push("web:1", seed);
        // The answer to the landing, to the claim, or to the result of the hook.
        for _ in 0..lost {
            server.fail_once(Fault::PassPush);
        }
        server.fail_once(Fault::LoseAnswerOfPush);
        stage.ends(0, &[]);
    }
    assert_eq!(
        stage.events_in_short(),
        "web:1 - > 1.0.1\nweb:1 1.0.1 > 1.0.11\nweb:1 1.0.11 > 1.0.12\nweb:1 1.0.12 > 1.0.13\n"
    );
}
