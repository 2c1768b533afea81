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
    assert_eq!(fake.counts().get, 124);
    let fake = FakeRegistry::start();
    paged(&fake, usize::MAX, |page| format!("</v2/a/tags/list?page={}>; rel=\"next\"", page % 3));
    assert_eq!(ask(&fake), Err(FailureKind::Integrity));
    assert!(fake.counts().get <= 4, "{:?}", fake.counts());
    let fake = FakeRegistry::start();
    fake.lie(|_| Some(Answer::new(200).sent(Body::Endless)));
    assert_eq!(ask(&fake), Err(FailureKind::Unsupported));
}

#[test]
fn r05_the_number_of_tags_is_limited_and_not_that_of_pages() {
    let fake = FakeRegistry::start();
    fake.list_many(12_000, 100);
    assert_eq!(ask(&fake).unwrap().len(), 12_000);
    assert_eq!(fake.counts().get, 120);
    let fake = FakeRegistry::start();
    fake.list_many(12_000, 1000);
    assert_eq!(ask(&fake).unwrap().len(), 12_000);
    // A last page of exactly the requested size may not be the last one.
    assert_eq!(fake.counts().get, 13);
    let fake = FakeRegistry::start();
    fake.list_many(100_001, 1000);
    let registry = Registry::new(plain(&[fake.host()])).unwrap();
    let error = run(registry.tags(&repository(&format!("{}/a", fake.host())))).unwrap_err();
    assert_eq!(error.kind, FailureKind::Unsupported);
    assert!(error.message.contains("more than 100000 tags") && error.help.is_some(), "{error}");
}

#[test]
fn r05_a_registry_that_refuses_n_is_asked_without_it() {
    let fake = FakeRegistry::start();
    fake.push("a", "1", &Image::new(1));
    fake.lie(|request| (!request.query("n").is_empty()).then(|| Answer::new(400)));
    assert_eq!(ask(&fake).unwrap(), ["1"]);
    assert_eq!(fake.counts().get, 2);
}

#[test]
fn r05_a_full_page_without_a_link_is_continued_with_its_last_tag() {
    let names = |from: usize, to: usize| {
        let names: Vec<String> = (from..to).map(|number| format!("t{number:05}")).collect();
        Answer::new(200).body(serde_json::json!({"tags": names}).to_string())
    };
    // It honours `last`.
    let fake = FakeRegistry::start();
    fake.lie(move |request| {
        let last = request.query("last").first().map(|last| last[1..].parse::<usize>().unwrap() + 1);
        Some(last.map_or_else(|| names(0, 1000), |start| names(start, 1500)))
    });
    assert_eq!(ask(&fake).unwrap().len(), 1500);
    assert_eq!(fake.counts().get, 2);
    // It ignores `last`, so only a list without `n` is certainly complete.
    let fake = FakeRegistry::start();
    fake.lie(move |request| Some(names(0, if request.query("n").is_empty() { 1500 } else { 1000 })));
    assert_eq!(ask(&fake).unwrap().len(), 1500);
    assert_eq!(fake.counts().get, 3);
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
