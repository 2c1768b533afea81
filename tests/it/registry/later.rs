//! Rate limits, transient failures, and registries that keep failing.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use pinstream::registry::{FailureKind, Registry};

use super::{image, plain, run};
use crate::support::lane::slow;
use crate::support::registry::http::Answer;
use crate::support::registry::{FakeRegistry, Image};

#[test]
fn all_requests_wait_for_retry_after() {
    slow!();
    let fake = FakeRegistry::start();
    fake.push("a", "t", &Image::new(1));
    let mut refused = false;
    fake.lie(move |_| {
        let is_first = !std::mem::replace(&mut refused, true);
        is_first.then(|| Answer::new(429).header("retry-after", "1"))
    });
    let registry = Registry::new(plain(&[fake.host()])).unwrap();
    let image = image(&format!("{}/a:t", fake.host()));
    let start = Instant::now();
    run(join_all([registry.digest(&image), registry.digest(&image)]))
        .into_iter()
        .for_each(|found| drop(found.unwrap()));
    assert!(start.elapsed() >= Duration::from_secs(1), "{:?}", start.elapsed());
    assert_eq!((fake.counts().head, registry.counts().retries), (3, 1));
}

#[test]
fn a_long_retry_after_fails_the_request_and_is_reported() {
    let fake = FakeRegistry::start();
    for (status, value, least) in [(429, "3600", 3600), (503, "Fri, 31 Dec 2100 23:59:59 GMT", 1_000_000)] {
        fake.clear_lies();
        fake.forget();
        fake.lie(move |_| Some(Answer::new(status).header("retry-after", value)));
        let registry = Registry::new(plain(&[fake.host()])).unwrap();
        let error = run(registry.digest(&image(&format!("{}/a:t", fake.host())))).unwrap_err();
        assert_eq!(error.kind, FailureKind::RateLimited);
        assert!(error.retry_after.unwrap() >= Duration::from_secs(least), "{error:?}");
        assert_eq!((fake.counts().head, fake.counts().get), (1, 0));
    }
}

#[test]
fn a_long_retry_after_opens_the_circuit_breaker_at_once() {
    let (fake, good) = (FakeRegistry::start(), FakeRegistry::start());
    good.push("a", "t", &Image::new(1));
    fake.lie(|_| Some(Answer::new(429).header("retry-after", "3600")));
    let mut setup = plain(&[fake.host(), good.host()]);
    setup.registries.values_mut().for_each(|settings| settings.requests = 4);
    let registry = Registry::new(setup).unwrap();
    let images: Vec<_> = (0..50).map(|tag| image(&format!("{}/a:t{tag}", fake.host()))).collect();
    let found = run(join_all(images.iter().map(|image| registry.digest(image))));
    for error in found.iter().map(|found| found.as_ref().unwrap_err()) {
        assert_eq!((error.kind, error.retry_after), (FailureKind::RateLimited, Some(Duration::from_secs(3600))));
    }
    let message = format!("request to `{0}/a` skipped: `{0}` returned 429 and asked to wait 3600 s", fake.host());
    assert_eq!(found[49].as_ref().unwrap_err().message, message);
    // No more than were in flight.
    assert!(fake.counts().head <= 4, "{:?}", fake.counts());
    run(registry.digest(&image(&format!("{}/a:t", good.host())))).unwrap();
}

#[test]
fn rate_limits_of_a_redirect_target_do_not_affect_the_registry() {
    let (fake, other) = (FakeRegistry::start(), FakeRegistry::start());
    fake.push("a", "t", &Image::new(1));
    let digest = Image::new(1).digest();
    let base = other.base();
    fake.lie(move |request| {
        let is_get = request.method == "GET";
        is_get.then(|| Answer::new(307).header("location", format!("{base}{}", request.target)))
    });
    other.lie(|_| Some(Answer::new(429).header("retry-after", "3600")));
    let mut setup = plain(&[fake.host(), other.host()]);
    setup.limits.throttle = Duration::from_secs(2);
    let registry = Registry::new(setup).unwrap();
    let asked = image(&format!("{}/a:t", fake.host()));
    let error = run(registry.manifest(asked.repository(), &digest)).unwrap_err();
    assert_eq!(error.kind, FailureKind::RateLimited);
    assert_eq!(run(registry.digest(&asked)), Ok(digest.clone()));
    // Neither does its quota.
    other.lie(|_| Some(Answer::new(404).header("ratelimit-remaining", "0")));
    assert_eq!(run(registry.manifest(asked.repository(), &digest)).unwrap_err().kind, FailureKind::NotFound);
    let start = Instant::now();
    for _ in 0..3 {
        run(registry.digest(&asked)).unwrap();
    }
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
}

