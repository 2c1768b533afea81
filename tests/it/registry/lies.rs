//! A registry that sends wrong content, or does not stop sending.

use std::time::{Duration, Instant};

use pinstream::model::image::Digest;
use pinstream::registry::manifest::Descriptor;
use pinstream::registry::{FailureKind, Registry};

use super::{failure, image, import, plain, run};
use crate::support::lane::slow;
use crate::support::registry::http::{Answer, Body, Request};
use crate::support::registry::{FakeRegistry, Image};

const OCI: &str = "application/vnd.oci.image.manifest.v1+json";

/// Resolves an image from a registry that answers with `lie`.
#[track_caller]
fn check(
    lie: impl FnMut(&Request) -> Option<Answer> + Send + 'static,
    expected: Result<(), FailureKind>,
) -> FakeRegistry {
    let fake = FakeRegistry::start();
    let digest = fake.push("a", "t", &Image::new(1));
    fake.lie(lie);
    let registry = Registry::new(plain(&[fake.host()])).unwrap();
    let found = run(import(&registry, &image(&format!("{}/a:t", fake.host()))));
    if let Ok(found) = &found {
        assert_eq!(*found, digest);
    }
    // Little more than the largest manifest is read.
    assert!(registry.counts().bytes < 5 << 20, "{:?}", registry.counts());
    assert_eq!(found.as_ref().map(drop).map_err(|error| error.kind), expected, "{found:?}");
    fake
}

#[test]
fn t12_equivocating_registry() {
    let other = Image::new(2).build().top;
    let head = |request: &Request| request.method == "HEAD";
    // HEAD returns an unknown digest.
    let digest = other.digest.clone();
    let lie = Answer::new(200).header("content-type", OCI).header("docker-content-digest", digest.as_str());
    check(move |request| head(request).then(|| lie.clone()), Err(FailureKind::NotFound));
    // GET by digest returns other bytes with a matching header.
    let bytes = other.bytes.clone();
    check(
        move |request| {
            let asked = request.path().rsplit('/').next().unwrap().to_owned();
            let lie = Answer::new(200).header("content-type", OCI).header("docker-content-digest", asked);
            (!head(request)).then(|| lie.body(bytes.clone()))
        },
        Err(FailureKind::Integrity),
    );
    // GET and HEAD return different types.
    let own = Image::new(1).build().top.bytes;
    check(
        move |request| {
            let index = "application/vnd.oci.image.index.v1+json";
            (!head(request)).then(|| Answer::new(200).header("content-type", index).body(own.clone()))
        },
        Err(FailureKind::Integrity),
    );
    // HEAD returns an invalid digest.
    for bad in ["sha256:../../../etc", "md5:d41d8cd98f00b204e9800998ecf8427e", "SHA256:AA"] {
        let lie = Answer::new(200).header("content-type", OCI).header("docker-content-digest", bad);
        check(move |request| head(request).then(|| lie.clone()), Err(FailureKind::Integrity));
    }
    // Each GET returns other bytes: the digest of the tag does not exist.
    let mut seed = 10;
    check(
        move |request| {
            seed += 1;
            let lie = Answer::new(200).header("content-type", OCI);
            Some(if head(request) { lie } else { lie.body(Image::new(seed).build().top.bytes) })
        },
        Err(FailureKind::Integrity),
    );
}

#[test]
fn t12_a_registry_without_digest_headers_costs_one_more_get() {
    let made = Image::new(1).build().top;
    let fake = check(
        move |request| {
            let answer = Answer::new(200).header("content-type", OCI);
            Some(answer.body(if request.method == "HEAD" { Vec::new() } else { made.bytes.clone() }))
        },
        Ok(()),
    );
    assert_eq!((fake.counts().head, fake.counts().get), (1, 2));
}

