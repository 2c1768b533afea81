//! Images that must be signed by a key, in the formats of `cosign`.

mod keyless;

use pinstream::model::image::Digest;
use serde_json::{Value, json};

use super::stage::Stage;
use crate::support::encoding::base64;
use crate::support::lane::{needs, slow};
use crate::support::registry::http::Answer;
use crate::support::registry::image::Content;
use crate::support::registry::{DockerRegistry, Image};
use crate::support::sandbox::Sandbox;
use crate::support::signing_key::SigningKey;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const PAYLOAD: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
const ENVELOPE: &str = "application/vnd.in-toto+json";

/// A signer with a key.
struct Signatory(SigningKey);

/// A manifest of signatures and everything that it references.
struct Signed {
    manifest: Content,
    blobs: Vec<Content>,
}

impl Signatory {
    fn new() -> Self {
        Self(SigningKey::p256())
    }

    fn pem(&self) -> String {
        self.0.public_pem()
    }

    fn sign(&self, bytes: &[u8]) -> String {
        base64(self.0.sign(bytes))
    }

    /// A payload and its signature.
    fn payload(&self, digest: &Digest) -> (Content, String) {
        let payload = payload(digest);
        let signature = self.sign(&payload.bytes);
        (payload, signature)
    }

    /// A bundle as a referrer of an image.
    fn bundle(&self, digest: &Digest) -> Signed {
        let statement = statement(digest).to_string();
        let signed = format!("DSSEv1 {} {ENVELOPE} {} {statement}", ENVELOPE.len(), statement.len());
        let bundle = json!({
            "mediaType": BUNDLE,
            "verificationMaterial": {"publicKey": {"hint": "x"}, "tlogEntries": []},
            "dsseEnvelope": {
                "payload": base64(&statement),
                "payloadType": ENVELOPE,
                "signatures": [{"sig": self.sign(signed.as_bytes())}],
            },
        });
        Signed::bundle(&bundle)
    }
}

/// The signed payload of an image in the simple signing format.
fn payload(digest: &Digest) -> Content {
    let payload = json!({
        "critical": {
            "identity": {"docker-reference": "a.example/web"},
            "image": {"docker-manifest-digest": digest.as_str()},
            "type": "cosign container image signature",
        },
        "optional": null,
    });
    Content::new(PAYLOAD, payload.to_string().into_bytes())
}

/// The signed statement of an image in the bundle format.
fn statement(digest: &Digest) -> Value {
    json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"digest": {"sha256": &digest.as_str()[7..]}}],
        "predicateType": "https://sigstore.dev/cosign/sign/v1",
        "predicate": {},
    })
}

impl Signed {
    fn of(layers: Vec<Value>, blobs: Vec<Content>, more: &Value) -> Self {
        let config = Content::new("application/vnd.oci.empty.v1+json", b"{}".to_vec());
        let mut manifest =
            json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": descriptor(&config), "layers": layers});
        manifest.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let manifest = Content::new(MANIFEST, manifest.to_string().into_bytes());
        Self { manifest, blobs: blobs.into_iter().chain([config]).collect() }
    }

    /// A bundle as a referrer of an image.
    fn bundle(bundle: &Value) -> Self {
        let blob = Content::new(BUNDLE, bundle.to_string().into_bytes());
        Self::of(vec![descriptor(&blob)], vec![blob], &json!({"artifactType": BUNDLE}))
    }

    /// Manifest of a `.sig` tag.
    fn payloads(payloads: Vec<(Content, String)>) -> Self {
        let beside = |signature| json!({"dev.cosignproject.cosign/signature": signature});
        Self::annotated(payloads.into_iter().map(|(payload, signature)| (payload, beside(signature))).collect())
    }

    /// Builds it with annotations next to each payload.
    fn annotated(payloads: Vec<(Content, Value)>) -> Self {
        let layer = |(payload, beside): &(Content, Value)| {
            let mut layer = descriptor(payload);
            layer["annotations"] = beside.clone();
            layer
        };
        let layers = payloads.iter().map(layer).collect();
        Self::of(layers, payloads.into_iter().map(|(payload, _)| payload).collect(), &json!({}))
    }
}

fn descriptor(content: &Content) -> Value {
    json!({"mediaType": content.media_type, "digest": content.digest.as_str(), "size": content.bytes.len()})
}

/// List of referrers, as an API or a tag serves it.
fn list(signed: &[&Signed]) -> Content {
    let entry = |signed: &&Signed| {
        let mut entry = descriptor(&signed.manifest);
        entry["artifactType"] = json!(BUNDLE);
        entry
    };
    let entries: Vec<Value> = signed.iter().map(entry).collect();
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries});
    Content::new(INDEX, index.to_string().into_bytes())
}

