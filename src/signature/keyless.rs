//! Keyless signatures: by a key that is used once, which a certificate binds to an identity for some minutes.
//!
//! Whether the certificate, its logs and the time of the signature hold is verified by the Sigstore project's own
//! library, offline, against a trusted root; nothing of that is ever left out. Here stands what is particular to
//! images: the formats of `cosign` are made the bundles that the library takes, in bounds of ours, and what was signed
//! has to approve of the very digest.

use std::fmt;
use std::sync::LazyLock;

use serde::Deserialize;
use sigstore_verify::bundle::Error as Shape;
use sigstore_verify::trust_root::{SIGSTORE_PRODUCTION_TRUSTED_ROOT, TrustedRoot as Anchors};
use sigstore_verify::types::{
    Artifact, ArtifactDigest, Bundle, CanonicalizedBody, DerCertificate, DigestBytes, HashAlgorithm, InclusionPromise,
    KindVersion, LogId, LogIndex, LogKeyId, MediaType, MessageSignature, Rfc3161Timestamp, SignatureBytes,
    SignatureContent, SignedTimestamp, TimestampToken, TimestampVerificationData, TransparencyLogEntry,
    VerificationMaterial, VerificationMaterialContent, X509Certificate,
};
use sigstore_verify::{CertificateError, Error, TransparencyLogError, VerificationPolicy, Verifier, crypto};

use super::{
    CertificateIdentity, PayloadAnnotations, RawSignature, SEVERAL_MAX, SignatureFlaw, approves_by_payload,
    approves_by_statement, pem, read,
};
use crate::model::image::{Digest, NameError};
use crate::text::escape;

/// The largest trusted root, in bytes: that of the public instance has a tenth of it.
const FILE_MAX: usize = 128 << 10;
/// How the media type of a trusted root begins, whatever its version.
const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.trustedroot";

/// The authorities and logs of one instance of Sigstore.
pub struct TrustedRoot {
    verifier: Verifier,
    id: Digest,
}

impl fmt::Debug for TrustedRoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TrustedRoot")
    }
}

impl TrustedRoot {
    /// Reads a trusted root as Sigstore writes it, in JSON (Sigstore protobuf-specs, "sigstore_trustroot.proto").
    ///
    /// # Errors
    /// A sentence and a way out.
    pub fn read(bytes: &[u8]) -> Result<Self, NameError> {
        let help = "put a trusted root of Sigstore there, as `cosign trusted-root create` writes it";
        let refuse = |what: &str| NameError::new(what).help(help);
        let text = std::str::from_utf8(bytes).ok().filter(|text| text.len() <= FILE_MAX);
        let text = text.ok_or_else(|| refuse("it is no text of bearable length"))?;
        let anchors = Anchors::from_json(text).ok().filter(|anchors| anchors.media_type.starts_with(MEDIA_TYPE));
        let anchors = anchors.ok_or_else(|| refuse("it is no trusted root"))?;
        // Without one of them no signature could ever hold.
        let missing = match &anchors {
            Anchors { certificate_authorities, .. } if certificate_authorities.is_empty() => Some("no authority"),
            Anchors { ctlogs, .. } if ctlogs.is_empty() => Some("no log of certificates"),
            Anchors { tlogs, .. } if tlogs.is_empty() => Some("no log of signatures"),
            _ => None,
        };
        if let Some(missing) = missing {
            return Err(refuse(&format!("it names {missing}")));
        }
        let unusable = |_| refuse("a key, a certificate or a time in it cannot be used");
        Ok(Self { verifier: Verifier::new(&anchors).map_err(unusable)?, id: Digest::sha256(bytes) })
    }

    /// The digest of the file: two with the same one trust the same.
    pub(super) fn id(&self) -> &Digest {
        &self.id
    }

