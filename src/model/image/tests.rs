//! Names as people and attackers write them.

use super::*;

#[track_caller]
fn check<T: FromStr<Err = NameError> + fmt::Display>(text: &str, expected: Result<&str, &str>) {
    let found = text.parse::<T>().map(|value| value.to_string());
    let found = found.map_err(|error| match error.help {
        Some(help) => format!("{} — {help}", error.message),
        None => error.message,
    });
    assert_eq!(found.as_deref().map_err(String::as_str), expected, "{text}");
}

#[test]
fn images_are_read_as_written() {
    let digest = format!("sha256:{}", "a".repeat(64));
    for text in [
        "docker.io/library/python:3.12",
        "localhost/a:b",
        "localhost:5000/a/b-c/d__e:v1.0_x",
        "[::1]:5000/a:b",
        "10.0.0.1:80/x:latest",
        &format!("quay.io/acme/base@{digest}"),
        &format!("quay.io/acme/base:1@{digest}"),
    ] {
        check::<ImageRef>(text, Ok(text));
    }
}

#[test]
fn a_short_name_is_reported_with_the_full_one() {
    check::<ImageRef>(
        "python:3.12",
        Err("image `python:3.12` has no registry — write `docker.io/library/python:3.12`"),
    );
    check::<ImageRef>(
        "bitnami/redis",
        Err("image `bitnami/redis` has no registry — write `docker.io/bitnami/redis:latest`"),
    );
    check::<ImageRef>(
        "quay.io/acme/base",
        Err("image `quay.io/acme/base` has no tag — add a tag, e.g. `quay.io/acme/base:latest`"),
    );
    check::<ImageRef>(
        "https://quay.io/a/b:c",
        Err("`https://quay.io/a/b:c` is a URL, not an image — remove the scheme: `quay.io/a/b:c`"),
    );
}

#[test]
fn t2_hostile_references_are_refused() {
    for text in [
        "",
        ":",
        "@",
        "/",
        "-x/y:z",
        "--upload-pack=x",
        "a.b/c:-x",
        "a.b/../c:d",
        "a.b/c/./d:e",
        "a.b//c:d",
        "a.b/c:d e",
        "a.b/C:d",
        "u:p@a.b/c:d",
        "a.b:0/c:d",
        "a.b:99999/c:d",
        "a.b:+80/c:d",
        "a.b/c:d@sha256:zz",
        "a.b/c:d?x=y",
        "a.b/c:d#x",
        "a.b/c\n:d",
        "a.b/c:d\u{202e}",
        "a.b/c%2f..:d",
        "ext::sh -c x",
        "a.b\\c/d:e",
        "[::1/x:y",
        "[zz]/x:y",
        "a..b/c:d",
        "-a.b/c:d",
        "a.b-/c:d",
        "a.b/.c:d",
        "a.b/c.:d",
        "a.b/c..d:e",
        "a.b/c___d:e",
        "a.b/c:\0",
        "ａ.b/c:d",
    ] {
        assert!(text.parse::<ImageRef>().is_err(), "{text:?}");
    }
    let long = format!("a.b/{}:c", "d".repeat(300));
    assert!(long.parse::<ImageRef>().is_err());
}

#[test]
fn digests_are_lower_case_and_whole() {
    let good = format!("sha256:{}", "0f".repeat(32));
    check::<Digest>(&good, Ok(&good));
    for bad in ["sha256:0F", "md5:00", "", "sha256:", &good.to_uppercase(), &format!("{good}0")] {
        assert!(bad.parse::<Digest>().is_err(), "{bad}");
    }
    assert!(Digest::sha256(b"x").matches(b"x"));
    assert!(!Digest::sha256(b"x").matches(b"y"));
}

#[test]
fn references_agree_with_the_reference_parser() {
    for text in ["docker.io/library/python:3.12", "localhost:5000/a/b:c", "ghcr.io/a/b-c__d.e:x"] {
        let ours: ImageRef = text.parse().unwrap();
        let theirs: oci_distribution::Reference = text.parse().unwrap();
        assert_eq!(ours.repository().registry().as_str(), theirs.registry());
        assert_eq!(ours.repository().path(), theirs.repository());
        assert_eq!(ours.reference(), &Reference::Tag(theirs.tag().unwrap().parse().unwrap()));
    }
}

#[test]
fn platforms_have_one_name_each() {
    for (written, usual) in [
        ("linux/amd64", "linux/amd64"),
        ("linux/amd64/v1", "linux/amd64"),
        ("linux/amd64/v3", "linux/amd64/v3"),
        ("linux/x86_64", "linux/amd64"),
        ("linux/arm64", "linux/arm64"),
        ("linux/arm64/v8", "linux/arm64"),
        ("linux/arm64/v9", "linux/arm64/v9"),
        ("linux/aarch64", "linux/arm64"),
        ("linux/arm", "linux/arm/v7"),
        ("linux/arm/7", "linux/arm/v7"),
        ("linux/arm/v7", "linux/arm/v7"),
        ("linux/arm/v6", "linux/arm/v6"),
        ("linux/armhf", "linux/arm/v7"),
        ("linux/i386", "linux/386"),
        ("Linux/AMD64", "linux/amd64"),
        ("macos/arm64", "darwin/arm64"),
        ("linux/s390x", "linux/s390x"),
        ("unknown/unknown", "unknown/unknown"),
    ] {
        check::<Platform>(written, Ok(usual));
        check::<Platform>(usual, Ok(usual));
    }
}
