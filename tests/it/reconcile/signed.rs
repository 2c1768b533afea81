//! Images that have to be signed, in the formats that `cosign` writes, by keys made here.

mod keyless;

use openssl::base64::encode_block;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::sign::Signer;
use pinstream::model::image::Digest;
use serde_json::{Value, json};

use super::stage::Stage;
use crate::support::registry::http::Answer;
use crate::support::registry::image::Content;
use crate::support::registry::{DockerRegistry, Image};
use crate::support::sandbox::Sandbox;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const PAYLOAD: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
const ENVELOPE: &str = "application/vnd.in-toto+json";

/// Somebody who signs.
struct Signatory(PKey<Private>);

/// A manifest of signatures, and all that it names.
struct Signed {
    manifest: Content,
    blobs: Vec<Content>,
}

impl Signatory {
    fn new() -> Self {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
        Self(PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap())
    }

    fn pem(&self) -> String {
        String::from_utf8(self.0.public_key_to_pem().unwrap()).unwrap()
    }

    fn sign(&self, bytes: &[u8]) -> String {
        let mut signer = Signer::new(MessageDigest::sha256(), &self.0).unwrap();
        signer.update(bytes).unwrap();
        encode_block(&signer.sign_to_vec().unwrap()).replace('\n', "")
    }

    /// A payload and its signature.
    fn payload(&self, digest: &Digest) -> (Content, String) {
        let payload = payload(digest);
        let signature = self.sign(&payload.bytes);
        (payload, signature)
    }

    /// What refers to an image as a bundle.
    fn bundle(&self, digest: &Digest) -> Signed {
        let statement = statement(digest).to_string();
        let signed = format!("DSSEv1 {} {ENVELOPE} {} {statement}", ENVELOPE.len(), statement.len());
        let bundle = json!({
            "mediaType": BUNDLE,
            "verificationMaterial": {"publicKey": {"hint": "x"}, "tlogEntries": []},
            "dsseEnvelope": {
                "payload": encode_block(statement.as_bytes()).replace('\n', ""),
                "payloadType": ENVELOPE,
                "signatures": [{"sig": self.sign(signed.as_bytes())}],
            },
        });
        Signed::bundle(&bundle)
    }
}

/// What is signed of an image, in the one format.
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

/// What is signed of an image, in the other.
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

    /// What refers to an image as a bundle.
    fn bundle(bundle: &Value) -> Self {
        let blob = Content::new(BUNDLE, bundle.to_string().into_bytes());
        Self::of(vec![descriptor(&blob)], vec![blob], &json!({"artifactType": BUNDLE}))
    }

    /// What stands behind a `.sig` tag.
    fn payloads(payloads: Vec<(Content, String)>) -> Self {
        let beside = |signature| json!({"dev.cosignproject.cosign/signature": signature});
        Self::annotated(payloads.into_iter().map(|(payload, signature)| (payload, beside(signature))).collect())
    }

    /// The same with all that stands beside each payload.
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

/// The list of what refers to an image, as a registry or a tag has it.
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

/// A root whose one tag, `web:one`, has to be signed, at an image of seed 1.
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

/// Puts signatures into the repository `web`, behind a tag where one is named.
fn put(stage: &Stage, tag: Option<&str>, signed: Signed) {
    for blob in signed.blobs {
        stage.registry.put("web", None, blob);
    }
    stage.registry.put("web", tag, signed.manifest);
}

fn dashed(digest: &Digest, end: &str) -> String {
    format!("{}{end}", digest.as_str().replace(':', "-"))
}

/// Puts payloads behind the `.sig` tag of `digest`.
fn put_payloads(stage: &Stage, digest: &Digest, payloads: Vec<(Content, String)>) {
    put(stage, Some(&dashed(digest, ".sig")), Signed::payloads(payloads));
}

