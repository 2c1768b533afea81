//! Signatures made with a key: valid ones and every kind of flaw.

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm, KeyPair as _,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::*;
use crate::signature::content::{ENVELOPE_TYPE, PayloadAnnotations};

fn key(algorithm: &'static EcdsaSigningAlgorithm) -> EcdsaKeyPair {
    EcdsaKeyPair::generate(algorithm).unwrap()
}

fn p256() -> EcdsaKeyPair {
    key(&ECDSA_P256_SHA256_ASN1_SIGNING)
}

fn pem(key: &EcdsaKeyPair) -> Vec<u8> {
    block("PUBLIC KEY", key.public_key().as_der().unwrap().as_ref())
}

/// Encodes DER as a PEM block (RFC 7468, section 2).
fn block(label: &str, der: &[u8]) -> Vec<u8> {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = text.as_bytes().chunks(64).map(|line| str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n")).into_bytes()
}

fn sign(key: &EcdsaKeyPair, bytes: &[u8]) -> String {
    STANDARD.encode(key.sign(&SystemRandom::new(), bytes).unwrap())
}

fn annotations(signature: &str) -> PayloadAnnotations {
    PayloadAnnotations::of(&[("dev.cosignproject.cosign/signature".to_owned(), signature.to_owned())].into()).unwrap()
}

fn payload(digest: &Digest) -> Value {
    json!({
        "critical": {
            "identity": {"docker-reference": "a.example/app"},
            "image": {"docker-manifest-digest": digest.as_str()},
            "type": "cosign container image signature",
        },
        "optional": null,
    })
}

fn statement(digest: &Digest) -> Value {
    json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"digest": {"sha256": &digest.as_str()[7..]}}],
        "predicateType": "https://sigstore.dev/cosign/sign/v1",
        "predicate": {},
    })
}

fn bundle(key: &EcdsaKeyPair, kind: &str, payload: &[u8]) -> Value {
    let signed = [format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len()).as_bytes(), payload].concat();
    json!({
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {"publicKey": {"hint": "x"}, "tlogEntries": []},
        "dsseEnvelope": {
            "payload": STANDARD.encode(payload),
            "payloadType": kind,
            "signatures": [{"sig": sign(key, &signed)}],
        },
    })
}

#[test]
fn a_payload_vouches_for_the_digest_it_names_and_no_other() {
    let (ours, theirs) = (p256(), p256());
    let file = KeyFile::read(&pem(&ours)).unwrap();
    let (one, two) = (Digest::sha256(b"1"), Digest::sha256(b"2"));
    let bytes = payload(&one).to_string();
    let good = sign(&ours, bytes.as_bytes());
    let check = |digest, payload: &str, signature: &str| {
        file.verify(digest, RawSignature::Payload(payload.as_bytes(), &annotations(signature)))
    };
    assert_eq!(check(&one, &bytes, &good), Ok(()));
    assert_eq!(check(&two, &bytes, &good), Err(SignatureFlaw::Image));
    assert_eq!(check(&two, &payload(&two).to_string(), &good), Err(SignatureFlaw::Key), "a payload swapped");
    assert_eq!(check(&one, &bytes, &sign(&theirs, bytes.as_bytes())), Err(SignatureFlaw::Key));
    assert_eq!(check(&one, &format!("{bytes} "), &good), Err(SignatureFlaw::Key), "a payload changed");
    assert_eq!(check(&one, &bytes, "?"), Err(SignatureFlaw::Unreadable("invalid Base64")));
    assert_eq!(check(&one, &bytes, "AAAA"), Err(SignatureFlaw::Unreadable("not an ECDSA signature")));
    assert_eq!(check(&one, &bytes, ""), Err(SignatureFlaw::Unreadable("not an ECDSA signature")));

    // Signed by the right key, and nevertheless no approval, or not to be read in one way alone.
    let signed = |text: &str| check(&one, text, &sign(&ours, text.as_bytes()));
    let other = bytes.replace("cosign container image signature", "atomic container signature");
    assert_eq!(signed(&other), Err(SignatureFlaw::Meaning));
    let named = format!("\"docker-manifest-digest\":\"{one}\"");
    let twice = bytes.replace(&named, &format!("\"docker-manifest-digest\":\"{two}\",{named}"));
    assert_ne!(twice, bytes);
    assert_eq!(signed(&twice), Err(SignatureFlaw::Unreadable("unexpected format")));
    assert_eq!(signed("[]"), Err(SignatureFlaw::Unreadable("unexpected format")));
}

