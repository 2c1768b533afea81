//! Manifests as registries send them, and thirty crafted ones.

use std::collections::BTreeMap;

use oci_distribution::manifest as oci;

use super::parse::DESCRIPTORS_MAX;
use super::*;
use crate::model::image::Digest;
use crate::registry::error::{FailureKind, ResolveError};

const OCI_INDEX: &str = oci::OCI_IMAGE_INDEX_MEDIA_TYPE;
const OCI_IMAGE: &str = oci::OCI_IMAGE_MEDIA_TYPE;
const DOCKER_IMAGE: &str = oci::IMAGE_MANIFEST_MEDIA_TYPE;
const DOCKER_LIST: &str = oci::IMAGE_MANIFEST_LIST_MEDIA_TYPE;

/// Replaces `@a`, `@oci-index` and the like.
fn body(text: &str) -> String {
    let mut text = text.replace("@oci-index", OCI_INDEX).replace("@oci-image", OCI_IMAGE);
    text = text.replace("@docker-image", DOCKER_IMAGE).replace("@docker-list", DOCKER_LIST);
    text.replace("@a", &format!("sha256:{}", "a".repeat(64))).replace("@b", &format!("sha256:{}", "b".repeat(64)))
}

#[track_caller]
fn check(content_type: &str, text: &str) -> Result<VerifiedManifest, ResolveError> {
    let text = body(text);
    VerifiedManifest::hash(&Digest::sha256(text.as_bytes()), Some(&body(content_type)), text.as_bytes())
}

const CONFIG: &str = r#""config": {"mediaType": "c", "digest": "@a", "size": 2}"#;
const LAYERS: &str = r#""layers": [{"mediaType": "l", "digest": "@b", "size": 3}]"#;

