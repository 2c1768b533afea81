//! A Sigstore instance for tests: certificate authorities, a certificate log, a signature log, and the people it
//! issues certificates to. Its time is fixed in the past, so that no test depends on today.

use pinstream::text::encoding::hex;
use serde_json::{Value, json};

use super::certificate::{
    OCTET_STRING, SubjectName, UTF8_STRING, UnsignedCertificate, authority, der, digital_signature, extension,
    key_purpose, subject_names,
};
use super::encoding::{base64, pem};
use super::signing_key::{SigningKey, sha256};

/// Time of issuing and signing: 2023-11-14T22:13:20Z.
pub(crate) const TIME: i64 = 1_700_000_000;
/// Validity of a certificate, as with Fulcio.
const TEN_MINUTES: i64 = 600;
const YEARS: i64 = 300_000_000;
const START: &str = "2021-01-01T00:00:00Z";
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
const ENVELOPE: &str = "application/vnd.in-toto+json";

/// Authorities and logs of one instance.
pub(crate) struct Instance {
    root: Authority,
    intermediate: Authority,
    certificates: Log,
    signatures: Log,
}

struct Authority {
    name: &'static str,
    certificate: Vec<u8>,
    key: SigningKey,
}

struct Log(SigningKey);

/// Subject of a certificate, and what is wrong with the certificate.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) identity: String,
    pub(crate) issuer: String,
    /// Set if the certificate log contains it.
    pub(crate) is_logged: bool,
    /// Set if it is for code signing.
    pub(crate) is_for_code: bool,
}

/// A certificate, its key, and how signatures with it are logged.
#[derive(Clone)]
pub(crate) struct Session<'a> {
    instance: &'a Instance,
    /// The certificate in DER.
    certificate: Vec<u8>,
    key: SigningKey,
    /// Time at which the signature was logged.
    logged: i64,
    /// Set if the log signed a promise of inclusion.
    has_promise: bool,
    /// Set if the log gives a proof of inclusion.
    has_proof: bool,
}

impl Person {
    pub(crate) fn new(identity: &str, issuer: &str) -> Self {
        Self { identity: identity.to_owned(), issuer: issuer.to_owned(), is_logged: true, is_for_code: true }
    }
}

impl Instance {
    pub(crate) fn new() -> Self {
        let root = Authority::new("root", None);
        let intermediate = Authority::new("intermediate", Some(&root));
        Self { root, intermediate, certificates: Log(SigningKey::p256()), signatures: Log(SigningKey::p256()) }
    }

    /// Content of a `trusted-root` file.
    pub(crate) fn trusted_root(&self) -> Value {
        let log = |log: &Log| {
            json!({
                "baseUrl": "https://log.example",
                "hashAlgorithm": "SHA2_256",
                "publicKey": {
                    "rawBytes": base64(log.0.public_der()),
                    "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                    "validFor": {"start": START},
                },
                "logId": {"keyId": base64(log.id())},
            })
        };
        let raw = |authority: &Authority| json!({"rawBytes": base64(&authority.certificate)});
        json!({
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [log(&self.signatures)],
            "ctlogs": [log(&self.certificates)],
            "certificateAuthorities": [{
                "uri": "https://ca.example",
                "certChain": {"certificates": [raw(&self.intermediate), raw(&self.root)]},
                "validFor": {"start": START},
            }],
        })
    }

