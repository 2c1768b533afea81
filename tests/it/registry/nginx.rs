//! Debian's nginx with HTTP/2 in front of a registry, with the limits that operators set.

use futures_util::future::join_all;
use pinstream::registry::{Registry, RequestCounts};

use super::{image, import, run, secure};
use crate::support::lane::needs;
use crate::support::registry::nginx::Nginx;
use crate::support::registry::{FakeRegistry, Image};

const TAGS: u64 = 60;

/// Resolves 60 tags through nginx with further directives; returns its log and our counts.
#[track_caller]
fn check(http: &str, server: &str) -> (String, RequestCounts) {
    let fake = FakeRegistry::start();
    let nginx = Nginx::start(&fake, http, server);
    let push = |number| {
        let digest = fake.push(&format!("r{}", number % 5), &format!("t{number}"), &Image::new(number));
        (image(&format!("{}/r{}:t{number}", nginx.host(), number % 5)), digest)
    };
    let tags: Vec<_> = (0..TAGS).map(push).collect();
    let mut setup = secure(&[nginx.host().to_owned()], nginx.ca());
    // The limits of a pass: nginx counts in seconds.
    setup.limits = pinstream::http::HttpLimits::default();
    setup.registries.values_mut().for_each(|settings| settings.requests = 16);
    let registry = Registry::new(setup).unwrap();
    let found = run(join_all(tags.iter().map(|(image, _)| import(&registry, image))));
    for ((image, digest), found) in tags.iter().zip(&found) {
        assert_eq!(found.as_ref(), Ok(digest), "{image} {http} {server}");
    }
    let log = nginx.log();
    assert!(log.lines().all(|line| line.starts_with("HTTP/2.0 ")), "{log}");
    (log, registry.counts())
}

#[test]
fn s05_all_tags_land_through_nginx_that_closes_each_connection_after_one_request() {
    needs!("nginx");
    let (_, counts) = check("keepalive_requests 1;", "");
    assert_eq!((counts.head, counts.get, counts.retries), (TAGS, TAGS, 0));
}

#[test]
fn s05_all_tags_land_through_nginx_that_keeps_no_connection() {
    needs!("nginx");
    check("keepalive_timeout 0;", "");
}

#[test]
fn s05_all_tags_land_through_nginx_that_allows_two_streams_per_connection() {
    needs!("nginx");
    let (_, counts) = check("", "http2_max_concurrent_streams 2;");
    assert_eq!(counts.retries, 0);
}

#[test]
fn s03_all_tags_land_through_nginx_that_limits_concurrent_requests() {
    needs!("nginx");
    let (log, _) = check("limit_conn_zone $binary_remote_addr zone=c:1m;", "limit_conn c 3;");
    assert!(log.contains(" 503"), "{log}");
}

#[test]
fn s03_all_tags_land_through_nginx_that_limits_the_rate_of_requests() {
    crate::support::lane::slow!();
    needs!("nginx");
    for (rate, status) in [("50r/s", 503), ("20r/s", 429)] {
        let zone = format!("limit_req_zone $binary_remote_addr zone=r:1m rate={rate};");
        let (log, _) = check(&zone, &format!("limit_req zone=r burst=2 nodelay;\n        limit_req_status {status};"));
        assert!(log.contains(&format!(" {status}")), "{log}");
    }
}