    /// That of Sigstore's public instance, as it was when this program was built.
    pub(super) fn public() -> Option<&'static Self> {
        static PUBLIC: LazyLock<Option<TrustedRoot>> =
            LazyLock::new(|| TrustedRoot::read(SIGSTORE_PRODUCTION_TRUSTED_ROOT.as_bytes()).ok());
        PUBLIC.as_ref()
    }

    /// Whether `signed` is by `signer` and vouches for `digest`.
    ///
    /// # Errors
    /// Why it does not.
    pub(super) fn vouches(
        &self,
        signer: &CertificateIdentity,
        digest: &Digest,
        signed: RawSignature<'_>,
    ) -> Result<(), SignatureFlaw> {
        match signed {
            RawSignature::Payload(payload, beside) => {
                let verified = self.verify(signer, &bundle_of(beside)?, Artifact::Blob(payload));
                // The digest of a payload follows from its bytes, so that only the log can have another.
                verified.map_err(|flaw| if flaw == SignatureFlaw::Image { SignatureFlaw::OtherEntry } else { flaw })?;
                approves_by_payload(payload, digest)
            }
            RawSignature::Bundle(bytes) => {
                let bundle = bundle(bytes)?;
                self.verify(signer, &bundle, Artifact::Digest(artifact(digest).ok_or(SignatureFlaw::Image)?))?;
                match &bundle.content {
                    SignatureContent::DsseEnvelope(envelope) => {
                        approves_by_statement(&envelope.payload_type, envelope.payload.as_bytes(), digest)
                    }
                    // What was signed is the digest itself.
                    SignatureContent::MessageSignature(_) => Ok(()),
                    _ => Err(UNKNOWN),
                }
            }
        }
    }

    /// Verifies everything but what was signed means.
    fn verify(
        &self,
        signer: &CertificateIdentity,
        bundle: &Bundle,
        artifact: Artifact<'_>,
    ) -> Result<(), SignatureFlaw> {
        // Who it is by is compared below and not by the library, for a star, and so that the error can name both.
        let verified = self.verifier.verify(artifact, bundle, &VerificationPolicy::any_identity());
        let verified = verified.map_err(|error| flaw(error, bundle))?;
        let identity = verified.identity().map(crypto::SubjectAltName::as_str);
        let issuer = verified.issuer();
        if identity.is_some_and(|name| signer.identity.matches(name)) && issuer == Some(signer.issuer.as_str()) {
            return Ok(());
        }
        let shown = |text: Option<&str>| escape::terminal(text.unwrap_or("nobody")).replace('`', "\\u{60}");
        Err(SignatureFlaw::Identity { identity: shown(identity), issuer: shown(issuer) })
    }
}

const UNKNOWN: SignatureFlaw = SignatureFlaw::Unreadable("it is of a kind that is not known here");

/// What the library found, in words for whoever signed, or wrote `verify`.
fn flaw(error: Error, bundle: &Bundle) -> SignatureFlaw {
    match error {
        Error::SignatureInvalid(_) => SignatureFlaw::Changed,
        Error::ArtifactMismatch(_) => SignatureFlaw::Image,
        // The library asks the time along with the chain.
        Error::Certificate(CertificateError::ChainInvalid(_)) if is_out_of_time(bundle) => SignatureFlaw::Expired,
        Error::Certificate(error) => match error {
            CertificateError::ChainInvalid(_) | CertificateError::NoValidAuthority { .. } => SignatureFlaw::Authority,
            CertificateError::NotYetValid { .. } | CertificateError::Expired { .. } => SignatureFlaw::Expired,
            CertificateError::Sct(_) => SignatureFlaw::Unlogged,
            _ => SignatureFlaw::Unreadable("its certificate is not of its format"),
        },
        Error::TransparencyLog(error) => match error {
            TransparencyLogError::EntryMismatch(_) => SignatureFlaw::OtherEntry,
            TransparencyLogError::IntegratedTime(_) => SignatureFlaw::Expired,
            TransparencyLogError::MalformedEntry(_) => {
                SignatureFlaw::Unreadable("its entry in the log is not of its format")
            }
            _ => SignatureFlaw::Entry,
        },
        Error::Timestamp(_) => SignatureFlaw::Time,
        Error::Bundle(Shape::CheckpointRootMismatch | Shape::LogIndexOutOfRange { .. }) => SignatureFlaw::Entry,
        Error::Bundle(
            Shape::MissingInclusionPromise(_)
            | Shape::MissingInclusionProof(_)
            | Shape::MissingSigningTimeEvidence
            | Shape::MissingCheckpoint,
        ) => SignatureFlaw::NoEntry,
        _ => UNKNOWN,
    }
}

/// Whether an entry is of a time at which the certificate was not valid.
fn is_out_of_time(bundle: &Bundle) -> bool {
    let certificate = bundle.signing_certificate().and_then(|one| crypto::parse_certificate_info(one).ok());
    let mut times = bundle.verification_material.tlog_entries.iter().filter_map(|entry| entry.integrated_time);
    certificate.is_some_and(|one| times.any(|time| time < one.not_before || one.not_after < time))
}

/// The hash that a digest is.
fn artifact(digest: &Digest) -> Option<ArtifactDigest> {
    let (algorithm, hex) = digest.as_str().split_once(':')?;
    let algorithm = match algorithm {
        "sha256" => HashAlgorithm::Sha2256,
        "sha512" => HashAlgorithm::Sha2512,
        _ => return None,
    };
    ArtifactDigest::new(algorithm, DigestBytes::from_hex(hex).ok()?).ok()
}

/// Which of its two a bundle has.
#[derive(Deserialize)]
struct BundleContents {
    #[serde(rename = "dsseEnvelope")]
    envelope: Option<serde::de::IgnoredAny>,
    #[serde(rename = "messageSignature")]
    message: Option<serde::de::IgnoredAny>,
}