#[test]
fn t12_every_truncation_of_a_manifest_is_rejected() {
    let fake = FakeRegistry::start();
    let made = Image::new(1).build().top;
    fake.push("a", "t", &Image::new(1));
    let registry = Registry::new(plain(&[fake.host()])).unwrap();
    let repository = super::repository(&format!("{}/a", fake.host()));
    for length in 0..made.bytes.len() {
        fake.clear_lies();
        let part = made.bytes[..length].to_vec();
        fake.lie(move |_| Some(Answer::new(200).header("content-type", OCI).body(part.clone())));
        let error = run(registry.manifest(&repository, &made.digest)).unwrap_err();
        assert_eq!(error.kind, FailureKind::Integrity, "{length}");
    }
    // Shorter than its `Content-Length`.
    fake.clear_lies();
    let (whole, part) = (made.bytes.len(), made.bytes[..100].to_vec());
    fake.lie(move |_| Some(Answer::new(200).header("content-type", OCI).sent(Body::Claiming(whole, part.clone()))));
    assert_eq!(run(registry.manifest(&repository, &made.digest)).unwrap_err().kind, FailureKind::Network);
}

#[test]
fn t13_schema_1_and_foreign_types_are_unsupported() {
    for media_type in ["application/vnd.docker.distribution.manifest.v1+prettyjws", "text/html"] {
        let digest = Digest::sha256(b"x");
        let lie = Answer::new(200).header("content-type", media_type).header("docker-content-digest", digest.as_str());
        check(move |_| Some(lie.clone()), Err(FailureKind::Unsupported));
    }
}

#[test]
fn t14_endless_bodies_and_headers_are_cut_off() {
    slow!();
    let start = Instant::now();
    let get = |request: &Request| request.method == "GET";
    let ok = || Answer::new(200).header("content-type", OCI);
    // More than 4 MiB, with and without a length.
    check(move |request| get(request).then(|| ok().sent(Body::Endless)), Err(FailureKind::Integrity));
    check(move |request| get(request).then(|| ok().body(vec![b' '; 5 << 20])), Err(FailureKind::Integrity));
    // A `Content-Length` of a hundred gigabytes, a few bytes sent.
    check(
        move |request| get(request).then(|| ok().sent(Body::Claiming(100 << 30, b"{}".to_vec()))),
        Err(FailureKind::Network),
    );
    // A compressed body is hashed as it is, never inflated.
    let bomb = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
    check(
        move |request| {
            assert_eq!(request.header("accept-encoding"), Some("identity"));
            get(request).then(|| ok().header("content-encoding", "gzip").body(bomb.clone()))
        },
        Err(FailureKind::Integrity),
    );
    // A million headers.
    check(move |_| Some(ok().sent(Body::Headers(1_000_000))), Err(FailureKind::Network));
    // No response at all.
    let fake = check(move |_| Some(ok().sent(Body::Hangup)), Err(FailureKind::Network));
    assert_eq!(fake.counts().head, 3);
    // Endless error bodies are not read completely.
    check(move |request| get(request).then(|| Answer::new(404).sent(Body::Endless)), Err(FailureKind::NotFound));
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
}

#[test]
fn a_blob_must_match_its_descriptor() {
    let fake = FakeRegistry::start();
    fake.push("a", "t", &Image::new(1));
    let blob = Image::new(1).build().blobs.remove(0);
    let size = blob.bytes.len() as u64;
    let repository = super::repository(&format!("{}/a", fake.host()));
    let registry = Registry::new(plain(&[fake.host()])).unwrap();
    let ask = |size: u64, digest: &Digest| {
        let (media_type, digest) = (blob.media_type.clone(), digest.clone());
        let blob = Descriptor::of(media_type, digest, size);
        run(registry.blob(&repository, &blob)).map_err(|error| error.kind)
    };
    assert_eq!(ask(size, &blob.digest).as_deref(), Ok(blob.bytes.as_slice()));
    assert_eq!(ask(size - 1, &blob.digest), Err(FailureKind::Integrity));
    assert_eq!(ask(size + 1, &blob.digest), Err(FailureKind::Integrity));
    assert_eq!(ask(5 << 20, &blob.digest), Err(FailureKind::Integrity));
    assert_eq!(ask(u64::MAX, &blob.digest), Err(FailureKind::Integrity));
    assert_eq!(ask(3, &Digest::sha256(b"nothing")), Err(FailureKind::NotFound));
    let other = vec![b'x'; usize::try_from(size).unwrap()];
    fake.lie(move |_| Some(Answer::new(200).body(other.clone())));
    assert_eq!(ask(size, &blob.digest), Err(FailureKind::Integrity));
}

