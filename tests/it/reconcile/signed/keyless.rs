//! Images that must be signed by an identity in a certificate.

use pinstream::model::image::Digest;
use serde_json::{Value, json};

use super::{INDEX, Signatory, Signed, dashed, list, pass, payload, put, put_payloads, refused, statement};
use crate::reconcile::stage::Stage;
use crate::support::encoding::base64;
use crate::support::lane::{needs, slow};
use crate::support::registry::http::Answer;
use crate::support::registry::{DockerRegistry, Image};
use crate::support::remote::{git_in, run};
use crate::support::sandbox::Sandbox;
use crate::support::sigstore::{Instance, Person, Session, TIME};

const WORKFLOW: &str = "https://github.com/acme/web/.github/workflows/release.yml@refs/heads/main";
const ISSUER: &str = "https://token.actions.githubusercontent.com";

fn person() -> Person {
    Person::new(WORKFLOW, ISSUER)
}

/// A root whose only tag, `web:one`, must be signed by [`person`], at an image of seed 1.
fn stage(instance: &Instance) -> (Stage, Digest) {
    stage_of(instance, WORKFLOW)
}

fn stage_of(instance: &Instance, identity: &str) -> (Stage, Digest) {
    let stage = Stage::new("");
    let digest = stage.push("web:1", 1);
    stage.commit("keys/trusted_root.json", &instance.trusted_root().to_string());
    stage.commit("streams/web.toml", &stream("image = \"REGISTRY/web:1\"", identity));
    (stage, digest)
}

fn stream(source: &str, identity: &str) -> String {
    format!(
        "[tags.one]\n{source}\n[tags.one.verify]\nissuer = \"{ISSUER}\"\nidentity = \"{identity}\"\n\
         trusted-root = \"keys/trusted_root.json\"\n"
    )
}

/// Pushes payloads with their annotations under the `.sig` tag of `digest`.
fn put_beside(stage: &Stage, digest: &Digest, besides: &[Value]) {
    let payloads = besides.iter().map(|beside| (payload(digest), beside.clone())).collect();
    put(stage, Some(&dashed(digest, ".sig")), Signed::annotated(payloads));
}

/// Annotations of the payload of `digest`, signed in a session.
fn beside(session: &Session<'_>, digest: &Digest) -> Value {
    session.beside(&payload(digest).bytes)
}

/// Replaces the referrers of `digest` by bundles.
fn put_bundles(stage: &Stage, digest: &Digest, bundles: &[Value]) {
    let signed: Vec<Signed> = bundles.iter().map(Signed::bundle).collect();
    stage.registry.put("web", Some(&dashed(digest, "")), list(&signed.iter().collect::<Vec<_>>()));
    signed.into_iter().for_each(|signed| put(stage, None, signed));
}

/// Returns `bundle` with another value at `path`.
fn with(bundle: &Value, path: &str, value: Value) -> Value {
    let mut bundle = bundle.clone();
    *bundle.pointer_mut(path).unwrap_or_else(|| panic!("{path}")) = value;
    bundle
}

/// Returns `bundle` without the value at `path`.
fn without(bundle: &Value, path: &str, key: &str) -> Value {
    let mut bundle = bundle.clone();
    bundle.pointer_mut(path).unwrap().as_object_mut().unwrap().remove(key).unwrap();
    bundle
}

#[test]
fn a_keyless_signature_under_its_tag_is_accepted() {
    let instance = Instance::new();
    let (stage, digest) = stage(&instance);
    refused(&stage, "`[REGISTRY]/web:1` is not signed: no signature for");
    put_payloads(&stage, &digest, vec![Signatory::new().payload(&digest)]);
    refused(&stage, "is invalid: no certificate: signed with a key");
    let session = instance.session(&person());
    put_beside(&stage, &digest, &[beside(&session, &digest)]);
    assert_eq!(pass(&stage, 0), "added");

    // The tag keeps its pin if the signature belongs to another image.
    let next = stage.push("web:1", 2);
    let moved = Signed::annotated(vec![(payload(&digest), beside(&session, &digest))]);
    put(&stage, Some(&dashed(&next, ".sig")), moved);
    refused(&stage, "the signed content names another image");
    put_beside(&stage, &next, &[beside(&session, &digest)]);
    refused(&stage, "the content was changed after signing");
    put_beside(&stage, &next, &[beside(&session, &digest), beside(&session, &next)]);
    assert_eq!(pass(&stage, 0), "updated");
    assert_eq!(stage.pin("web:one").as_deref(), Some(next.as_str()));
}

