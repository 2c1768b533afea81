//! Memory: large manifests are not all in memory at once. Measured in a separate process.

use std::process::Command;

use futures_util::future::join_all;
use pinstream::model::image::Digest;
use pinstream::model::settings::RegistrySettings;
use pinstream::model::stream::select::{Order, Select};
use pinstream::registry::Registry;

use super::{plain, repository, run};
use crate::support::lane::slow;
use crate::support::registry::FakeRegistry;
use crate::support::registry::http::Answer;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFESTS: usize = 64;
const TAGS: usize = 90_000;

/// Creates a distinct index of almost 4 MiB.
fn large(number: usize) -> Vec<u8> {
    let mut bytes = format!("{{\"schemaVersion\": 2, \"manifests\": [], \"x\": \"{number}\"}}").into_bytes();
    bytes.resize((4 << 20) - 1, b' ');
    bytes
}

/// Returns the peak memory of this process in KiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn t14_sixty_four_manifests_of_4_mib_take_less_than_64_mib() {
    slow!();
    let fake = FakeRegistry::start();
    let numbers: Vec<(Digest, usize)> = (0..MANIFESTS).map(|number| (Digest::sha256(&large(number)), number)).collect();
    fake.lie(move |request| {
        let (_, number) = numbers.iter().find(|(digest, _)| request.path().ends_with(digest.as_str()))?;
        Some(Answer::new(200).header("content-type", INDEX).body(large(*number)))
    });
    in_child(&fake, "child_that_imports");
    assert_eq!(fake.counts().get, MANIFESTS);
}

/// Runs one ignored test of this module in its own process, with the address of a fake registry.
fn in_child(fake: &FakeRegistry, test: &str) {
    let ended = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("registry::memory::{test}"), "--ignored"])
        .env("FAKE_REGISTRY", fake.host())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&ended.stdout);
    assert!(ended.status.success() && text.contains("1 passed"), "{text}");
}

#[test]
fn r05_ninety_thousand_tags_take_the_fewest_requests_and_less_than_48_mib() {
    slow!();
    for page in [100, 1000] {
        let fake = FakeRegistry::start();
        fake.list_many(TAGS, page);
        in_child(&fake, "child_that_lists");
        let (requests, fewest) = (fake.counts().get, TAGS / page);
        assert!(requests * 10 <= fewest * 11, "{requests} requests for {fewest} pages of {page}");
    }
}

#[test]
#[ignore = "runs in a process of its own"]
fn child_that_lists() {
    let host = std::env::var("FAKE_REGISTRY").unwrap();
    let registry = Registry::new(plain(std::slice::from_ref(&host))).unwrap();
    let tags = run(registry.tags(&repository(&format!("{host}/a")))).unwrap();
    let select = Select { pattern: None, order: Order::Semver(None) };
    let highest = select.choose(&tags).unwrap().tag;
    assert_eq!((tags.len(), highest.as_str()), (TAGS, format!("1.0.{}", TAGS - 1).as_str()));
    assert!(peak() < 48 << 10, "{} KiB", peak());
}

#[test]
#[ignore = "runs in a process of its own"]
fn child_that_imports() {
    let host = std::env::var("FAKE_REGISTRY").unwrap();
    let mut setup = plain(std::slice::from_ref(&host));
    setup.limits.request = std::time::Duration::from_secs(60);
    // The default concurrency limit.
    setup.registries.values_mut().for_each(|settings| settings.requests = RegistrySettings::default().requests);
    let registry = Registry::new(setup).unwrap();
    let digests: Vec<Digest> = (0..MANIFESTS).map(|number| Digest::sha256(&large(number))).collect();
    let repository = repository(&format!("{host}/a"));
    let before = peak();
    let found = run(join_all(digests.iter().map(|digest| registry.manifest(&repository, digest))));
    assert!(found.iter().all(Result::is_ok), "{found:?}");
    let grown = peak() - before;
    assert!(grown < 64 << 10, "{grown} KiB");
}