/// A pass: how it ended for `web:one`, and what it said of a failure.
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
fn a_signature_behind_its_tag_lets_an_image_through() {
    let (ours, theirs) = (Signatory::new(), Signatory::new());
    let (stage, digest) = stage(&ours);
    refused(&stage, "`[REGISTRY]/web:1` is not signed: there is no signature of");
    put_payloads(&stage, &digest, vec![theirs.payload(&digest)]);
    refused(&stage, "there is one signature, and it is by another key");
    // Many, with a good one among them.
    let swapped = (ours.payload(&digest).0, ours.payload(&Digest::sha256(b"other")).1);
    put_payloads(&stage, &digest, vec![theirs.payload(&digest), swapped, ours.payload(&digest)]);
    assert_eq!(pass(&stage, 0), "added");

    // What is pinned is not verified again, and costs one request.
    stage.registry.forget();
    assert_eq!(pass(&stage, 0), "unchanged");
    assert_eq!((stage.registry.counts().head, stage.registry.counts().get), (1, 0));
    // What it moves to is, and keeps its pin where that is not signed.
    let next = stage.push("web:1", 2);
    put_payloads(&stage, &next, vec![ours.payload(&digest)]);
    refused(&stage, "what was signed names another image");
    put_payloads(&stage, &next, vec![ours.payload(&next)]);
    assert_eq!(pass(&stage, 0), "moved");
    assert_eq!(stage.pin("web:one").as_deref(), Some(next.as_str()));
}

#[test]
fn a_bundle_is_found_by_the_list_of_referrers() {
    let (ours, theirs) = (Signatory::new(), Signatory::new());
    let (stage, digest) = stage(&ours);
    let answer_with = |list: Content| {
        stage.registry.lie(move |request| {
            let answer = || Answer::new(200).header("content-type", INDEX).body(&*list.bytes);
            request.target.contains("/referrers/").then(answer)
        });
    };
    answer_with(list(&[]));
    refused(&stage, "there is no signature");
    let (bad, moved) = (theirs.bundle(&digest), ours.bundle(&Digest::sha256(b"other")));
    answer_with(list(&[&bad, &moved]));
    put(&stage, None, bad);
    put(&stage, None, moved);
    refused(&stage, "there are 2 signatures, none of which holds");
    let good = ours.bundle(&digest);
    // What is listed and not there stands in nobody's way.
    answer_with(list(&[&theirs.bundle(&digest), &good]));
    put(&stage, None, good);
    assert_eq!(pass(&stage, 0), "added");
}

#[test]
fn a_bundle_is_found_by_the_tag_that_stands_in_for_a_list() {
    let ours = Signatory::new();
    let (stage, digest) = stage(&ours);
    let good = ours.bundle(&digest);
    stage.registry.put("web", Some(&dashed(&digest, "")), list(&[&good]));
    put(&stage, None, good);
    assert_eq!(pass(&stage, 0), "added");
}

#[test]
fn a_signature_that_cannot_be_fetched_is_no_missing_one() {
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
        stage.registry.be_honest();
        put_payloads(&stage, &digest, vec![ours.payload(&digest)]);
    }
    // Bytes that are not those of their digest are no signature.
    let payload = ours.payload(&digest).0;
    let path = format!("/blobs/{}", payload.digest);
    stage.registry.lie(move |request| {
        request.target.contains(&path).then(|| Answer::new(200).body(vec![b'x'; payload.bytes.len()]))
    });
    refused(&stage, "does not match its digest");
}

