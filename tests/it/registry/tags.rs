//! Tag lists over real pages.

use pinstream::registry::{FailureKind, Registry};

use super::{plain, repository, run};
use crate::support::registry::http::{Answer, Body};
use crate::support::registry::{FakeRegistry, Image};

/// Serves pages, each with the link that `link` returns for its number.
fn paged(fake: &FakeRegistry, pages: usize, link: impl Fn(usize) -> String + Send + 'static) {
    fake.lie(move |request| {
        let number: usize = request.query("page").first().map_or(0, |text| text.parse().unwrap());
        let answer = Answer::new(200).body(format!("{{\"tags\": [\"z{number}\", \"-bad\", \"a{number}\"]}}"));
        Some(if number + 1 < pages { answer.header("link", link(number + 1)) } else { answer })
    });
}

fn ask(fake: &FakeRegistry) -> Result<Vec<String>, FailureKind> {
    let registry = Registry::new(plain(&[fake.host()])).unwrap();
    let found = run(registry.tags(&repository(&format!("{}/a", fake.host()))));
    found.map(|tags| tags.iter().map(ToString::to_string).collect()).map_err(|error| error.kind)
}

#[test]
fn all_pages_are_read_and_the_order_is_preserved() {
    let fake = FakeRegistry::start();
    paged(&fake, 3, |page| format!("</v2/a/tags/list?page={page}>; rel=\"next\""));
    assert_eq!(ask(&fake).unwrap(), ["z0", "a0", "z1", "a1", "z2", "a2"]);
    let fake = FakeRegistry::start();
    let base = fake.base();
    paged(&fake, 2, move |page| format!("<{base}/opaque?page={page}>; rel=next"));
    assert_eq!(ask(&fake).unwrap(), ["z0", "a0", "z1", "a1"]);
}

#[test]
fn an_unpaged_list_is_one_request() {
    let fake = FakeRegistry::start();
    fake.push("a", "1", &Image::new(1));
    fake.push("a", "2", &Image::new(1));
    assert_eq!(ask(&fake).unwrap(), ["1", "2"]);
    assert_eq!(fake.counts().get, 1);
}

#[test]
fn t14_endless_pages() {
    let fake = FakeRegistry::start();
    paged(&fake, usize::MAX, |page| format!("</v2/a/tags/list?page={page}>; rel=\"next\""));
    assert_eq!(ask(&fake), Err(FailureKind::Integrity));
    assert_eq!(fake.counts().get, 100);
    let fake = FakeRegistry::start();
    paged(&fake, usize::MAX, |page| format!("</v2/a/tags/list?page={}>; rel=\"next\"", page % 3));
    assert_eq!(ask(&fake), Err(FailureKind::Integrity));
    assert!(fake.counts().get <= 4, "{:?}", fake.counts());
    let fake = FakeRegistry::start();
    fake.lie(|_| Some(Answer::new(200).sent(Body::Endless)));
    assert_eq!(ask(&fake), Err(FailureKind::Integrity));
}

#[test]
fn t11_a_next_page_on_another_server_is_refused() {
    let (fake, other) = (FakeRegistry::start(), FakeRegistry::start());
    let base = other.base();
    paged(&fake, 2, move |page| format!("<{base}/v2/a/tags/list?page={page}>; rel=\"next\""));
    assert_eq!(ask(&fake), Err(FailureKind::Refused));
    assert_eq!(other.connections(), 0);
}

#[test]
fn the_tags_of_a_missing_repository_are_not_found() {
    assert_eq!(ask(&FakeRegistry::start()), Err(FailureKind::NotFound));
}
