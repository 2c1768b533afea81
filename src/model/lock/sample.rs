//! Locks for tests: one to look at, and arbitrary ones.

use proptest::collection::btree_map;
use proptest::option;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::{select, subsequence};

use super::{Details, Lock, Pin};
use crate::model::image::{Digest, ImageRef, Platform, TagId};

/// A digest that says which one it is.
pub(crate) fn digest(number: u8) -> Digest {
    format!("sha256:{}", format!("{number:02x}").repeat(32)).parse().unwrap()
}

/// A stream as DESIGN shows it: an image, a follower, and one platform's child.
pub(crate) fn python() -> Lock {
    let image: ImageRef = "docker.io/library/python:3.12".parse().unwrap();
    let platforms: Vec<Platform> = ["linux/amd64", "linux/arm64"].map(|text| text.parse().unwrap()).to_vec();
    let details = Details {
        version: Some("3.12.4".to_owned()),
        revision: Some("0f1c2d".to_owned()),
        created: Some("2026-10-01T08:12:44Z".to_owned()),
        platforms,
    };
    let pin = |digest| Pin {
        follow: None,
        image: image.clone(),
        digest,
        index: None,
        details: Details::default(),
        previous: Vec::new(),
    };
    let main = Pin { details, previous: vec![digest(2), digest(1)], ..pin(digest(3)) };
    let latest = Pin { follow: Some("python:3.12".parse().unwrap()), ..pin(digest(3)) };
    let arm = Pin { index: Some(digest(3)), ..pin(digest(4)) };
    let pins = [("python:latest", latest), ("python:3.12", main), ("python:arm", arm)];
    Lock { pins: pins.into_iter().map(|(id, pin)| (id.parse().unwrap(), pin)).collect() }
}

/// Any lock of up to eight pins.
pub(crate) fn any_lock() -> impl Strategy<Value = Lock> {
    btree_map(any_tag(), any_pin(), 0..8).prop_map(|pins| Lock { pins })
}

/// One of few tags, so that locks share some.
pub(crate) fn any_tag() -> impl Strategy<Value = TagId> {
    (select(vec!["a", "a-b", "a/b", "b", "team/x.y"]), select(vec!["1", "1.2", "1-2", "A", "_x", "latest"]))
        .prop_map(|(stream, tag)| format!("{stream}:{tag}").parse().unwrap())
}

/// Any pin, with labels of any text.
pub(crate) fn any_pin() -> impl Strategy<Value = Pin> {
    let image = prop_oneof![
        select(vec!["docker.io/library/python:3.12", "localhost:5000/a/b:c", "[::1]:5000/a:b"])
            .prop_map(|text| text.parse().unwrap()),
        any_digest().prop_map(|digest| format!("quay.io/a/b:1@{digest}").parse().unwrap()),
    ];
    let label = || option::of(prop_oneof![any::<String>(), "[\"\\\\\u{0}-\u{20}\u{7f}-\u{9f}\u{202e}#=]{0,6}"]);
    let platforms = subsequence(vec!["linux/amd64", "linux/arm/v7", "windows/amd64"], 0..=3)
        .prop_map(|texts| texts.iter().map(|text| text.parse().unwrap()).collect());
    let details = (label(), label(), label(), platforms).prop_map(|(version, revision, created, platforms)| Details {
        version,
        revision,
        created,
        platforms,
    });
    let previous = (0..4_u8).prop_flat_map(|skip| (Just(skip), subsequence((0..8_u8).collect::<Vec<_>>(), 0..=5)));
    let previous =
        previous.prop_map(|(skip, numbers)| numbers.iter().map(|n| digest(n.rotate_left(skip.into()))).collect());
    let followed = prop_oneof![
        4 => any_tag().prop_map(|tag| tag.to_string()),
        1 => any_tag().prop_map(|tag| format!("platform//{tag}")),
    ];
    let followed = followed.prop_map(|text| text.parse().unwrap());
    (option::of(followed), image, any_digest(), option::of(any_digest()), details, previous).prop_map(
        |(follow, image, digest, index, details, previous)| Pin { follow, image, digest, index, details, previous },
    )
}

fn any_digest() -> impl Strategy<Value = Digest> {
    let long = Just(format!("sha512:{}", "5a".repeat(64)).parse().unwrap());
    prop_oneof![9 => (0..12_u8).prop_map(digest), 1 => long]
}