    /// Issues a certificate.
    pub(crate) fn session(&self, person: &Person) -> Session<'_> {
        let key = SigningKey::p256();
        let mut unsigned = self.leaf(person, &key);
        if person.is_logged {
            // The log signs the certificate without the log's own answer (RFC 6962, section 3.2).
            let stamp = self.stamp(&unsigned.signed_part(&self.intermediate.key));
            unsigned.extensions.push(extension("1.3.6.1.4.1.11129.2.4.2", false, &der(OCTET_STRING, &stamp)));
        }
        let certificate = unsigned.sign(&self.intermediate.key);
        Session { instance: self, certificate, key, logged: TIME + 5, has_promise: true, has_proof: true }
    }

    fn leaf<'a>(&self, person: &Person, key: &'a SigningKey) -> UnsignedCertificate<'a> {
        // Code signing, or the authentication of servers.
        let purpose = if person.is_for_code { "1.3.6.1.5.5.7.3.3" } else { "1.3.6.1.5.5.7.3.1" };
        let name = match person.identity.contains("://") {
            true => SubjectName::Uri(&person.identity),
            false => SubjectName::Email(&person.identity),
        };
        // Fulcio, "OID information": the issuer as raw bytes, and again as a UTF8String.
        let issuer = person.issuer.as_bytes();
        let extensions = vec![
            key_purpose(purpose),
            digital_signature(),
            subject_names(true, &[name]),
            extension("1.3.6.1.4.1.57264.1.1", false, issuer),
            extension("1.3.6.1.4.1.57264.1.8", false, &der(UTF8_STRING, issuer)),
        ];
        let validity = TIME..TIME + TEN_MINUTES;
        UnsignedCertificate { subject: None, issuer: self.intermediate.name, key, validity, extensions }
    }

    /// List of one signed certificate timestamp (RFC 6962, sections 3.2 and 3.3).
    fn stamp(&self, certificate: &[u8]) -> Vec<u8> {
        let at = u64::try_from(TIME * 1_000).unwrap().to_be_bytes();
        let issuer = sha256(&self.intermediate.key.public_der());
        let signed = [&[0, 0][..], &at, &[0, 1], &issuer, &length(certificate, 3), certificate, &[0, 0]].concat();
        let signature = self.certificates.0.sign(&signed);
        let one = [&[0][..], &self.certificates.id(), &at, &[0, 0, 4, 3], &length(&signature, 2), &signature].concat();
        let many = [&length(&one, 2)[..], &one].concat();
        [&length(&many, 2)[..], &many].concat()
    }
}

impl Authority {
    fn new(name: &'static str, above: Option<&Self>) -> Self {
        let key = SigningKey::p256();
        let certificate = UnsignedCertificate {
            subject: Some(name),
            issuer: above.map_or(name, |above| above.name),
            key: &key,
            validity: TIME - YEARS..TIME + YEARS,
            extensions: vec![authority()],
        };
        let certificate = certificate.sign(above.map_or(&key, |above| &above.key));
        Self { name, certificate, key }
    }
}

impl Log {
    /// Log id: the hash of its key (RFC 6962, section 3.2).
    fn id(&self) -> Vec<u8> {
        sha256(&self.0.public_der())
    }
}

impl<'a> Session<'a> {
    /// Logs signatures in another instance.
    pub(crate) fn logged_by(self, instance: &'a Instance) -> Self {
        Self { instance, ..self }
    }

    /// Logs signatures at another time.
    pub(crate) fn logged_at(self, logged: i64) -> Self {
        Self { logged, ..self }
    }

    /// Leaves out the promise of inclusion.
    pub(crate) fn without_promise(self) -> Self {
        Self { has_promise: false, ..self }
    }

    /// Leaves out the proof of inclusion.
    pub(crate) fn without_proof(self) -> Self {
        Self { has_proof: false, ..self }
    }

    /// Annotations next to a payload, as `cosign` writes them.
    pub(crate) fn beside(&self, payload: &[u8]) -> Value {
        let signature = base64(self.key.sign(payload));
        let body = self.record(payload, &signature);
        let entry = json!({
            "SignedEntryTimestamp": self.promise(&body),
            "Payload": {
                "body": base64(body),
                "integratedTime": self.logged,
                "logIndex": 7,
                "logID": hex(&self.instance.signatures.id()),
            },
        });
        json!({
            "dev.cosignproject.cosign/signature": signature,
            "dev.sigstore.cosign/certificate": self.pem(),
            "dev.sigstore.cosign/chain": self.chain(),
            "dev.sigstore.cosign/bundle": entry.to_string(),
        })
    }

