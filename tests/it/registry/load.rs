//! Repositories and tags that fail beside healthy ones, and hosts that answer nothing.

use std::time::Duration;

use futures_util::future::join_all;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use pinstream::model::image::ImageRef;
use pinstream::registry::{FailureKind, Registry, RegistryConfig};

use super::{image, import, plain, repository, run};
use crate::support::registry::http::{Answer, Body};
use crate::support::registry::{FakeRegistry, Image};

/// An answer whose head never ends.
fn silence() -> Answer {
    Answer::new(200).sent(Body::Drip(Duration::from_secs(60)))
}

/// Configuration with the default number of concurrent requests.
fn setup(fake: &FakeRegistry) -> RegistryConfig {
    let mut setup = plain(&[fake.host()]);
    setup.registries.values_mut().for_each(|settings| settings.requests = 16);
    setup
}

/// Pushes `count` tags of `name`.
fn push(fake: &FakeRegistry, name: &str, count: u64) -> Vec<ImageRef> {
    let push = |number| {
        fake.push(name, &format!("t{number}"), &Image::new(number));
        image(&format!("{}/{name}:t{number}", fake.host()))
    };
    (0..count).map(push).collect()
}

#[test]
fn s03_40_good_tags_land_beside_20_in_a_repository_that_refuses_all_requests() {
    for status in [429, 503, 500] {
        for bad in ["a", "z"] {
            let fake = FakeRegistry::start();
            let good = push(&fake, "m", 40);
            fake.fail(&format!("/v2/{bad}/"), status);
            let refused: Vec<_> = (0..20).map(|tag| image(&format!("{}/{bad}:t{tag}", fake.host()))).collect();
            let mut all = [refused.as_slice(), good.as_slice()];
            if bad == "z" {
                all.reverse();
            }
            let registry = Registry::new(setup(&fake)).unwrap();
            let found = run(join_all(all.concat().iter().map(|image| import(&registry, image))));
            assert_eq!(found.iter().filter(|found| found.is_ok()).count(), 40, "{status} {bad} {found:?}");
            let requests =
                fake.requests().iter().filter(|request| request.target.contains(&format!("/{bad}/"))).count();
            assert!(requests <= 3 * 20 + 6, "{requests}");
        }
    }
}

#[test]
fn s03_a_repository_that_asks_to_wait_long_stops_no_other() {
    let fake = FakeRegistry::start();
    let good = push(&fake, "m", 10);
    fake.lie(|request| request.target.starts_with("/v2/a/").then(|| Answer::new(429).header("retry-after", "3600")));
    let registry = Registry::new(setup(&fake)).unwrap();
    let bad = image(&format!("{}/a:t", fake.host()));
    for _ in 0..3 {
        let error = run(registry.digest(&bad)).unwrap_err();
        assert_eq!((error.kind, error.retry_after), (FailureKind::RateLimited, Some(Duration::from_secs(3600))));
    }
    assert_eq!(fake.counts().head, 1);
    run(join_all(good.iter().map(|image| import(&registry, image)))).into_iter().for_each(|found| drop(found.unwrap()));
}

#[test]
fn s03_a_host_on_which_several_repositories_fail_and_none_succeeds_is_skipped() {
    let fake = FakeRegistry::start();
    fake.fail("/manifests/", 502);
    let registry = Registry::new(setup(&fake)).unwrap();
    let errors: Vec<String> = (0..9)
        .map(|name| run(registry.digest(&image(&format!("{}/r{name}:t", fake.host())))).unwrap_err().message)
        .collect();
    assert_eq!(fake.counts().head, 15);
    let host = fake.host();
    assert_eq!(errors[8], format!("request to `{host}` skipped: it keeps failing (first: {})", errors[0]));
}

#[test]
fn s04_tags_that_hang_delay_no_other_although_they_exceed_the_number_of_requests() {
    let fake = FakeRegistry::start();
    let all = push(&fake, "a", 160);
    fake.lie(|request| {
        let number: usize = request.target.rsplit_once("/manifests/t")?.1.parse().ok()?;
        number.is_multiple_of(3).then(silence)
    });
    let mut setup = setup(&fake);
    setup.limits.request = Duration::from_secs(600);
    setup.limits.slow = Duration::from_millis(20);
    let registry = Registry::new(setup).unwrap();
    run(async {
        let mut found: FuturesUnordered<_> = all.iter().map(|image| import(&registry, image)).collect();
        for _ in 0..106 {
            found.next().await.unwrap().unwrap();
        }
    });
    // The first request hangs, and so would the token of all if others waited for it.
    assert!(fake.counts().head >= 106, "{:?}", fake.counts());
}

#[test]
fn s11_a_silent_registry_costs_the_time_of_one_request_in_all() {
    let fake = FakeRegistry::start();
    fake.lie(|_| Some(silence()));
    let mut setup = setup(&fake);
    setup.limits.request = Duration::from_millis(400);
    setup.limits.slow = Duration::from_millis(20);
    let registry = Registry::new(setup.clone()).unwrap();
    let images: Vec<_> = (0..60).map(|tag| image(&format!("{}/r{}:t", fake.host(), tag % 6))).collect();
    let found = run(join_all(images.iter().map(|image| registry.digest(image))));
    assert!(found.iter().all(|found| found.as_ref().is_err_and(|error| error.kind == FailureKind::Network)));
    // Nothing was sent after the first timeout; requests that were sent after the first ping may need another.
    let asked = fake.counts();
    assert!(asked.head <= 16 && (1..=2).contains(&asked.ping), "{asked:?}");
    let first = format!("`{}` did not answer within 0.4 s", fake.host());
    let skipped = format!("request to `{}` skipped: it does not answer (first: {first})", fake.host());
    let messages: Vec<_> = found.iter().map(|found| found.as_ref().unwrap_err().message.as_str()).collect();
    assert!(messages.iter().all(|message| *message == first || *message == skipped), "{messages:?}");
    assert_eq!(messages[59], skipped);

    // A list of tags that nobody else waits for is evidence enough.
    fake.forget();
    let registry = Registry::new(setup).unwrap();
    run(registry.tags(&repository(&format!("{}/r0", fake.host())))).unwrap_err();
    assert!(run(join_all(images.iter().map(|image| registry.digest(image)))).iter().all(Result::is_err));
    let asked = fake.counts();
    assert_eq!((asked.get, asked.head, asked.ping), (1, 0, 1));
}
