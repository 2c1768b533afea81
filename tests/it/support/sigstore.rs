//! A Sigstore instance for tests: certificate authorities, a certificate log, a signature log, and the people it
//! issues certificates to. Its time is fixed in the past, so that no test depends on today.

use std::ops::Range;

use openssl::asn1::{Asn1Integer, Asn1Object, Asn1OctetString, Asn1Time};
use openssl::base64::encode_block;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::{MessageDigest, hash};
use openssl::nid::Nid;
use openssl::pkey::{PKey, PKeyRef, Private};
use openssl::sign::Signer;
use openssl::x509::extension::{BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAlternativeName};
use openssl::x509::{X509, X509Builder, X509Extension, X509NameBuilder};
use serde_json::{Value, json};

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
    certificate: X509,
    key: PKey<Private>,
}

struct Log(PKey<Private>);

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
    certificate: X509,
    key: PKey<Private>,
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
        Self { root, intermediate, certificates: Log(new_key()), signatures: Log(new_key()) }
    }

    /// Content of a `trusted-root` file.
    pub(crate) fn trusted_root(&self) -> Value {
        let log = |log: &Log| {
            json!({
                "baseUrl": "https://log.example",
                "hashAlgorithm": "SHA2_256",
                "publicKey": {
                    "rawBytes": base64(&log.0.public_key_to_der().unwrap()),
                    "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                    "validFor": {"start": START},
                },
                "logId": {"keyId": base64(&log.id())},
            })
        };
        let der = |authority: &Authority| json!({"rawBytes": base64(&authority.certificate.to_der().unwrap())});
        json!({
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [log(&self.signatures)],
            "ctlogs": [log(&self.certificates)],
            "certificateAuthorities": [{
                "uri": "https://ca.example",
                "certChain": {"certificates": [der(&self.intermediate), der(&self.root)]},
                "validFor": {"start": START},
            }],
        })
    }

    /// Issues a certificate.
    pub(crate) fn session(&self, person: &Person) -> Session<'_> {
        let key = new_key();
        // The log signs the certificate without the log's own answer (RFC 6962, section 3.2).
        let bare = self.leaf(person, &key, None);
        let stamp = person.is_logged.then(|| self.stamp(&bare));
        let certificate = self.leaf(person, &key, stamp.as_deref());
        Session { instance: self, certificate, key, logged: TIME + 5, has_promise: true, has_proof: true }
    }

    fn leaf(&self, person: &Person, key: &PKeyRef<Private>, stamp: Option<&[u8]>) -> X509 {
        let mut builder = builder(key, TIME..TIME + TEN_MINUTES);
        builder.set_issuer_name(self.intermediate.certificate.subject_name()).unwrap();
        let mut usage = ExtendedKeyUsage::new();
        let usage = if person.is_for_code { usage.code_signing() } else { usage.server_auth() };
        builder.append_extension(usage.build().unwrap()).unwrap();
        builder.append_extension(KeyUsage::new().critical().digital_signature().build().unwrap()).unwrap();
        let mut names = SubjectAlternativeName::new();
        match person.identity.contains("://") {
            true => names.critical().uri(&person.identity),
            false => names.critical().email(&person.identity),
        };
        let names = names.build(&builder.x509v3_context(Some(&self.intermediate.certificate), None)).unwrap();
        builder.append_extension(names).unwrap();
        // Fulcio, "OID information": the issuer as raw bytes, and again as a UTF8String.
        let issuer = person.issuer.as_bytes();
        builder.append_extension(extension("1.3.6.1.4.1.57264.1.1", issuer)).unwrap();
        builder.append_extension(extension("1.3.6.1.4.1.57264.1.8", &der(0x0c, issuer))).unwrap();
        if let Some(stamp) = stamp {
            builder.append_extension(extension("1.3.6.1.4.1.11129.2.4.2", &der(0x04, stamp))).unwrap();
        }
        builder.sign(&self.intermediate.key, MessageDigest::sha256()).unwrap();
        builder.build()
    }

    /// List of one signed certificate timestamp (RFC 6962, sections 3.2 and 3.3).
    fn stamp(&self, bare: &X509) -> Vec<u8> {
        let at = u64::try_from(TIME * 1_000).unwrap().to_be_bytes();
        let issuer = sha256(&self.intermediate.key.public_key_to_der().unwrap());
        let bare = bare.to_der().unwrap();
        let body = first_inside(&bare);
        let signed = [&[0, 0][..], &at, &[0, 1], &issuer, &length(body, 3), body, &[0, 0]].concat();
        let signature = self.certificates.sign(&signed);
        let one = [&[0][..], &self.certificates.id(), &at, &[0, 0, 4, 3], &length(&signature, 2), &signature].concat();
        let many = [&length(&one, 2)[..], &one].concat();
        [&length(&many, 2)[..], &many].concat()
    }
}