#[test]
fn a_bundle_vouches_by_a_statement_that_approves() {
    let (ours, theirs) = (p256(), p256());
    let file = KeyFile::read(&pem(&ours)).unwrap();
    let (one, two) = (Digest::sha256(b"1"), Digest::sha256(b"2"));
    let check = |digest, bundle: &Value| file.verify(digest, RawSignature::Bundle(bundle.to_string().as_bytes()));
    let text = statement(&one).to_string();
    let good = bundle(&ours, ENVELOPE_TYPE, text.as_bytes());
    assert_eq!(check(&one, &good), Ok(()));
    assert_eq!(check(&two, &good), Err(SignatureFlaw::Image));
    assert_eq!(check(&one, &bundle(&theirs, ENVELOPE_TYPE, text.as_bytes())), Err(SignatureFlaw::Key));
    assert_eq!(check(&one, &bundle(&ours, "text/plain", text.as_bytes())), Err(SignatureFlaw::Meaning));

    let mut swapped = good.clone();
    swapped["dsseEnvelope"]["payload"] = json!(STANDARD.encode(statement(&two).to_string()));
    assert_eq!(check(&two, &swapped), Err(SignatureFlaw::Key));
    let mut retyped = good.clone();
    retyped["dsseEnvelope"]["payloadType"] = json!("application/vnd.in-toto+jso");
    assert_eq!(check(&one, &retyped), Err(SignatureFlaw::Key));
    let mut many = good.clone();
    let signatures = many["dsseEnvelope"]["signatures"].as_array_mut().unwrap();
    signatures.insert(0, json!({"sig": "AAAA"}));
    assert_eq!(check(&one, &many), Ok(()));
    let mut none = good.clone();
    none["dsseEnvelope"]["signatures"] = json!([]);
    assert_eq!(check(&one, &none), Err(SignatureFlaw::Key));

    // An attestation by the same key is not a signature.
    let mut scan = statement(&one);
    scan["predicateType"] = json!("https://cosign.sigstore.dev/attestation/vuln/v1");
    assert_eq!(check(&one, &bundle(&ours, ENVELOPE_TYPE, scan.to_string().as_bytes())), Err(SignatureFlaw::Meaning));
}

#[test]
fn a_bundle_vouches_by_a_signature_of_the_manifest_itself() {
    let (ours, manifest) = (p256(), b"{}");
    let file = KeyFile::read(&pem(&ours)).unwrap();
    let bundle = json!({"messageSignature": {"messageDigest": {}, "signature": sign(&ours, manifest)}}).to_string();
    let check = |digest: &Digest| file.verify(digest, RawSignature::Bundle(bundle.as_bytes()));
    assert_eq!(check(&Digest::sha256(manifest)), Ok(()));
    assert_eq!(check(&Digest::sha256(b"[]")), Err(SignatureFlaw::Key));
    assert_eq!(check(&format!("sha512:{}", "0".repeat(128)).parse().unwrap()), Err(SignatureFlaw::Image));
    let neither = SignatureFlaw::Unreadable("expected either an envelope or a signature");
    assert_eq!(file.verify(&Digest::sha256(manifest), RawSignature::Bundle(b"{}")), Err(neither));
}

#[test]
fn a_file_contains_one_or_more_keys() {
    let (old, new) = (p256(), p256());
    let text = [pem(&old), b"the new one\r\n".to_vec(), pem(&new)].concat();
    let windows = String::from_utf8(text).unwrap().replace('\n', "\r\n");
    let file = KeyFile::read(windows.as_bytes()).unwrap();
    let digest = Digest::sha256(b"1");
    let bytes = payload(&digest).to_string();
    for key in [old, new] {
        let beside = annotations(&sign(&key, bytes.as_bytes()));
        assert_eq!(file.verify(&digest, RawSignature::Payload(bytes.as_bytes(), &beside)), Ok(()));
    }
}

#[test]
fn invalid_key_files_are_distinguished() {
    let (good, other) = (p256(), key(&ECDSA_P384_SHA384_ASN1_SIGNING));
    let said = |bytes: &[u8]| {
        let error = KeyFile::read(bytes).unwrap_err();
        assert!(error.help.is_some());
        error.message
    };
    assert_eq!(said(b""), "it contains no public key");
    assert_eq!(said(&[0xff; 4]), "not text, or too large");
    assert_eq!(said(&vec![b' '; FILE_MAX + 1]), "not text, or too large");
    assert_eq!(said(&block("PRIVATE KEY", good.to_pkcs8v1().unwrap().as_ref())), "it contains a private key");
    assert_eq!(said(b"-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n"), "it contains a private key");
    assert_eq!(said(b"-----BEGIN CERTIFICATE-----\n"), "it contains something other than public keys");
    assert_eq!(said(&pem(&other)), "it contains a key other than ECDSA P-256");
    assert_eq!(said(b"-----BEGIN PUBLIC KEY-----\nAAAA"), "it contains a truncated key");
    assert_eq!(said(&pem(&good).repeat(11)), "it contains more than ten keys");
}
