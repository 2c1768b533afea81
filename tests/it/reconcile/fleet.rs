//! Eight processes on one remote, each with a shard of thousands of tags: every pin is right, one process resolves
//! each repository, and each process commits at most once.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::process::{Child, Stdio};

use super::history;
use super::stage::Stage;
use crate::support::encoding::base64;
use crate::support::lane::slow;
use crate::support::registry::Image;
use crate::support::registry::http::Answer;
use crate::support::remote::http::HttpBackend;

const PROCESSES: usize = 8;
const TAGS: usize = 10;
/// Repositories per stream.
const OF_STREAM: usize = 100;

/// A remote and a registry of `repositories` repositories with ten tags each, and the digest of each tag.
fn fleet(repositories: usize) -> (Stage, HttpBackend, BTreeMap<String, String>) {
    let mut stage = Stage::new("");
    let server = HttpBackend::start(stage.repo.base());
    stage.remote = server.url();
    let host = stage.registry.host();
    let (mut streams, mut digests) = (Vec::new(), BTreeMap::new());
    for stream in 0..repositories / OF_STREAM {
        let mut text = "[tags]\n".to_owned();
        for number in stream * OF_STREAM..(stream + 1) * OF_STREAM {
            // Two images each, because tags of one repository often share images.
            let images = [2 * number, 2 * number + 1].map(|seed| Image::new(seed as u64));
            for tag in 0..TAGS {
                let digest = stage.registry.push(&format!("team/app-{number}"), &tag.to_string(), &images[tag % 2]);
                digests.insert(format!("s{stream}:app-{number}-{tag}"), digest.to_string());
                writeln!(text, "app-{number}-{tag} = \"{host}/team/app-{number}:{tag}\"").unwrap();
            }
            writeln!(text, "last-{number} = {{ follow = \"app-{number}-0\" }}").unwrap();
            digests.insert(format!("s{stream}:last-{number}"), digests[&format!("s{stream}:app-{number}-0")].clone());
        }
        streams.push((format!("streams/s{stream}.toml"), text));
    }
    let files: Vec<(&str, &str)> = streams.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    stage.repo.commit("main", &files);
    // Requests without credentials are challenged.
    stage.registry.lie(|request| {
        let challenge = || Answer::new(401).header("www-authenticate", "Basic realm=\"fake\"");
        request.header("authorization").is_none().then(challenge)
    });
    (stage, server, digests)
}

/// Starts one of the processes, as if on a machine of its own.
fn start(stage: &Stage, index: usize) -> Child {
    let auth = base64(format!("process-{index}:x"));
    let logins = serde_json::json!({"auths": {stage.registry.host(): {"auth": auth}}});
    let (file, cache) = (stage.sandbox.work().join(format!("auth-{index}.json")), format!("cache-{index}"));
    std::fs::write(&file, logins.to_string()).unwrap();
    let mut command = stage.command(&["--shard", "auto"]);
    command.env("CIRCLE_NODE_INDEX", index.to_string()).env("CIRCLE_NODE_TOTAL", PROCESSES.to_string());
    command.env("REGISTRY_AUTH_FILE", file).env("PINSTREAM_CACHE", stage.sandbox.work().join(cache));
    command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

fn run(repositories: usize) {
    let (stage, _server, digests) = fleet(repositories);
    let person = stage.repo.tip("refs/heads/main").unwrap();
    let processes: Vec<Child> = (0..PROCESSES).map(|index| start(&stage, index)).collect();
    for process in processes {
        let ran = stage.sandbox.ended(process);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    }

    let lock: toml::Table = stage.lock().parse().unwrap();
    let pins = lock["pin"].as_array().unwrap().iter();
    let text = |pin: &toml::Value, key: &str| pin[key].as_str().unwrap().to_owned();
    let pin = |pin: &toml::Value| (format!("{}:{}", text(pin, "stream"), text(pin, "tag")), text(pin, "digest"));
    let pins: BTreeMap<String, String> = pins.map(pin).collect();
    let wrong: Vec<&String> =
        digests.iter().filter(|(tag, digest)| pins.get(*tag) != Some(*digest)).map(|(tag, _)| tag).collect();
    assert_eq!((wrong.len(), pins.len()), (0, digests.len()), "{wrong:?}");

    let ours = stage.repo.git(&["rev-list", "--count", &format!("{person}..main")]).parse::<usize>().unwrap();
    assert!((1..=PROCESSES).contains(&ours), "{ours}");
    history::check(&stage, &[person]);

    let mut askers: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut heads = 0;
    for request in stage.registry.requests() {
        let Some(who) = request.header("authorization") else { continue };
        let (repository, _) = request.path().trim_start_matches("/v2/").split_once("/manifests/").unwrap_or_default();
        if !repository.is_empty() {
            askers.entry(repository.to_owned()).or_default().insert(who.to_owned());
        }
        heads += usize::from(request.method == "HEAD");
    }
    assert_eq!(askers.len(), repositories);
    assert_eq!(askers.iter().find(|(_, who)| who.len() != 1), None);
    let all: BTreeSet<&String> = askers.values().flatten().collect();
    assert_eq!(all.len(), PROCESSES);
    // A rejected push did not make any process resolve again.
    assert_eq!(heads, repositories * TAGS);
}

#[test]
fn eight_processes_share_two_thousand_tags() {
    slow!();
    run(200);
}

#[test]
#[ignore = "takes two minutes: `cargo test --test it -- --ignored twenty_thousand`"]
fn eight_processes_share_twenty_thousand_tags() {
    run(2000);
}