/// Reads a bundle that costs a bearable number of verifications.
fn bundle(bytes: &[u8]) -> Result<Bundle, SignatureFlaw> {
    let BundleContents { envelope, message } = read(bytes)?;
    if envelope.is_some() == message.is_some() {
        return Err(SignatureFlaw::Unreadable("it has none or both of an envelope and a signature"));
    }
    let bundle: Bundle = read(bytes)?;
    let material = &bundle.verification_material;
    let certificates = match &material.content {
        VerificationMaterialContent::Certificate(_) => 1,
        VerificationMaterialContent::X509CertificateChain { certificates } => certificates.len(),
        _ => return Err(SignatureFlaw::NoCertificate),
    };
    let signatures = |entry: &TransparencyLogEntry| {
        let checkpoint = entry.inclusion_proof.as_ref().and_then(|proof| proof.checkpoint.checkpoint());
        checkpoint.map_or(0, |checkpoint| checkpoint.signatures().len())
    };
    let times = material.timestamp_verification_data.rfc3161_timestamps.len();
    let most = material.tlog_entries.iter().map(signatures).chain([material.tlog_entries.len(), certificates, times]);
    match most.max() {
        Some(most) if most > SEVERAL_MAX => {
            Err(SignatureFlaw::Unreadable("it has more than ten of what there should be one"))
        }
        _ => Ok(bundle),
    }
}

/// The entry of a log as `cosign` keeps it beside a payload.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct LogEntry {
    signed_entry_timestamp: SignedTimestamp,
    payload: EntryPayload,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EntryPayload {
    body: CanonicalizedBody,
    integrated_time: i64,
    log_index: i64,
    #[serde(rename = "logID")]
    log_id: String,
}

/// What an authority said of the time, as `cosign` keeps it beside a payload.
#[derive(Deserialize)]
struct CosignTimestamp {
    #[serde(rename = "SignedRFC3161Timestamp")]
    token: TimestampToken,
}

/// The bundle that says what stands beside a payload. Its version is the one in which a promise of the log is enough,
/// for `cosign` kept no proof there.
fn bundle_of(beside: &PayloadAnnotations) -> Result<Bundle, SignatureFlaw> {
    let certificate = beside.certificate.as_deref().ok_or(SignatureFlaw::NoCertificate)?;
    // A certificate of the chain must not take its place.
    pem(certificate).next().ok_or(SignatureFlaw::NoCertificate)?;
    let texts = [Some(certificate), beside.chain.as_deref()].into_iter().flatten();
    let mut certificates = Vec::new();
    for (_, block) in texts.flat_map(pem) {
        let der = block.and_then(|block| DerCertificate::from_pem(block).ok());
        let der = der.ok_or(SignatureFlaw::Unreadable("a certificate of it is not of its format"))?;
        certificates.push(X509Certificate::new(der));
        if certificates.len() > SEVERAL_MAX {
            return Err(SignatureFlaw::Unreadable("it has more than ten certificates"));
        }
    }
    let entry = entry(beside.entry.as_deref().ok_or(SignatureFlaw::NoEntry)?)?;
    let timestamp = beside.timestamp.as_deref().map(|text| read::<CosignTimestamp>(text.as_bytes())).transpose()?;
    let timestamps = timestamp.into_iter().map(|timestamp| Rfc3161Timestamp::new(timestamp.token)).collect();
    let material = VerificationMaterial::new(VerificationMaterialContent::X509CertificateChain { certificates })
        .with_tlog_entries(vec![entry])
        .with_timestamp_verification_data(TimestampVerificationData::new(timestamps));
    let signature = SignatureBytes::new(super::decode(&beside.signature)?);
    let content = SignatureContent::MessageSignature(MessageSignature::new(signature));
    Ok(Bundle::new(MediaType::Bundle0_1, material, content))
}

fn entry(text: &str) -> Result<TransparencyLogEntry, SignatureFlaw> {
    let unreadable = || SignatureFlaw::Unreadable("its entry in the log is not of its format");
    let LogEntry { signed_entry_timestamp, payload } = read(text.as_bytes()).map_err(|_| unreadable())?;
    let kind: KindVersion = {
        #[derive(Deserialize)]
        struct LogEntryBody {
            #[serde(rename = "apiVersion")]
            version: String,
            kind: String,
        }
        let LogEntryBody { version, kind } = read(payload.body.as_bytes()).map_err(|_| unreadable())?;
        serde_json::from_value(serde_json::json!({"kind": kind, "version": version})).map_err(|_| UNKNOWN)?
    };
    let id = DigestBytes::from_hex(&payload.log_id).map_err(|_| unreadable())?;
    let index = LogIndex::try_from(payload.log_index).map_err(|_| unreadable())?;
    let time = jiff::Timestamp::from_second(payload.integrated_time).map_err(|_| unreadable())?;
    Ok(TransparencyLogEntry::new(index, LogId::new(LogKeyId::new(id.into_bytes())), kind, payload.body)
        .with_integrated_time(time)
        .with_inclusion_promise(InclusionPromise::new(signed_entry_timestamp)))
}

#[cfg(test)]
mod tests;