/// A root whose only tag, `web:one`, requires a signature, at an image of seed 1.
fn stage(key: &Signatory) -> (Stage, Digest) {
    stage_of(key, "image = \"REGISTRY/web:1\"")
}

fn stage_of(key: &Signatory, source: &str) -> (Stage, Digest) {
    let stage = Stage::new("");
    let digest = stage.push("web:1", 1);
    stage.commit("cosign.pub", &key.pem());
    stage.commit("streams/web.toml", &format!("[tags.one]\n{source}\nverify = {{ key = \"cosign.pub\" }}\n"));
    (stage, digest)
}

/// Pushes signatures to the repository `web`, under a tag if one is given.
fn put(stage: &Stage, tag: Option<&str>, signed: Signed) {
    for blob in signed.blobs {
        stage.registry.put("web", None, blob);
    }
    stage.registry.put("web", tag, signed.manifest);
}

fn dashed(digest: &Digest, end: &str) -> String {
    format!("{}{end}", digest.as_str().replace(':', "-"))
}

/// Pushes payloads under the `.sig` tag of `digest`.
fn put_payloads(stage: &Stage, digest: &Digest, payloads: Vec<(Content, String)>) {
    put(stage, Some(&dashed(digest, ".sig")), Signed::payloads(payloads));
}

/// Runs a pass and returns the outcome of `web:one`, with the message of a failure.
#[track_caller]
fn pass(stage: &Stage, code: i32) -> String {
    let report = stage.report(code, &[]);
    let row = report["tags"].as_array().unwrap().iter().find(|row| row["tag"] == "one").unwrap();
    let said = row["error"]["message"].as_str().map(|said| format!(": {}", stage.sandbox.scrubbed(said)));
    format!("{}{}", row["outcome"].as_str().unwrap(), said.unwrap_or_default())
}

#[track_caller]
fn refused(stage: &Stage, part: &str) {
    let pinned = stage.pin("web:one");
    let said = pass(stage, 4);
    assert!(said.starts_with("refused") && said.contains(part), "{said}");
    assert_eq!(stage.pin("web:one"), pinned);
}

#[test]
fn a_signature_under_its_tag_is_accepted() {
    let (ours, theirs) = (Signatory::new(), Signatory::new());
    let (stage, digest) = stage(&ours);
    refused(&stage, "`[REGISTRY]/web:1` is not signed: no signature for");
    put_payloads(&stage, &digest, vec![theirs.payload(&digest)]);
    refused(&stage, "is invalid: signed with another key");
    // Many, with a good one among them.
    let swapped = (ours.payload(&digest).0, ours.payload(&Digest::sha256(b"other")).1);
    put_payloads(&stage, &digest, vec![theirs.payload(&digest), swapped, ours.payload(&digest)]);
    assert_eq!(pass(&stage, 0), "added");

    // A pinned digest is not verified again and costs one request.
    stage.registry.forget();
    assert_eq!(pass(&stage, 0), "unchanged");
    assert_eq!((stage.registry.counts().head, stage.registry.counts().get), (1, 0));
    // The next digest is verified, and the tag keeps its pin if that fails.
    let next = stage.push("web:1", 2);
    put_payloads(&stage, &next, vec![ours.payload(&digest)]);
    refused(&stage, "the signed content names another image");
    put_payloads(&stage, &next, vec![ours.payload(&next)]);
    assert_eq!(pass(&stage, 0), "updated");
    assert_eq!(stage.pin("web:one").as_deref(), Some(next.as_str()));
}

#[test]
fn a_bundle_is_found_through_the_referrers_api() {
    let (ours, theirs) = (Signatory::new(), Signatory::new());
    let (stage, digest) = stage(&ours);
    let answer_with = |list: Content| {
        stage.registry.lie(move |request| {
            let answer = || Answer::new(200).header("content-type", INDEX).body(&*list.bytes);
            request.target.contains("/referrers/").then(answer)
        });
    };
    answer_with(list(&[]));
    refused(&stage, "no signature for");
    let (bad, moved) = (theirs.bundle(&digest), ours.bundle(&Digest::sha256(b"other")));
    answer_with(list(&[&bad, &moved]));
    put(&stage, None, bad);
    put(&stage, None, moved);
    refused(&stage, "none of 2 signatures for");
    let good = ours.bundle(&digest);
    // A listed referrer that is missing does not block others.
    answer_with(list(&[&theirs.bundle(&digest), &good]));
    put(&stage, None, good);
    assert_eq!(pass(&stage, 0), "added");
}

