//! Slow registries: none delays a tag for longer than one attempt.

use std::time::{Duration, Instant};

use pinstream::registry::{FailureKind, Registry};

use super::{failure, image, import, plain, run};
use crate::support::lane::slow;
use crate::support::registry::http::{Answer, Body};
use crate::support::registry::{FakeRegistry, Image};

#[test]
fn t14_drip_1b_per_s() {
    slow!();
    for method in ["HEAD", "GET"] {
        let fake = FakeRegistry::start();
        fake.push("a", "t", &Image::new(1));
        fake.lie(move |request| {
            (request.method == method).then(|| Answer::new(200).sent(Body::Drip(Duration::from_millis(20))))
        });
        let mut setup = plain(&[fake.host()]);
        setup.limits.request = Duration::from_millis(500);
        let start = Instant::now();
        let (kind, text) = failure(setup, &image(&format!("{}/a:t", fake.host())));
        assert_eq!(kind, FailureKind::Network);
        assert!(text.contains(&format!("`{}` did not answer within 0.5 s", fake.host())), "{text}");
        // One request: a timeout is not retried.
        let asked = fake.counts();
        assert_eq!((asked.head, asked.get), if method == "HEAD" { (1, 0) } else { (1, 1) });
        assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    }
}

#[test]
fn t14_redirects_share_the_time_of_one_attempt() {
    let fake = FakeRegistry::start();
    let mut hops = 0;
    fake.lie(move |_| {
        hops += 1;
        std::thread::sleep(Duration::from_millis(200));
        Some(Answer::new(307).header("location", format!("/hop/{hops}")))
    });
    let mut setup = plain(&[fake.host()]);
    setup.limits.request = Duration::from_millis(500);
    let (kind, text) = failure(setup, &image(&format!("{}/a:t", fake.host())));
    assert_eq!(kind, FailureKind::Network);
    assert!(text.contains("did not answer within 0.5 s"), "{text}");
    assert!(fake.counts().head <= 3, "{:?}", fake.counts());
}

#[test]
fn a_silent_host_is_skipped() {
    let fake = FakeRegistry::start();
    fake.lie(|_| Some(Answer::new(200).sent(Body::Drip(Duration::from_millis(20)))));
    let mut setup = plain(&[fake.host()]);
    setup.limits.request = Duration::from_millis(50);
    let registry = Registry::new(setup).unwrap();
    for tag in 0..20 {
        run(import(&registry, &image(&format!("{}/a:t{tag}", fake.host())))).unwrap_err();
    }
    assert_eq!(fake.counts().head, 5);
}