#[test]
fn t9_messages_name_the_required_and_the_actual_signer() {
    let instance = Instance::new();
    let (stage, digest) = stage_of(&instance, "me@a.example");
    let other = instance.session(&Person::new("you@a.example", "https://accounts.example/`x`\u{202e}\u{1b}[31m"));
    put_beside(&stage, &digest, &[beside(&other, &digest)]);
    stage.check(
        &[],
        r#"--- out
refused  web:one  `[REGISTRY]/web:1` is not signed by `me@a.example` of `https://token.actions.githubusercontent.com`: the only signature for 5ba3d1f9b164 is invalid: signed by `you@a.example` of issuer `https://accounts.example/\u{60}x\u{60}\u{202e}\u{1b}[31m`
                  help: sign `…@sha256:5ba3d1f9b164ea2759c425818802b3ba5d8ed8842732d981c5a6abf6b107e66e` as that identity, or set `identity` and `issuer` to those of the signer
1 refused; nothing to write
--- exit 4
"#,
    );
}

#[test]
fn identities_match_by_issuer_and_in_full() {
    let instance = Instance::new();
    let (stage, digest) = stage_of(&instance, "https://github.com/acme/*@refs/tags/v*");
    let tagged = "https://github.com/acme/web/.github/workflows/release.yml@refs/tags/v1";
    for (identity, issuer) in [
        (WORKFLOW, ISSUER),
        ("https://github.com/acmes/web/release.yml@refs/tags/v1", ISSUER),
        (tagged, "https://token.actions.githubusercontent.com/"),
        (tagged, "https://token.actions.githubusercontent.com.evil.example"),
    ] {
        put_beside(&stage, &digest, &[beside(&instance.session(&Person::new(identity, issuer)), &digest)]);
        refused(&stage, &format!("signed by `{identity}` of issuer `{issuer}`"));
    }
    put_beside(&stage, &digest, &[beside(&instance.session(&Person::new(tagged, ISSUER)), &digest)]);
    assert_eq!(pass(&stage, 0), "added");
}

#[test]
fn a_certificate_needs_the_right_authority_log_and_time() {
    let (instance, stranger) = (Instance::new(), Instance::new());
    let (stage, digest) = stage(&instance);
    let said = |session: &Session<'_>, part: &str| {
        put_beside(&stage, &digest, &[beside(session, &digest)]);
        refused(&stage, part);
        put_beside(&stage, &digest, &[]);
        put_bundles(&stage, &digest, &[session.envelope(&statement(&digest))]);
        refused(&stage, part);
        put_bundles(&stage, &digest, &[]);
    };
    // Everything is from another instance: its log fails first, for the time.
    said(&stranger.session(&person()), "the log entry is not signed by a log of the trusted root, or was changed");
    said(
        &stranger.session(&person()).logged_by(&instance),
        "the certificate is not issued by an authority of the trusted root",
    );
    let for_servers = Person { is_for_code: false, ..person() };
    said(&instance.session(&for_servers), "or not for code signing");
    let unlogged = Person { is_logged: false, ..person() };
    said(&instance.session(&unlogged), "the certificate is not in a certificate log of the trusted root");
    for logged in [TIME - 1, TIME + 601] {
        said(&instance.session(&person()).logged_at(logged), "the certificate was not valid at signing time");
    }
    for logged in [TIME, TIME + 600] {
        let session = instance.session(&person()).logged_at(logged);
        put_beside(&stage, &digest, &[beside(&session, &digest)]);
        assert!(["added", "unchanged"].contains(&pass(&stage, 0).as_str()));
    }
}