#[test]
fn a_bundle_is_found_through_the_referrers_tag() {
    let ours = Signatory::new();
    let (stage, digest) = stage(&ours);
    let good = ours.bundle(&digest);
    stage.registry.put("web", Some(&dashed(&digest, "")), list(&[&good]));
    put(&stage, None, good);
    assert_eq!(pass(&stage, 0), "added");
}

#[test]
fn a_signature_that_cannot_be_fetched_is_a_failure_not_a_refusal() {
    slow!();
    let ours = Signatory::new();
    let (stage, digest) = stage(&ours);
    put_payloads(&stage, &digest, vec![ours.payload(&digest)]);
    for part in [".sig", "/referrers/", ours.payload(&digest).0.digest.as_str()] {
        if part == "/referrers/" {
            stage.registry.remove("web", &dashed(&digest, ".sig"));
        }
        stage.registry.fail(part, 500);
        let said = pass(&stage, 3);
        assert!(said.starts_with("failed") && said.contains("500"), "{part}: {said}");
        stage.registry.clear_lies();
        put_payloads(&stage, &digest, vec![ours.payload(&digest)]);
    }
    // Bytes that do not match their digest do not count as a signature.
    let payload = ours.payload(&digest).0;
    let path = format!("/blobs/{}", payload.digest);
    stage.registry.lie(move |request| {
        request.target.contains(&path).then(|| Answer::new(200).body(vec![b'x'; payload.bytes.len()]))
    });
    refused(&stage, "does not match its digest");
}

#[test]
fn at_most_fifty_signatures_of_limited_size_are_read() {
    let (ours, theirs) = (Signatory::new(), Signatory::new());
    let (stage, digest) = stage(&ours);
    let behind = |others: usize| {
        let mut all = vec![theirs.payload(&digest); others];
        all.push(ours.payload(&digest));
        put_payloads(&stage, &digest, all);
    };
    behind(50);
    refused(&stage, "none of 50 signatures for");
    let (mut payload, _) = ours.payload(&digest);
    payload.bytes.resize((1 << 20) + 1, b' ');
    let payload = Content::new(PAYLOAD, payload.bytes);
    let signature = ours.sign(&payload.bytes);
    stage.registry.forget();
    put_payloads(&stage, &digest, vec![(payload, signature)]);
    refused(&stage, "larger than 1 MiB");
    behind(49);
    assert_eq!(pass(&stage, 0), "added");
}

#[test]
fn tags_of_one_image_are_verified_once() {
    let ours = Signatory::new();
    let (stage, digest) = stage(&ours);
    put_payloads(&stage, &digest, vec![ours.payload(&digest)]);
    let tag = |name: &str| format!("{name} = {{ image = \"REGISTRY/web:1\", verify.key = \"cosign.pub\" }}\n");
    stage.commit("streams/web.toml", &format!("[tags]\n{}{}", tag("one"), tag("two")));
    assert_eq!(pass(&stage, 0), "added");
    let asked = stage.registry.requests();
    assert_eq!(asked.iter().filter(|request| request.path().ends_with(".sig")).count(), 1);
}

#[test]
fn a_child_is_verified_by_its_own_signature_or_that_of_its_index() {
    let ours = Signatory::new();
    for (at, bytes) in [(0_usize, "index"), (1, "child")] {
        let (stage, _) = stage_of(&ours, "image = \"REGISTRY/web:1\"\nplatform = \"linux/arm64\"");
        let image = Image::new(3).platforms(&["linux/amd64", "linux/arm64"]);
        let index = stage.registry.push("web", "1", &image);
        let built = image.build();
        let sibling = built.children[0].digest.clone();
        put_payloads(&stage, &sibling, vec![ours.payload(&sibling)]);
        refused(&stage, "no signature for");
        let signed = [index, built.children[1].digest.clone()][at].clone();
        put_payloads(&stage, &signed, vec![ours.payload(&signed)]);
        assert_eq!(pass(&stage, 0), "added", "{bytes}");
        assert_eq!(stage.pin("web:one").as_deref(), Some(built.children[1].digest.as_str()));
    }
}