#[test]
fn r03_an_unusable_head_is_decided_by_one_get_and_remembered() {
    let head = |request: &Request| request.method == "HEAD";
    for (status, content_type) in
        [(405, ""), (501, ""), (412, ""), (403, ""), (404, ""), (200, "application/json"), (200, "text/plain")]
    {
        let fake = FakeRegistry::start();
        let digest = fake.push("a", "t", &Image::new(1));
        fake.push("a", "u", &Image::new(1));
        let hint = digest.to_string();
        fake.lie(move |request| {
            let answer =
                || Answer::new(status).header("content-type", content_type).header("docker-content-digest", &*hint);
            head(request).then(answer)
        });
        let registry = Registry::new(plain(&[fake.host()])).unwrap();
        for tag in ["t", "u"] {
            let found = run(registry.digest(&image(&format!("{}/a:{tag}", fake.host()))));
            assert_eq!(found.as_ref(), Ok(&digest), "{status} {content_type}");
        }
        // A 404 may concern one tag only; the others still cost a HEAD, not a GET.
        let heads = if status == 404 { 2 } else { 1 };
        assert_eq!((fake.counts().head, fake.counts().get), (heads, 2), "{status} {content_type}");
    }
}

#[test]
fn r03_a_generic_header_is_fine_if_the_body_names_its_media_type() {
    let generic = |request: &Request, bytes: &[u8]| {
        let answer = Answer::new(200).header("content-type", "application/json; charset=utf-8");
        Some(answer.body(if request.method == "HEAD" { Vec::new() } else { bytes.to_vec() }))
    };
    let own = Image::new(1).build().top.bytes;
    check(move |request| generic(request, &own), Ok(()));
    // Neither header nor body says what it is; an error about schema 1 names it.
    let fake = FakeRegistry::start();
    for (body, expected) in [
        (&br#"{"schemaVersion": 2, "config": {}, "layers": []}"#[..], "without a media type"),
        (br#"{"schemaVersion": 1, "fsLayers": []}"#, "schema 1"),
    ] {
        fake.lie(move |request| generic(request, body));
        let registry = Registry::new(plain(&[fake.host()])).unwrap();
        let error = run(import(&registry, &image(&format!("{}/a:t", fake.host())))).unwrap_err();
        assert_eq!(error.kind, FailureKind::Unsupported);
        assert!(error.message.contains(expected), "{error}");
    }
}

#[test]
fn r04_the_message_of_the_registry_is_shown_with_a_hint_that_matches_the_status() {
    let body = serde_json::json!({"errors": [{"code": "PRECONDITION", "message": "not \u{1b}[31m scanned\nyet"}]});
    for (status, help) in [(412, "one of its policies blocks the image"), (403, "docker login"), (404, "")] {
        let (fake, body) = (FakeRegistry::start(), body.to_string());
        fake.lie(move |_| Some(Answer::new(status).header("content-type", "application/json").body(body.clone())));
        let (_, text) = failure(plain(&[fake.host()]), &image(&format!("{}/a:t", fake.host())));
        assert!(text.contains(&format!("returned {status}: not \\u{{1b}}[31m scanned")), "{text}");
        assert!(text.contains(help) && text.lines().count() == 1, "{text}");
    }
}

#[test]
fn r17_an_encoded_body_is_refused_with_the_name_of_its_encoding() {
    let fake = FakeRegistry::start();
    fake.push("a", "t", &Image::new(1));
    fake.lie(|request| {
        let encoded = || Answer::new(200).header("content-type", OCI).header("content-encoding", "gzip").body("x");
        (request.method == "GET").then(encoded)
    });
    let (kind, text) = failure(plain(&[fake.host()]), &image(&format!("{}/a:t", fake.host())));
    assert_eq!(kind, FailureKind::Integrity);
    assert!(text.contains("encoded as `gzip`") && text.contains("a proxy"), "{text}");
}