#[test]
fn a_transient_failure_is_retried() {
    for status in [500, 502, 503, 504, 408, 429] {
        let fake = FakeRegistry::start();
        let digest = fake.push("a", "t", &Image::new(1));
        fake.fail_times("/manifests/", status, 2);
        let registry = Registry::new(plain(&[fake.host()])).unwrap();
        assert_eq!(run(registry.digest(&image(&format!("{}/a:t", fake.host())))), Ok(digest), "{status}");
        assert_eq!(registry.counts().retries, 2);
    }
}

#[test]
fn a_repository_that_keeps_failing_is_skipped_and_the_first_failure_is_named() {
    let (fake, good) = (FakeRegistry::start(), FakeRegistry::start());
    fake.fail("/manifests/", 502);
    good.push("a", "t", &Image::new(1));
    let registry = Registry::new(plain(&[fake.host(), good.host()])).unwrap();
    let errors: Vec<String> = (0..20)
        .map(|tag| run(registry.digest(&image(&format!("{}/a:t{tag}", fake.host())))).unwrap_err().message)
        .collect();
    // Five requests of three attempts each, and none after that.
    assert_eq!(fake.counts().head, 15);
    assert_eq!(errors[0], format!("`{}` returned 502 (3 attempts)", fake.host()));
    assert_eq!(errors[19], format!("request to `{}/a` skipped: it keeps failing (first: {})", fake.host(), errors[0]));
    run(registry.digest(&image(&format!("{}/a:t", good.host())))).unwrap();
}

#[test]
fn not_found_does_not_open_the_circuit_breaker() {
    let fake = FakeRegistry::start();
    fake.push("a", "t", &Image::new(1));
    let registry = Registry::new(plain(&[fake.host()])).unwrap();
    for tag in 0..20 {
        let error = run(registry.digest(&image(&format!("{}/a:missing{tag}", fake.host())))).unwrap_err();
        assert_eq!(error.kind, FailureKind::NotFound);
    }
    run(registry.digest(&image(&format!("{}/a:t", fake.host())))).unwrap();
    assert_eq!(fake.counts().head, 21);
    fake.remove("a", "t");
    let error = run(registry.digest(&image(&format!("{}/a:t", fake.host())))).unwrap_err();
    assert_eq!(error.kind, FailureKind::NotFound);
}

#[test]
fn invalid_images_do_not_open_the_circuit_breaker() {
    let fake = FakeRegistry::start();
    let digest = fake.push("a", "t", &Image::new(1));
    fake.lie(|request| (request.method == "GET").then(|| Answer::new(200).body(vec![b' '; 5 << 20])));
    let registry = Registry::new(plain(&[fake.host()])).unwrap();
    let asked = image(&format!("{}/a:t", fake.host()));
    for _ in 0..8 {
        let error = run(registry.manifest(asked.repository(), &digest)).unwrap_err();
        assert_eq!(error.kind, FailureKind::Integrity);
    }
    run(registry.digest(&asked)).unwrap();
}

#[test]
fn requests_are_throttled_before_the_quota_runs_out() {
    slow!();
    // Remaining quota, with up to eight requests in flight.
    for (left, is_slow) in [("0;w=21600", true), ("7", true), ("8;w=60", false), ("many", false)] {
        let fake = FakeRegistry::start();
        let made = Image::new(1).build().top;
        fake.lie(move |_| {
            let answer = Answer::new(200).header("content-type", &*made.media_type);
            Some(answer.header("docker-content-digest", made.digest.as_str()).header("ratelimit-remaining", left))
        });
        let mut setup = plain(&[fake.host()]);
        setup.registries.values_mut().for_each(|settings| settings.requests = 8);
        setup.limits.throttle = Duration::from_millis(250);
        let registry = Registry::new(setup).unwrap();
        let image = image(&format!("{}/a:t", fake.host()));
        let start = Instant::now();
        run(async {
            registry.digest(&image).await.unwrap();
            join_all((0..6).map(|_| registry.digest(&image))).await.into_iter().for_each(|found| drop(found.unwrap()));
        });
        assert_eq!(start.elapsed() >= Duration::from_millis(1250), is_slow, "{left} {:?}", start.elapsed());
    }
}

#[test]
fn a_closed_port_is_a_network_failure_that_names_it() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let registry = Registry::new(plain(&[free.to_string()])).unwrap();
    let error = run(registry.digest(&image(&format!("{free}/a:t")))).unwrap_err();
    assert_eq!(error.kind, FailureKind::Network);
    assert!(error.message.starts_with(&format!("cannot connect to `{free}`: ")), "{error}");
    assert_eq!(registry.counts().retries, 2);
}