#[test]
fn the_highest_signed_tag_of_a_repository_is_selected() {
    let ours = Signatory::new();
    let (stage, _) = stage_of(&ours, "repository = \"REGISTRY/web\"\nsemver = \"^1\"\nsoak = \"2d\"");
    let digests: Vec<Digest> = (1..=3).map(|seed| stage.push(&format!("web:1.{seed}.0"), seed)).collect();
    refused(&stage, "the next 3 lower tags have no valid signature either");
    put_payloads(&stage, &digests[0], vec![ours.payload(&digests[0])]);
    put_payloads(&stage, &digests[1], vec![ours.payload(&digests[1])]);
    let report = stage.report(0, &[]);
    let notes = stage.sandbox.scrubbed(&report["notes"].to_string());
    let note = "`web:one` uses `[REGISTRY]/web:1.2.0`; passed over without a valid signature: `1.3.0`";
    assert!(notes.contains(note), "{notes}");
    assert_eq!(stage.pin("web:one").as_deref(), Some(digests[1].as_str()));
    assert_eq!(pass(&stage, 0), "unchanged");
    // An unsigned digest does not replace a signed one that is soaking.
    let mut stage = stage;
    let next = stage.push("web:1.2.0", 9);
    put_payloads(&stage, &next, vec![ours.payload(&next)]);
    stage.sandbox.env("PINSTREAM_NOW", "2026-11-24T00:00:00Z");
    assert_eq!(pass(&stage, 0), "soaking");
    stage.sandbox.env("PINSTREAM_NOW", "2026-11-26T00:00:00Z");
    assert_eq!(pass(&stage, 0), "updated");
    put_payloads(&stage, &digests[2], vec![ours.payload(&digests[2])]);
    assert_eq!(pass(&stage, 0), "soaking");
}

#[test]
fn a_digest_written_by_hand_must_be_signed_too() {
    let ours = Signatory::new();
    let (stage, digest) = stage(&ours);
    put_payloads(&stage, &digest, vec![ours.payload(&digest)]);
    assert_eq!(pass(&stage, 0), "added");
    stage.sandbox.git(&["clone", "--quiet", &stage.remote, "."]);
    let next = stage.push("web:1", 2);
    let lock = stage.lock().replace(digest.as_str(), next.as_str()).replace("1.0.1", "1.0.2");
    stage.sandbox.write("pinstream.lock", &lock);
    let ran = stage.sandbox.run(&["check", "--base", "origin/main"]);
    assert!(ran.code == Some(4) && ran.stdout.contains("is not signed"), "{}{}", ran.stdout, ran.stderr);
    put_payloads(&stage, &next, vec![ours.payload(&next)]);
    let ran = stage.sandbox.run(&["check", "--base", "origin/main"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
}

#[test]
fn missing_and_broken_keys_are_reported_with_their_place() {
    let sandbox = Sandbox::new();
    sandbox.write("pinstream.toml", "[import]\nverify = { key = \"a.pub\" }\n");
    sandbox.write("streams/web.toml", "[tags]\none = { image = \"a.example/x:1\", verify.key = \"keys/b.pub\" }\n");
    sandbox.write("keys/b.pub", "-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n");
    let said = r#"--- err
error: `key` of `verify` names `a.pub`, which does not exist
 --> pinstream.toml:2:18
  |
2 | verify = { key = "a.pub" }
  |                  ^^^^^^^
  |
  = help: commit the file at that path, relative to the directory of `pinstream.toml`

error: `key` of `verify` names `keys/b.pub`, which cannot be used: it contains a private key
 --> streams/web.toml:2:47
  |
2 | one = { image = "a.example/x:1", verify.key = "keys/b.pub" }
  |                                               ^^^^^^^^^^^^
  |
  = help: remove it from the repository and its history, and commit the public key instead
--- exit 1"#;
    sandbox.check(&["check"], said);
    // A pass reports the same before any registry request.
    sandbox.check(&["update"], said);
}

#[test]
fn a_signature_in_a_real_registry_is_found() {
    needs!("docker-registry");
    let (docker, ours) = (DockerRegistry::start(), Signatory::new());
    let image = Image::new(1);
    let digest = docker.push("web", "1", &image);
    let sandbox = Sandbox::new();
    let host = docker.host();
    sandbox.write("pinstream.toml", &format!("[registry.\"{host}\"]\nplain-http = true\n"));
    let stream = format!("[tags]\none = {{ image = \"{host}/web:1\", verify = {{ key = \"cosign.pub\" }} }}\n");
    sandbox.write("streams/web.toml", &stream);
    sandbox.write("cosign.pub", &ours.pem());
    let ran = sandbox.run(&["update"]);
    assert_eq!(ran.code, Some(4), "{}{}", ran.stdout, ran.stderr);
    let signed = Signed::payloads(vec![ours.payload(&digest)]);
    for blob in &signed.blobs {
        docker.push_blob("web", blob);
    }
    docker.push_manifest("web", &dashed(&digest, ".sig"), &signed.manifest);
    let ran = sandbox.run(&["update"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
}