    /// Builds a bundle around a statement.
    pub(crate) fn envelope(&self, statement: &Value) -> Value {
        let payload = statement.to_string();
        let signed = format!("DSSEv1 {} {ENVELOPE} {} {payload}", ENVELOPE.len(), payload.len());
        let signature = base64(self.key.sign(signed.as_bytes()));
        let body = json!({
            "apiVersion": "0.0.1",
            "kind": "dsse",
            "spec": {
                "envelopeHash": {"algorithm": "sha256", "value": hex(&sha256(signed.as_bytes()))},
                "payloadHash": {"algorithm": "sha256", "value": hex(&sha256(payload.as_bytes()))},
                "signatures": [{"signature": signature, "verifier": base64(self.pem())}],
            },
        });
        let mut bundle = self.bundle("dsse", &body.to_string());
        bundle["dsseEnvelope"] = json!({
            "payload": base64(&payload),
            "payloadType": ENVELOPE,
            "signatures": [{"sig": signature}],
        });
        bundle
    }

    /// Builds a bundle around a signature of `manifest` itself.
    pub(crate) fn message(&self, manifest: &[u8]) -> Value {
        let signature = base64(self.key.sign(manifest));
        let mut bundle = self.bundle("hashedrekord", &self.record(manifest, &signature));
        bundle["messageSignature"] = json!({
            "messageDigest": {"algorithm": "SHA2_256", "digest": base64(sha256(manifest))},
            "signature": signature,
        });
        bundle
    }

    /// Log entry of a signature of `bytes`.
    fn record(&self, bytes: &[u8], signature: &str) -> String {
        let body = json!({
            "apiVersion": "0.0.1",
            "kind": "hashedrekord",
            "spec": {
                "data": {"hash": {"algorithm": "sha256", "value": hex(&sha256(bytes))}},
                "signature": {"content": signature, "publicKey": {"content": base64(self.pem())}},
            },
        });
        body.to_string()
    }

    fn bundle(&self, kind: &str, body: &str) -> Value {
        let mut entry = json!({
            "logIndex": "7",
            "logId": {"keyId": base64(self.instance.signatures.id())},
            "kindVersion": {"kind": kind, "version": "0.0.1"},
            "integratedTime": self.logged.to_string(),
            "canonicalizedBody": base64(body),
        });
        if self.has_promise {
            entry["inclusionPromise"] = json!({"signedEntryTimestamp": self.promise(body)});
        }
        if self.has_proof {
            entry["inclusionProof"] = self.proof(body);
        }
        json!({
            "mediaType": BUNDLE,
            "verificationMaterial": {
                "certificate": {"rawBytes": base64(&self.certificate)},
                "tlogEntries": [entry],
            },
        })
    }

    /// The log's signature of an entry and its time; keys are in the order of RFC 8785.
    fn promise(&self, body: &str) -> String {
        let (body, id) = (base64(body), hex(&self.instance.signatures.id()));
        let signed = format!(r#"{{"body":"{body}","integratedTime":{},"logID":"{id}","logIndex":7}}"#, self.logged);
        base64(self.instance.signatures.0.sign(signed.as_bytes()))
    }

    /// Proof from an entry, the second of two, to a root that the log signed (RFC 6962, section 2.1.1; C2SP,
    /// "signed-note").
    fn proof(&self, body: &str) -> Value {
        let sibling = sha256(b"another entry");
        let leaf = sha256(&[&[0][..], body.as_bytes()].concat());
        let root = base64(sha256(&[&[1][..], &sibling, &leaf].concat()));
        let note = format!("log.example - 1\n2\n{root}\n");
        let log = &self.instance.signatures;
        let signature = base64([&log.id()[..4], &log.0.sign(note.as_bytes())].concat());
        json!({
            "logIndex": "1",
            "rootHash": root,
            "treeSize": "2",
            "hashes": [base64(sibling)],
            "checkpoint": {"envelope": format!("{note}\n\u{2014} log.example {signature}\n")},
        })
    }

    fn pem(&self) -> String {
        pem("CERTIFICATE", &self.certificate)
    }

    fn chain(&self) -> String {
        let Instance { root, intermediate, .. } = self.instance;
        [intermediate, root].map(|authority| pem("CERTIFICATE", &authority.certificate)).concat()
    }
}

/// Encodes the length of `bytes` in `size` bytes.
fn length(bytes: &[u8], size: usize) -> Vec<u8> {
    bytes.len().to_be_bytes()[size_of::<usize>() - size..].to_vec()
}
