//! Parsing of keyless signatures before verification; verification is tested with a private Sigstore instance, in
//! `tests/it/reconcile/signed/keyless.rs`.

use serde_json::{Value, json};

use super::*;

fn annotations(entry: &Value, more: &[(&str, String)]) -> PayloadAnnotations {
    let certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_owned();
    let texts = [
        ("dev.cosignproject.cosign/signature", "AAAA".to_owned()),
        ("dev.sigstore.cosign/certificate", certificate),
        ("dev.sigstore.cosign/bundle", entry.to_string()),
    ];
    let texts = texts.into_iter().chain(more.iter().map(|(key, text)| (*key, text.clone())));
    PayloadAnnotations::of(&texts.map(|(key, text)| (key.to_owned(), text)).collect()).unwrap()
}

fn log_entry(kind: &str, version: &str) -> Value {
    let body = json!({"apiVersion": version, "kind": kind, "spec": {}});
    json!({
        "SignedEntryTimestamp": "AAAA",
        "Payload": {
            "body": CanonicalizedBody::new(body.to_string().into_bytes()).to_base64(),
            "integratedTime": 1_700_000_000,
            "logIndex": 7,
            "logID": "c0d2",
        },
    })
}

#[test]
fn the_root_of_the_public_instance_is_one() {
    assert!(TrustedRoot::public().is_some());
}

#[test]
fn the_annotations_of_a_payload_become_a_bundle() {
    let bundle = bundle_of(&annotations(&log_entry("hashedrekord", "0.0.1"), &[])).unwrap();
    let shown: Value = serde_json::from_str(&bundle.to_json().unwrap()).unwrap();
    let entry = &shown["verificationMaterial"]["tlogEntries"][0];
    assert_eq!(shown["mediaType"], "application/vnd.dev.sigstore.bundle+json;version=0.1");
    assert_eq!(shown["messageSignature"]["signature"], "AAAA");
    assert_eq!(shown["verificationMaterial"]["x509CertificateChain"]["certificates"], json!([{"rawBytes": "AAAA"}]));
    assert_eq!(entry["logId"]["keyId"], "wNI=");
    assert_eq!(entry["inclusionPromise"]["signedEntryTimestamp"], "AAAA");
    assert_eq!(entry["kindVersion"], json!({"kind": "hashedrekord", "version": "0.0.1"}));
}

#[test]
fn a_chain_and_a_time_go_along_and_too_much_of_either_does_not() {
    let (entry, certificate) = (log_entry("hashedrekord", "0.0.1"), annotations(&json!(0), &[]).certificate.unwrap());
    let with = |count: usize| {
        let chain = ("dev.sigstore.cosign/chain", certificate.repeat(count));
        let time = ("dev.sigstore.cosign/rfc3161timestamp", r#"{"SignedRFC3161Timestamp": "AAAA"}"#.to_owned());
        bundle_of(&annotations(&entry, &[chain, time]))
    };
    let bundle = with(9).unwrap();
    let VerificationMaterialContent::X509CertificateChain { certificates } = &bundle.verification_material.content
    else {
        panic!("a chain");
    };
    assert_eq!(certificates.len(), 10);
    assert_eq!(bundle.verification_material.timestamp_verification_data.rfc3161_timestamps.len(), 1);
    assert_eq!(with(10).unwrap_err(), SignatureFlaw::Unreadable("more than ten certificates"));
}

#[test]
fn a_log_entry_of_an_unknown_kind_is_reported() {
    let said = |entry: &Value| bundle_of(&annotations(entry, &[])).unwrap_err();
    assert_eq!(said(&log_entry("rekord", "0.0.1")), UNKNOWN);
    assert_eq!(said(&log_entry("hashedrekord", "9")), UNKNOWN);
    assert_eq!(said(&json!({})), SignatureFlaw::Unreadable("invalid log entry"));
}
