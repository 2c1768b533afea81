//! Memory: large manifests are not all in memory at once. Measured in a separate process.

use std::process::Command;

use futures_util::future::join_all;
use pinstream::model::image::Digest;
use pinstream::model::settings::RegistrySettings;
use pinstream::registry::Registry;

use super::{plain, repository, run};
use crate::support::registry::FakeRegistry;
use crate::support::registry::http::Answer;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFESTS: usize = 64;

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
    let fake = FakeRegistry::start();
    let numbers: Vec<(Digest, usize)> = (0..MANIFESTS).map(|number| (Digest::sha256(&large(number)), number)).collect();
    fake.lie(move |request| {
        let (_, number) = numbers.iter().find(|(digest, _)| request.path().ends_with(digest.as_str()))?;
        Some(Answer::new(200).header("content-type", INDEX).body(large(*number)))
    });
    let ended = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "registry::memory::child_that_imports", "--ignored"])
        .env("FAKE_REGISTRY", fake.host())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&ended.stdout);
    assert!(ended.status.success() && text.contains("1 passed"), "{text}");
    assert_eq!(fake.counts().get, MANIFESTS);
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