#[test]
fn a_payload_needs_a_log_entry() {
    let instance = Instance::new();
    let (stage, digest) = stage(&instance);
    let session = instance.session(&person());
    let good = beside(&session, &digest);
    let bad = |beside: Value, part: &str| {
        put_beside(&stage, &digest, &[beside]);
        refused(&stage, part);
    };
    let (entry_key, certificate) = ("dev.sigstore.cosign/bundle", "dev.sigstore.cosign/certificate");
    bad(without(&good, "", entry_key), "no log entry");
    bad(without(&good, "", certificate), "no certificate");
    bad(with(&good, "/dev.sigstore.cosign~1certificate", json!("?")), "no certificate");
    bad(
        with(
            &good,
            "/dev.sigstore.cosign~1certificate",
            json!("-----BEGIN CERTIFICATE-----\n?\n-----END CERTIFICATE-----"),
        ),
        "invalid certificate",
    );
    let entry: Value = serde_json::from_str(good[entry_key].as_str().unwrap()).unwrap();
    let changed = |path: &str, value: Value| {
        with(&good, "/dev.sigstore.cosign~1bundle", json!(with(&entry, path, value).to_string()))
    };
    let unsigned = "the log entry is not signed by a log of the trusted root, or was changed";
    bad(changed("/Payload/integratedTime", json!(TIME + 6)), unsigned);
    bad(changed("/Payload/logIndex", json!(8)), unsigned);
    bad(changed("/Payload/logID", json!("00".repeat(32))), unsigned);
    bad(changed("/SignedEntryTimestamp", json!(base64("?"))), unsigned);
    bad(changed("/Payload/body", json!(base64("{}"))), "invalid log entry");
    bad(changed("/Payload/logIndex", json!(-1)), "invalid log entry");
    // The log has an entry for another signature by the same certificate.
    let other = session.beside(&payload(&Digest::sha256(b"other")).bytes);
    bad(
        with(&good, "/dev.sigstore.cosign~1bundle", other[entry_key].clone()),
        "the log entry belongs to another signature",
    );
    // A stated time has to be correct.
    let mut timed = good.clone();
    timed["dev.sigstore.cosign/rfc3161timestamp"] = json!(r#"{"SignedRFC3161Timestamp": "AAAA"}"#);
    bad(timed, "no timestamp by an authority of the trusted root");
    // Without intermediate certificates, those of the trusted root are sufficient.
    put_beside(&stage, &digest, &[without(&good, "", "dev.sigstore.cosign/chain")]);
    assert_eq!(pass(&stage, 0), "added");
}

#[test]
fn a_bundle_needs_a_log_entry() {
    let instance = Instance::new();
    let (stage, digest) = stage(&instance);
    let session = instance.session(&person());
    let good = session.envelope(&statement(&digest));
    let bad = |bundle: Value, part: &str| {
        put_bundles(&stage, &digest, &[bundle]);
        refused(&stage, part);
    };
    let (no_entry, unsigned) = ("no log entry", "the log entry is not signed by a log of the trusted root");
    let entry = "/verificationMaterial/tlogEntries/0";
    bad(with(&good, "/verificationMaterial/tlogEntries", json!([])), no_entry);
    bad(session.clone().without_proof().envelope(&statement(&digest)), no_entry);
    bad(
        session.clone().without_promise().envelope(&statement(&digest)),
        "no timestamp by an authority of the trusted root",
    );
    let hash = json!(base64([0; 32]));
    bad(with(&good, &format!("{entry}/inclusionProof/hashes/0"), hash), unsigned);
    bad(with(&good, &format!("{entry}/inclusionProof/treeSize"), json!("1")), unsigned);
    bad(with(&good, &format!("{entry}/inclusionPromise/signedEntryTimestamp"), json!("AAAA")), unsigned);
    let strangers = Instance::new().session(&person()).envelope(&statement(&digest));
    let note = format!("{entry}/inclusionProof");
    bad(with(&good, &note, strangers.pointer(&note).unwrap().clone()), unsigned);
    let other = session.envelope(&statement(&Digest::sha256(b"other")));
    bad(with(&good, entry, other.pointer(entry).unwrap().clone()), "the log entry belongs to another signature");
    // Each costs a verification.
    let many = vec![good.pointer(entry).unwrap().clone(); 11];
    bad(
        with(&good, "/verificationMaterial/tlogEntries", json!(many)),
        "more than ten certificates, log entries or timestamps",
    );
    let note = format!("{entry}/inclusionProof/checkpoint/envelope");
    let text = good.pointer(&note).unwrap().as_str().unwrap();
    let line = text.lines().last().unwrap();
    bad(
        with(&good, &note, json!(format!("{text}{}", format!("{line}\n").repeat(10)))),
        "more than ten certificates, log entries or timestamps",
    );

    put_bundles(&stage, &digest, &[good]);
    assert_eq!(pass(&stage, 0), "added");
}

#[test]
fn a_bundle_must_approve_of_the_same_image() {
    let instance = Instance::new();
    let (stage, digest) = stage(&instance);
    let session = instance.session(&person());
    let other = Digest::sha256(b"other");
    let bad = |bundle: Value, part: &str| {
        put_bundles(&stage, &digest, &[bundle]);
        refused(&stage, part);
    };
    bad(session.envelope(&statement(&other)), "the signed content names another image");
    bad(session.message(b"other"), "the signed content names another image");
    let scan = "https://cosign.sigstore.dev/attestation/vuln/v1";
    bad(
        session.envelope(&with(&statement(&digest), "/predicateType", json!(scan))),
        "the signed content is not an image signature",
    );
    let good = session.envelope(&statement(&digest));
    let swapped = base64(statement(&digest).to_string().replace("{}", "{\"a\": 1}"));
    bad(with(&good, "/dsseEnvelope/payload", json!(swapped)), "the content was changed after signing");
    let mut both = good.clone();
    both["messageSignature"] = session.message(b"other")["messageSignature"].clone();
    bad(both, "expected either an envelope or a signature");
    bad(
        json!({
            "mediaType": good["mediaType"],
            "verificationMaterial": {"publicKey": {"hint": "x"}, "tlogEntries": []},
            "dsseEnvelope": good["dsseEnvelope"],
        }),
        "no certificate: signed with a key",
    );
    // From the registry's own list of referrers, and around a signature of the manifest.
    let manifest = Image::new(1).version("1.0.1").build().top;
    assert_eq!(manifest.digest, digest);
    let signed = Signed::bundle(&session.message(&manifest.bytes));
    let list = list(&[&signed]);
    put(&stage, None, signed);
    stage.registry.lie(move |request| {
        let answer = || Answer::new(200).header("content-type", INDEX).body(&*list.bytes);
        request.target.contains("/referrers/").then(answer)
    });
    assert_eq!(pass(&stage, 0), "added");
}

#[test]
fn a_payload_without_an_image_is_not_accepted() {
    let instance = Instance::new();
    let (stage, digest) = stage(&instance);
    let session = instance.session(&person());
    let mut other = payload(&digest);
    let text = String::from_utf8(other.bytes).unwrap();
    other =
        super::Content::new(super::PAYLOAD, text.replace("cosign container image", "atomic container").into_bytes());
    let beside = session.beside(&other.bytes);
    put(&stage, Some(&dashed(&digest, ".sig")), Signed::annotated(vec![(other, beside)]));
    refused(&stage, "the signed content is not an image signature");
}

#[test]
fn keys_and_identities_are_verified_independently() {
    let (instance, ours) = (Instance::new(), Signatory::new());
    let (stage, digest) = stage(&instance);
    stage.commit("cosign.pub", &ours.pem());
    let tag = |name: &str, rule: &str| format!("{name} = {{ image = \"REGISTRY/web:1\", verify = {{ {rule} }} }}\n");
    let keyless = |name: &str, identity: &str, issuer: &str, root: &str| {
        tag(name, &format!("issuer = \"{issuer}\", identity = \"{identity}\"{root}"))
    };
    let root = ", trusted-root = \"keys/trusted_root.json\"";
    let text = [
        "[tags]\n".to_owned(),
        keyless("one", WORKFLOW, ISSUER, root),
        keyless("other", "me@a.example", ISSUER, root),
        keyless("elsewhere", WORKFLOW, "https://a.example", root),
        keyless("public", WORKFLOW, ISSUER, ""),
        tag("key", "key = \"cosign.pub\""),
    ];
    stage.commit("streams/web.toml", &text.concat());
    put_beside(&stage, &digest, &[beside(&instance.session(&person()), &digest)]);
    let report = stage.report(4, &[]);
    let rows = report["tags"].as_array().unwrap().iter();
    let mut outcomes: Vec<_> = rows.map(|row| format!("{} {}", row["tag"], row["outcome"]).replace('"', "")).collect();
    outcomes.sort();
    assert_eq!(outcomes, ["elsewhere refused", "key refused", "one added", "other refused", "public refused"]);
}

#[test]
fn t19_a_keyless_signature_that_cannot_be_fetched_is_a_failure_not_a_refusal() {
    slow!();
    let instance = Instance::new();
    let (stage, digest) = stage(&instance);
    put_bundles(&stage, &digest, &[instance.session(&person()).envelope(&statement(&digest))]);
    for part in ["/referrers/".to_owned(), format!("/manifests/{}", dashed(&digest, ""))] {
        stage.registry.fail(&part, 500);
        let said = pass(&stage, 3);
        assert!(said.starts_with("failed") && said.contains("500"), "{part}: {said}");
        stage.registry.clear_lies();
    }
    // A failing request does not hide what other requests found.
    stage.registry.fail(".sig", 500);
    assert_eq!(pass(&stage, 0), "added");
}

#[test]
fn a_verdict_is_discarded_when_the_trust_file_changes() {
    let instance = Instance::new();
    let (stage, digest) = stage(&instance);
    put_beside(&stage, &digest, &[beside(&instance.session(&person()), &digest)]);
    stage.repo.git(&["branch", "next", "main"]);
    let other = Instance::new().trusted_root().to_string();
    let next = stage.repo.commit("next", &[("keys/trusted_root.json", &other)]);
    // Somebody replaces the trusted roots while a pass verifies.
    let (repository, mut is_done) = (stage.repo.path(), false);
    stage.registry.lie(move |request| {
        if request.path().ends_with(".sig") && !std::mem::replace(&mut is_done, true) {
            run(git_in(&repository).args(["update-ref", "refs/heads/main", &next]), b"");
        }
        None
    });
    refused(&stage, "the log entry is not signed by a log of the trusted root, or was changed");
}

#[test]
fn the_highest_tag_with_the_right_identity_is_selected() {
    let instance = Instance::new();
    let (stage, _) = stage(&instance);
    stage.commit("streams/web.toml", &stream("repository = \"REGISTRY/web\"\nsemver = \"^1\"", WORKFLOW));
    let digests: Vec<Digest> = (1..=3).map(|seed| stage.push(&format!("web:1.{seed}.0"), seed)).collect();
    let stranger = instance.session(&Person::new("me@a.example", ISSUER));
    put_beside(&stage, &digests[2], &[beside(&stranger, &digests[2])]);
    let session = instance.session(&person());
    put_bundles(&stage, &digests[1], &[session.envelope(&statement(&digests[1]))]);
    put_beside(&stage, &digests[0], &[beside(&session, &digests[0])]);
    let report = stage.report(0, &[]);
    let notes = stage.sandbox.scrubbed(&report["notes"].to_string());
    let note = "`web:one` uses `[REGISTRY]/web:1.2.0`; passed over without a valid signature: `1.3.0`";
    assert!(notes.contains(note), "{notes}");
    assert_eq!(stage.pin("web:one").as_deref(), Some(digests[1].as_str()));
}

#[test]
fn a_child_is_verified_by_the_signature_of_its_index() {
    let instance = Instance::new();
    let (stage, _) = stage(&instance);
    let source = "image = \"REGISTRY/web:1\"\nplatform = \"linux/arm64\"";
    stage.commit("streams/web.toml", &stream(source, WORKFLOW));
    let image = Image::new(3).platforms(&["linux/amd64", "linux/arm64"]);
    let index = stage.registry.push("web", "1", &image);
    put_beside(&stage, &index, &[beside(&instance.session(&person()), &index)]);
    assert_eq!(pass(&stage, 0), "added");
    assert_eq!(stage.pin("web:one").as_deref(), Some(image.build().children[1].digest.as_str()));
}

#[test]
fn missing_and_broken_trusted_roots_are_reported_with_their_place() {
    let sandbox = Sandbox::new();
    let verify = |root: &str| format!("issuer = \"{ISSUER}\", identity = \"me@a.example\", trusted-root = \"{root}\"");
    sandbox.write("pinstream.toml", &format!("[import]\nverify = {{ {} }}\n", verify("a.json")));
    let stream = format!("[tags]\none = {{ image = \"a.example/x:1\", verify = {{ {} }} }}\n", verify("keys/b.json"));
    sandbox.write("streams/web.toml", &stream);
    sandbox.write("keys/b.json", "{}");
    let said = r#"--- err
error: `trusted-root` of `verify` names `a.json`, which does not exist
 --> pinstream.toml:2:110
  |
2 | verify = { issuer = "https://token.actions.githubusercontent.com", identity = "me@a.example", trusted-root = "a.json" }
  |                                                                                                              ^^^^^^^^
  |
  = help: commit the file at that path, relative to the directory of `pinstream.toml`

error: `trusted-root` of `verify` names `keys/b.json`, which cannot be used: not a trusted root
 --> streams/web.toml:2:143
  |
2 | ...ercontent.com", identity = "me@a.example", trusted-root = "keys/b.json" } }
  |                                                              ^^^^^^^^^^^^^
  |
  = help: use a trusted root of Sigstore as written by `cosign trusted-root create`
--- exit 1"#;
    sandbox.check(&["check"], said);
    // A pass reports the same before any registry request.
    sandbox.check(&["update"], said);
    let whole = Instance::new().trusted_root();
    for (root, part) in [
        (with(&whole, "/certificateAuthorities", json!([])), "which cannot be used: it contains no authority"),
        (with(&whole, "/ctlogs", json!([])), "which cannot be used: it contains no certificate log"),
        (with(&whole, "/tlogs", json!([])), "which cannot be used: it contains no signature log"),
        (with(&whole, "/mediaType", json!("application/json")), "which cannot be used: not a trusted root"),
        (
            with(&whole, "/tlogs/0/publicKey/rawBytes", json!("AAAA")),
            "which cannot be used: it contains an invalid key, certificate or time",
        ),
    ] {
        sandbox.write("keys/b.json", &root.to_string());
        let ran = sandbox.run(&["check"]);
        assert!(ran.stderr.contains(part), "{part}: {}", ran.stderr);
    }
    sandbox.write("keys/b.json", &whole.to_string());
    sandbox.write("a.json", &whole.to_string());
    let ran = sandbox.run(&["check"]);
    assert!(!ran.stderr.contains("cannot be used"), "{}", ran.stderr);
}

#[test]
fn a_keyless_signature_in_a_real_registry_is_found() {
    needs!("docker-registry");
    let (docker, instance) = (DockerRegistry::start(), Instance::new());
    let digest = docker.push("web", "1", &Image::new(1));
    let sandbox = Sandbox::new();
    let host = docker.host();
    sandbox.write("pinstream.toml", &format!("[registry.\"{host}\"]\nplain-http = true\n"));
    sandbox.write("streams/web.toml", &stream(&format!("image = \"{host}/web:1\""), WORKFLOW));
    sandbox.write("keys/trusted_root.json", &instance.trusted_root().to_string());
    let put = |tag: &str, signed: &Signed| {
        signed.blobs.iter().for_each(|blob| docker.push_blob("web", blob));
        docker.push_manifest("web", tag, &signed.manifest);
    };
    let stranger = instance.session(&Person::new("me@a.example", ISSUER));
    let annotated = |session: &Session<'_>| Signed::annotated(vec![(payload(&digest), beside(session, &digest))]);
    put(&dashed(&digest, ".sig"), &annotated(&stranger));
    let ran = sandbox.run(&["update"]);
    assert_eq!(ran.code, Some(4), "{}{}", ran.stdout, ran.stderr);
    put(&dashed(&digest, ".sig"), &annotated(&instance.session(&person())));
    let ran = sandbox.run(&["update"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
}