#[test]
fn images_and_indexes_of_both_families_are_parsed() {
    let image = check(
        "@oci-image; charset=utf-8",
        &format!(r#"{{"schemaVersion": 2, {CONFIG}, {LAYERS}, "annotations": {{"x": "y"}}}}"#),
    )
    .unwrap();
    let ManifestContent::Image { config, layers } = image.content() else { panic!("an image") };
    assert_eq!((config.size, layers[0].size, layers.len()), (2, 3, 1));
    assert_eq!(image.annotations()["x"], "y");
    check("@docker-image", &format!(r#"{{"schemaVersion": 2, "mediaType": "@docker-image", {CONFIG}, {LAYERS}}}"#))
        .unwrap();
    check("@docker-list", r#"{"schemaVersion": 2, "mediaType": "@docker-list", "manifests": []}"#).unwrap();
    let index = check(
        "@oci-index",
        r#"{"schemaVersion": 2, "mediaType": "@oci-index", "manifests": [
            {"mediaType": "m", "digest": "@a", "size": 1, "platform": {"os": "linux", "architecture": "arm", "variant": "v7"}},
            {"mediaType": "m", "digest": "@b", "size": 1, "platform": {"os": "unknown", "architecture": "unknown"}},
            {"mediaType": "m", "digest": "@b", "size": 1, "annotations": {"vnd.docker.reference.type": "attestation-manifest"}},
            {"mediaType": "m", "digest": "@b", "size": 1}]}"#,
    )
    .unwrap();
    let ManifestContent::Index { children } = index.content() else { panic!("an index") };
    let seen: Vec<_> =
        children.iter().map(|child| (child.platform.as_ref().map(ToString::to_string), child.attestation)).collect();
    let named = |text: &str| Some(text.to_owned());
    assert_eq!(seen, [(named("linux/arm/v7"), false), (named("unknown/unknown"), true), (None, true), (None, false)]);
}

#[test]
fn t13_thirty_crafted_bodies_are_rejected() {
    let deep = format!(r#"{{"schemaVersion": 2, "manifests": [], "x": {}1{}}}"#, "[".repeat(60), "]".repeat(60));
    let bomb = format!(r#"{{"schemaVersion": 2, "manifests": [], "x": [{}0]}}"#, "0,".repeat(200_000));
    let image = |rest: &str| format!(r#"{{"schemaVersion": 2, {CONFIG}, {LAYERS}{rest}}}"#);
    let index = |child: &str| format!(r#"{{"schemaVersion": 2, "manifests": [{child}]}}"#);
    let bodies: Vec<(&str, String)> = vec![
        ("@oci-index", image(r#", "mediaType": "@oci-image""#)),
        ("@oci-image", image(r#", "mediaType": "@docker-image""#)),
        ("@oci-image", image(r#", "manifests": []"#)),
        ("@oci-index", format!(r#"{{"schemaVersion": 2, "manifests": [], {LAYERS}}}"#)),
        ("@oci-index", format!(r#"{{"schemaVersion": 2, "manifests": [], {CONFIG}}}"#)),
        ("@oci-index", image("")),
        ("@oci-image", r#"{"schemaVersion": 2, "manifests": []}"#.to_owned()),
        ("@oci-image", image(r#", "mediaType": "@oci-image", "mediaType": "@oci-image""#)),
        ("@oci-image", image(r#", "MediaType": "@oci-index""#)),
        ("@oci-image", image(r#", "Layers": []"#)),
        ("@oci-image", image(r#", "layer\u017f": []"#)),
        ("@oci-image", image(r#", "annotations": {"a": "1", "a": "2"}"#)),
        ("@oci-image", image(r#", "x": {"y": 1, "y": 2}"#)),
        ("@oci-image", image(r#", "annotations": {"a": 1}"#)),
        ("@oci-image", image(r#", "mediaType": 2"#)),
        ("@oci-image", format!("{} {{}}", image(""))),
        ("@oci-image", format!("\u{feff}{}", image(""))),
        ("@oci-image", image("")[..40].to_owned()),
        ("@oci-image", format!("[{}]", image(""))),
        ("@oci-image", image("").replace("2, \"config", "1, \"config")),
        ("@oci-image", image("").replace("2, \"config", "\"2\", \"config")),
        ("@oci-image", image(r#", "fsLayers": [], "signatures": []"#)),
        ("@docker-image", image("")),
        ("@oci-image", image("").replace("\"size\": 3", "\"size\": -3")),
        ("@oci-image", image("").replace("\"size\": 3", "\"size\": 3.5")),
        ("@oci-image", image("").replace("@b", "sha256:BB")),
        ("@oci-index", index(r#"{"mediaType": "m", "digest": "@a", "size": 1, "Digest": "@b"}"#)),
        ("@oci-index", index(r#"{"mediaType": "m", "digest": "@a", "size": 1, "digest": "@b"}"#)),
        (
            "@oci-index",
            index(
                r#"{"mediaType": "m", "digest": "@a", "size": 1, "platform": {"os": "li nux", "architecture": "a"}}"#,
            ),
        ),
        ("@oci-index", deep),
        ("@oci-index", bomb),
        ("@oci-index", String::new()),
        ("@oci-index", "null".to_owned()),
        ("@oci-index", format!("{}\n// comment", index(""))),
    ];
    assert!(bodies.len() >= 30);
    for (content_type, text) in bodies {
        let error = check(content_type, &text).map(|_| ()).unwrap_err();
        assert_eq!(error.kind, FailureKind::Integrity, "{content_type} {text:.200}: {error}");
    }
}

#[test]
fn t13_other_types_and_schema_1_are_unsupported() {
    for content_type in [
        "application/vnd.docker.distribution.manifest.v1+prettyjws",
        "application/vnd.docker.distribution.manifest.v1+json",
        "application/json",
        "text/html",
        "",
        "application/vnd.oci.image.manifest.v1+JSON",
    ] {
        let error =
            check(content_type, &format!(r#"{{"schemaVersion": 2, {CONFIG}, {LAYERS}}}"#)).map(|_| ()).unwrap_err();
        assert_eq!(error.kind, FailureKind::Unsupported, "{content_type}");
    }
}

#[test]
fn t12_bytes_that_do_not_match_their_digest_are_rejected() {
    let text = body(&format!(r#"{{"schemaVersion": 2, {CONFIG}, {LAYERS}}}"#));
    let digest = Digest::sha256(text.as_bytes());
    for changed in [format!("{text} "), format!(" {text}"), text.replace("bb", "bc"), String::new()] {
        let error = VerifiedManifest::hash(&digest, Some(OCI_IMAGE), changed.as_bytes()).map(|_| ()).unwrap_err();
        assert_eq!(error.kind, FailureKind::Integrity);
    }
    for length in 0..text.len() {
        assert!(VerifiedManifest::hash(&digest, Some(OCI_IMAGE), &text.as_bytes()[..length]).is_err(), "{length}");
    }
}

#[test]
fn t14_a_manifest_over_4_mib_is_rejected() {
    let text = body(&format!(r#"{{"schemaVersion": 2, {CONFIG}, {LAYERS}, "x": "{}"}}"#, "x".repeat(MANIFEST_MAX)));
    let error = VerifiedManifest::hash(&Digest::sha256(text.as_bytes()), Some(OCI_IMAGE), text.as_bytes()).unwrap_err();
    assert_eq!(error.kind, FailureKind::Integrity);
}

#[test]
fn t14_a_manifest_with_too_many_descriptors_is_rejected() {
    let index = |count: usize| {
        let children = vec![r#"{"mediaType": "m", "digest": "@a", "size": 1}"#; count].join(",");
        check("@oci-index", &format!(r#"{{"schemaVersion": 2, "manifests": [{children}]}}"#)).map(drop)
    };
    assert_eq!(index(DESCRIPTORS_MAX), Ok(()));
    assert_eq!(index(DESCRIPTORS_MAX + 1).unwrap_err().kind, FailureKind::Integrity);
}

#[test]
fn tests_can_create_an_unhashed_manifest() {
    let digest = Digest::sha256(b"");
    let planted =
        VerifiedManifest::unhashed(digest.clone(), ManifestContent::Index { children: vec![] }, BTreeMap::new());
    assert_eq!(*planted.digest(), digest);
}

#[test]
fn all_media_types_are_accepted() {
    assert_eq!(ACCEPT, MEDIA_TYPES.join(", "));
}

#[test]
fn t12_a_blob_must_match_size_and_digest() {
    let repository = "r.example/a".parse().unwrap();
    let verify = |size, bytes: &[u8]| {
        let descriptor = Descriptor::of("c".to_owned(), Digest::sha256(b"ab"), size);
        verify_blob(&descriptor, bytes.to_vec(), &repository).map_err(|error| error.message)
    };
    let id = Digest::sha256(b"ab").short().to_owned();
    assert_eq!(verify(2, b"ab"), Ok(b"ab".to_vec()));
    assert_eq!(verify(3, b"ab"), Err(format!("blob {id} of `r.example/a` does not match its size")));
    assert_eq!(verify(2, b"ac"), Err(format!("blob {id} of `r.example/a` does not match its digest")));
}