impl Authority {
    fn new(name: &str, above: Option<&Self>) -> Self {
        let key = new_key();
        let mut builder = builder(&key, TIME - YEARS..TIME + YEARS);
        let mut subject = X509NameBuilder::new().unwrap();
        subject.append_entry_by_nid(Nid::COMMONNAME, name).unwrap();
        let subject = subject.build();
        builder.set_subject_name(&subject).unwrap();
        builder.append_extension(BasicConstraints::new().critical().ca().build().unwrap()).unwrap();
        let issuer = above.map_or(&*subject, |above| above.certificate.subject_name());
        builder.set_issuer_name(issuer).unwrap();
        builder.sign(above.map_or(&key, |above| &above.key), MessageDigest::sha256()).unwrap();
        Self { certificate: builder.build(), key }
    }
}

impl Log {
    /// Log id: the hash of its key (RFC 6962, section 3.2).
    fn id(&self) -> Vec<u8> {
        sha256(&self.0.public_key_to_der().unwrap())
    }

    fn sign(&self, bytes: &[u8]) -> Vec<u8> {
        sign(&self.0, bytes)
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
        let signature = base64(&sign(&self.key, payload));
        let body = self.record(payload, &signature);
        let entry = json!({
            "SignedEntryTimestamp": self.promise(&body),
            "Payload": {
                "body": base64(body.as_bytes()),
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
        let signature = base64(&sign(&self.key, signed.as_bytes()));
        let body = json!({
            "apiVersion": "0.0.1",
            "kind": "dsse",
            "spec": {
                "envelopeHash": {"algorithm": "sha256", "value": hex(&sha256(signed.as_bytes()))},
                "payloadHash": {"algorithm": "sha256", "value": hex(&sha256(payload.as_bytes()))},
                "signatures": [{"signature": signature, "verifier": base64(self.pem().as_bytes())}],
            },
        });
        let mut bundle = self.bundle("dsse", &body.to_string());
        bundle["dsseEnvelope"] = json!({
            "payload": base64(payload.as_bytes()),
            "payloadType": ENVELOPE,
            "signatures": [{"sig": signature}],
        });
        bundle
    }

    /// Builds a bundle around a signature of `manifest` itself.
    pub(crate) fn message(&self, manifest: &[u8]) -> Value {
        let signature = base64(&sign(&self.key, manifest));
        let mut bundle = self.bundle("hashedrekord", &self.record(manifest, &signature));
        bundle["messageSignature"] = json!({
            "messageDigest": {"algorithm": "SHA2_256", "digest": base64(&sha256(manifest))},
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
                "signature": {"content": signature, "publicKey": {"content": base64(self.pem().as_bytes())}},
            },
        });
        body.to_string()
    }

    fn bundle(&self, kind: &str, body: &str) -> Value {
        let mut entry = json!({
            "logIndex": "7",
            "logId": {"keyId": base64(&self.instance.signatures.id())},
            "kindVersion": {"kind": kind, "version": "0.0.1"},
            "integratedTime": self.logged.to_string(),
            "canonicalizedBody": base64(body.as_bytes()),
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
                "certificate": {"rawBytes": base64(&self.certificate.to_der().unwrap())},
                "tlogEntries": [entry],
            },
        })
    }

    /// The log's signature of an entry and its time; keys are in the order of RFC 8785.
    fn promise(&self, body: &str) -> String {
        let (body, id) = (base64(body.as_bytes()), hex(&self.instance.signatures.id()));
        let signed = format!(r#"{{"body":"{body}","integratedTime":{},"logID":"{id}","logIndex":7}}"#, self.logged);
        base64(&self.instance.signatures.sign(signed.as_bytes()))
    }

    /// Proof from an entry, the second of two, to a root that the log signed (RFC 6962, section 2.1.1; C2SP,
    /// "signed-note").
    fn proof(&self, body: &str) -> Value {
        let sibling = sha256(b"another entry");
        let leaf = sha256(&[&[0][..], body.as_bytes()].concat());
        let root = base64(&sha256(&[&[1][..], &sibling, &leaf].concat()));
        let note = format!("log.example - 1\n2\n{root}\n");
        let log = &self.instance.signatures;
        let signature = base64(&[&log.id()[..4], &log.sign(note.as_bytes())].concat());
        json!({
            "logIndex": "1",
            "rootHash": root,
            "treeSize": "2",
            "hashes": [base64(&sibling)],
            "checkpoint": {"envelope": format!("{note}\n\u{2014} log.example {signature}\n")},
        })
    }

    fn pem(&self) -> String {
        String::from_utf8(self.certificate.to_pem().unwrap()).unwrap()
    }

    fn chain(&self) -> String {
        let Instance { root, intermediate, .. } = self.instance;
        let pem = |authority: &Authority| String::from_utf8(authority.certificate.to_pem().unwrap()).unwrap();
        pem(intermediate) + &pem(root)
    }
}

pub(crate) fn base64(bytes: &[u8]) -> String {
    encode_block(bytes).replace('\n', "")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn sha256(bytes: &[u8]) -> Vec<u8> {
    hash(MessageDigest::sha256(), bytes).unwrap().to_vec()
}

fn new_key() -> PKey<Private> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
}

fn sign(key: &PKeyRef<Private>, bytes: &[u8]) -> Vec<u8> {
    let mut signer = Signer::new(MessageDigest::sha256(), key).unwrap();
    signer.update(bytes).unwrap();
    signer.sign_to_vec().unwrap()
}

fn builder(key: &PKeyRef<Private>, validity: Range<i64>) -> X509Builder {
    let mut builder = X509Builder::new().unwrap();
    builder.set_version(2).unwrap();
    builder.set_serial_number(&Asn1Integer::from_bn(&BigNum::from_u32(7).unwrap()).unwrap()).unwrap();
    builder.set_pubkey(key).unwrap();
    builder.set_not_before(&Asn1Time::from_unix(validity.start).unwrap()).unwrap();
    builder.set_not_after(&Asn1Time::from_unix(validity.end).unwrap()).unwrap();
    builder
}

fn extension(name: &str, value: &[u8]) -> X509Extension {
    let (name, value) = (Asn1Object::from_str(name).unwrap(), Asn1OctetString::new_from_bytes(value).unwrap());
    X509Extension::new_from_der(&name, false, &value).unwrap()
}

/// Prefixes `bytes` with a DER tag and their length.
fn der(tag: u8, bytes: &[u8]) -> Vec<u8> {
    let length = u8::try_from(bytes.len()).unwrap();
    let head = if length < 0x80 { vec![tag, length] } else { vec![tag, 0x81, length] };
    [&head, bytes].concat()
}

/// Returns the first value within a DER value; both are longer than 255 bytes.
fn first_inside(bytes: &[u8]) -> &[u8] {
    assert!(bytes[1] == 0x82 && bytes[5] == 0x82);
    &bytes[4..8 + usize::from(u16::from_be_bytes([bytes[6], bytes[7]]))]
}

/// Encodes the length of `bytes` in `size` bytes.
fn length(bytes: &[u8], size: usize) -> Vec<u8> {
    bytes.len().to_be_bytes()[size_of::<usize>() - size..].to_vec()
}