#[test]
fn no_more_than_fifty_signatures_are_looked_at_and_none_that_is_huge() {
    let (ours, theirs) = (Signatory::new(), Signatory::new());
    let (stage, digest) = stage(&ours);
    let behind = |others: usize| {
        let mut all = vec![theirs.payload(&digest); others];
        all.push(ours.payload(&digest));
        put_payloads(&stage, &digest, all);
    };
    behind(50);
    refused(&stage, "there are 50 signatures, none of which holds");
    let (mut payload, _) = ours.payload(&digest);
    payload.bytes.resize((1 << 20) + 1, b' ');
    let payload = Content::new(PAYLOAD, payload.bytes);
    let signature = ours.sign(&payload.bytes);
    stage.registry.forget();
    put_payloads(&stage, &digest, vec![(payload, signature)]);
    refused(&stage, "it is larger than 1 MiB");
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
fn a_child_is_vouched_for_by_its_own_signature_or_by_its_indexs() {
    let ours = Signatory::new();
    for (at, bytes) in [(0_usize, "index"), (1, "child")] {
        let (stage, _) = stage_of(&ours, "image = \"REGISTRY/web:1\"\nplatform = \"linux/arm64\"");
        let image = Image::new(3).platforms(&["linux/amd64", "linux/arm64"]);
        let index = stage.registry.push("web", "1", &image);
        let built = image.build();
        let sibling = built.children[0].digest.clone();
        put_payloads(&stage, &sibling, vec![ours.payload(&sibling)]);
        refused(&stage, "there is no signature");
        let signed = [index, built.children[1].digest.clone()][at].clone();
        put_payloads(&stage, &signed, vec![ours.payload(&signed)]);
        assert_eq!(pass(&stage, 0), "added", "{bytes}");
        assert_eq!(stage.pin("web:one").as_deref(), Some(built.children[1].digest.as_str()));
    }
}

#[test]
fn of_a_repository_the_highest_signed_tag_is_chosen() {
    let ours = Signatory::new();
    let (stage, _) = stage_of(&ours, "repository = \"REGISTRY/web\"\nsemver = \"^1\"\nsoak = \"2d\"");
    let digests: Vec<Digest> = (1..=3).map(|seed| stage.push(&format!("web:1.{seed}.0"), seed)).collect();
    refused(&stage, "nor is any of the 3 tags below it that were tried");
    put_payloads(&stage, &digests[0], vec![ours.payload(&digests[0])]);
    put_payloads(&stage, &digests[1], vec![ours.payload(&digests[1])]);
    let report = stage.report(0, &[]);
    let notes = stage.sandbox.scrubbed(&report["notes"].to_string());
    let note =
        "`web:one` is `[REGISTRY]/web:1.2.0`: passed over for want of a signature that `verify` accepts: `1.3.0`";
    assert!(notes.contains(note), "{notes}");
    assert_eq!(stage.pin("web:one").as_deref(), Some(digests[1].as_str()));
    assert_eq!(pass(&stage, 0), "unchanged");
    // An unsigned one does not begin to wait in the place of a signed one.
    let mut stage = stage;
    let next = stage.push("web:1.2.0", 9);
    put_payloads(&stage, &next, vec![ours.payload(&next)]);
    stage.sandbox.env("PINSTREAM_NOW", "2026-11-24T00:00:00Z");
    assert_eq!(pass(&stage, 0), "soaking");
    stage.sandbox.env("PINSTREAM_NOW", "2026-11-26T00:00:00Z");
    assert_eq!(pass(&stage, 0), "moved");
    put_payloads(&stage, &digests[2], vec![ours.payload(&digests[2])]);
    assert_eq!(pass(&stage, 0), "soaking");
}

#[test]
fn a_digest_that_was_written_by_hand_has_to_be_signed_as_well() {
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
fn keys_that_are_missing_or_broken_are_named_with_their_place() {
    let sandbox = Sandbox::new();
    sandbox.write("pinstream.toml", "[import]\nverify = { key = \"a.pub\" }\n");
    sandbox.write("streams/web.toml", "[tags]\none = { image = \"a.example/x:1\", verify.key = \"keys/b.pub\" }\n");
    sandbox.write("keys/b.pub", "-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n");
    let said = r#"--- err
error: `key` of `verify` names `a.pub`, which is not there
 --> pinstream.toml:2:18
  |
2 | verify = { key = "a.pub" }
  |                  ^^^^^^^
  |
  = help: commit the file at that path, counted from the folder of `pinstream.toml`

error: `key` of `verify` names `keys/b.pub`, which cannot be used: it holds a private key
 --> streams/web.toml:2:47
  |
2 | one = { image = "a.example/x:1", verify.key = "keys/b.pub" }
  |                                               ^^^^^^^^^^^^
  |
  = help: take it out of the repository and of its history, and commit the public key in its place
--- exit 1"#;
    sandbox.check(&["check"], said);
    // A pass says the same before any registry is asked.
    sandbox.check(&["update"], said);
}

#[test]
fn a_signature_in_a_real_registry_is_found() {
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
