//! Bodies as people read them, and text from images that must stay inactive.

use std::collections::BTreeSet;

use proptest::prelude::{ProptestConfig, any, proptest};

use super::*;
use crate::image_diff::{Difference, DifferenceKind, LayerDiff};
use crate::model::image::class::{ChangeClass, VersionLevel};
use crate::model::lock::diff::ChangeKind;
use crate::model::lock::sample::digest;

fn side(number: u8, version: Option<&str>) -> PinSide {
    PinSide { digest: digest(number), version: version.map(str::to_owned), created: None }
}

fn updated(tag: &str, follow: Option<&str>, versions: [Option<&str>; 2]) -> PinChange {
    let [old, new] = [side(1, versions[0]), side(2, versions[1])];
    let image = "docker.io/library/python:3.12".parse().unwrap();
    let follow = follow.map(|target| target.parse::<TagId>().unwrap().into());
    PinChange { tag: tag.parse().unwrap(), follow, image, previous_image: None, kind: ChangeKind::Updated { old, new } }
}

fn explanation(text: &str) -> Explanation {
    let own = |text: &str| Some(text.to_owned());
    Explanation {
        class: Some(ChangeClass::Version(VersionLevel::Patch)),
        compare: own("https://github.com/acme/web/compare/0a...1b"),
        created: OldNew { old: "2026-10-01T08:12:44Z".parse().ok(), new: "2026-10-13T09:00:00Z".parse().ok() },
        size: OldNew { old: Some(12_100_000), new: Some(12_400_000) },
        layers: Some(LayerDiff { kept: 3, added: 2, removed: 2 }),
        removed_platforms: vec!["linux/arm64".parse().unwrap()],
        becomes_root: true,
        base: Some(OldNew {
            old: Some(BaseImage { name: own(text), digest: own("sha256:0123456789abcdef") }),
            new: None,
        }),
        differences: vec![
            Difference { kind: DifferenceKind::User, old: own("app"), new: own("root") },
            Difference { kind: DifferenceKind::Variable(text.to_owned()), old: own(text), new: None },
        ],
        ..Explanation::default()
    }
}

fn sample(text: &str) -> String {
    let changes = [
        updated("python:3.12", None, [Some("3.12.4"), Some(text)]),
        updated("python:latest", Some("python:3.12"), [Some("3.12.4"), Some("3.12.5")]),
        PinChange { kind: ChangeKind::Added { new: side(3, Some("1.0")) }, ..updated("web:1", None, [None, None]) },
    ];
    let mut explained = Explanations::new();
    explained.insert("python:3.12".parse().unwrap(), explanation(text).into());
    let shared = explained.values().next().unwrap().clone();
    explained.insert("python:latest".parse().unwrap(), shared);
    with_fingerprint(&write(&changes, &explained), &changes)
}

#[test]
fn a_body_has_warnings_a_table_and_details_of_each_image() {
    insta::assert_snapshot!(sample("3.12.5"), @r"
        - **`python:3.12`: now runs as root**
        - **`python:3.12`: no longer runs on linux/arm64**

        | tag | version | change | built |
        | --- | --- | --- | --- |
        | `python:3.12` | `3.12.4` → `3.12.5` | patch ([compare](https://github.com/acme/web/compare/0a...1b)) | 2026-10-13, 12 days later |
        | `python:latest` | `3.12.4` → `3.12.5` | follows `python:3.12` |  |
        | `web:1` | `1.0` | added |  |

        #### `docker.io/library/python:3.12`

        `sha256:0101010101010101010101010101010101010101010101010101010101010101` → `sha256:0202020202020202020202020202020202020202020202020202020202020202`

        - 12.1 MB → 12.4 MB; 3 of 5 layers kept, 2 new
        - base image `3.12.5@0123456789ab` → unknown
        - `user: app → root`
        - `variable 3.12.5: 3.12.5 (removed)`

        Merging pins these digests. Closing rejects them; newer digests will be proposed again. pinstream stops refreshing this branch when someone else commits to it.

        <!-- pinstream: set=5c8dc3dd0cb55d2b changes=5137310f57d8,ca684698eea1,da31a621a676 -->
    ");
}

#[test]
fn a_long_list_is_cut_and_counted() {
    let changes: Vec<PinChange> =
        (0..150).map(|number| updated(&format!("s:t{number:03}"), None, [None, None])).collect();
    let text = write(&changes, &Explanations::new());
    assert!(text.contains("\nand 50 more tags\n"), "{text}");
    assert_eq!(text.lines().filter(|line| line.starts_with("| `s:t")).count(), 100);
    assert!(text.len() < 10_000);
}

/// Removes code spans and the known link from a body.
fn outside(text: &str) -> String {
    text.split('`').step_by(2).collect::<Vec<_>>().join("").replace("(https://github.com/acme/web/compare/0a...1b)", "")
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn t9_text_from_images_stays_inactive_in_a_body(text in any::<String>(), more in "[`|@#<>\\[\\]()!*_\\\\\n]{0,20}") {
        for text in [format!("{text}{more}"), format!("{more}{text}")] {
            let (shown, plain) = (sample(&text), sample("x"));
            assert_eq!(shown.matches('`').count(), plain.matches('`').count(), "{shown}");
            assert_eq!(shown.matches('|').count(), plain.matches('|').count(), "{shown}");
            assert_eq!(shown.lines().count(), plain.lines().count(), "{shown}");
                        let letters = |text: &str| outside(text).chars().filter(|c| "@<[!#*".contains(*c)).collect::<String>();
            assert_eq!(letters(&shown), letters(&plain), "{shown}");
            let lines: BTreeSet<usize> = shown.lines().map(str::len).collect();
            assert!(lines.last().is_some_and(|longest| *longest < 1_000), "{shown}");
        }
    }
}
