//! Verifies keyless signatures, made with a one-time key that a short-lived certificate binds to an identity.
//!
//! The Sigstore project's own library verifies certificate, logs and signing time, offline, against a trusted root; no
//! check is ever skipped. This file covers what is specific to images: it converts `cosign`'s formats to the library's
//! bundles, within limits, and checks that the signed content names the very digest.

use std::fmt;
use std::sync::LazyLock;

use serde::Deserialize;
use serde::de::IgnoredAny;
use sigstore_verify::bundle::Error as Shape;
use sigstore_verify::trust_root::{SIGSTORE_PRODUCTION_TRUSTED_ROOT, TrustedRoot as Anchors};
use sigstore_verify::types::{
    Artifact, ArtifactDigest, Bundle, CanonicalizedBody, DerCertificate, DigestBytes, HashAlgorithm, InclusionPromise,
    KindVersion, LogId, LogIndex, LogKeyId, MediaType, MessageSignature, Rfc3161Timestamp, SignatureBytes,
    SignatureContent, SignedTimestamp, TimestampToken, TimestampVerificationData, TransparencyLogEntry,
    VerificationMaterial, VerificationMaterialContent, X509Certificate,
};
use sigstore_verify::{CertificateError, Error, TransparencyLogError, VerificationPolicy, Verifier, crypto};

use super::content::{
    BundleContent, PayloadAnnotations, RawSignature, SEVERAL_MAX, SignatureFlaw, approves_by_payload,
    approves_by_statement, decode, pem, read,
};
use super::identity::CertificateIdentity;
use crate::model::image::{Digest, NameError};
use crate::text::escape;

/// The largest trusted root, in bytes: that of the public instance has a tenth of it.
const FILE_MAX: usize = 128 << 10;
/// The prefix of the media type of trusted roots, whatever their version.
const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.trustedroot";

/// The authorities and logs of one Sigstore instance.
pub struct TrustedRoot {
    verifier: Verifier,
    /// Digest of the file; equal digests mean equal trust.
    pub(super) id: Digest,
}

impl fmt::Debug for TrustedRoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TrustedRoot")
    }
}

impl TrustedRoot {
    /// Reads a trusted root in Sigstore's JSON format (Sigstore protobuf-specs, "sigstore_trustroot.proto").
    ///
    /// # Errors
    /// Returns an error if the file is invalid.
    pub fn read(bytes: &[u8]) -> Result<Self, NameError> {
        let help = "use a trusted root of Sigstore as written by `cosign trusted-root create`";
        let refuse = |what: &str| NameError::new(what).help(help);
        let text = std::str::from_utf8(bytes).ok().filter(|text| text.len() <= FILE_MAX);
        let text = text.ok_or_else(|| refuse("not text, or too large"))?;
        let anchors = Anchors::from_json(text).ok().filter(|anchors| anchors.media_type.starts_with(MEDIA_TYPE));
        let anchors = anchors.ok_or_else(|| refuse("not a trusted root"))?;
        // Without each of them no signature could ever be valid.
        let missing = match &anchors {
            Anchors { certificate_authorities, .. } if certificate_authorities.is_empty() => Some("no authority"),
            Anchors { ctlogs, .. } if ctlogs.is_empty() => Some("no certificate log"),
            Anchors { tlogs, .. } if tlogs.is_empty() => Some("no signature log"),
            _ => None,
        };
        if let Some(missing) = missing {
            return Err(refuse(&format!("it contains {missing}")));
        }
        let unusable = |_| refuse("it contains an invalid key, certificate or time");
        Ok(Self { verifier: Verifier::new(&anchors).map_err(unusable)?, id: Digest::sha256(bytes) })
    }

    /// Returns the trusted root of Sigstore's public instance, as of when this program was built.
    pub(super) fn public() -> Option<&'static Self> {
        static PUBLIC: LazyLock<Option<TrustedRoot>> =
            LazyLock::new(|| TrustedRoot::read(SIGSTORE_PRODUCTION_TRUSTED_ROOT.as_bytes()).ok());
        PUBLIC.as_ref()
    }

    /// Checks that `signed` is a valid signature of `digest` by `signer`.
    ///
    /// # Errors
    /// Returns the flaw of the signature.
    pub(super) fn verify(
        &self,
        signer: &CertificateIdentity,
        digest: &Digest,
        signed: RawSignature<'_>,
    ) -> Result<(), SignatureFlaw> {
        match signed {
            RawSignature::Payload(payload, annotations) => {
                let verified = self.verify_bundle(signer, &bundle_of(annotations)?, Artifact::Blob(payload));
                // The digest of a payload follows from its bytes, so that only the log can name another one.
                verified.map_err(|flaw| if flaw == SignatureFlaw::Image { SignatureFlaw::OtherEntry } else { flaw })?;
                approves_by_payload(payload, digest)
            }
            RawSignature::Bundle(bytes) => {
                let bundle = bundle(bytes)?;
                self.verify_bundle(signer, &bundle, Artifact::Digest(artifact(digest).ok_or(SignatureFlaw::Image)?))?;
                match &bundle.content {
                    SignatureContent::DsseEnvelope(envelope) => {
                        approves_by_statement(&envelope.payload_type, envelope.payload.as_bytes(), digest)
                    }
                    // The signed content is the digest itself.
                    SignatureContent::MessageSignature(_) => Ok(()),
                    _ => Err(UNKNOWN),
                }
            }
        }
    }

    /// Verifies everything but the meaning of the signed content.
    fn verify_bundle(
        &self,
        signer: &CertificateIdentity,
        bundle: &Bundle,
        artifact: Artifact<'_>,
    ) -> Result<(), SignatureFlaw> {
        // The identity is compared here and not by the library, to support `*` and name both in the error.
        let verified = self.verifier.verify(artifact, bundle, &VerificationPolicy::any_identity());
        let verified = verified.map_err(|error| flaw(error, bundle))?;
        let identity = verified.identity().map(crypto::SubjectAltName::as_str);
        let issuer = verified.issuer();
        if identity.is_some_and(|name| signer.identity.matches(name)) && issuer == Some(signer.issuer.as_str()) {
            return Ok(());
        }
        let shown = |text: Option<&str>| escape::for_backticks(text.unwrap_or("unknown"));
        Err(SignatureFlaw::Identity { identity: shown(identity), issuer: shown(issuer) })
    }
}

const UNKNOWN: SignatureFlaw = SignatureFlaw::Unreadable("unsupported kind");

/// Translates the library's error.
fn flaw(error: Error, bundle: &Bundle) -> SignatureFlaw {
    match error {
        Error::SignatureInvalid(_) => SignatureFlaw::Changed,
        Error::ArtifactMismatch(_) => SignatureFlaw::Image,
        // The library checks the time along with the chain.
        Error::Certificate(CertificateError::ChainInvalid(_)) if is_out_of_time(bundle) => SignatureFlaw::Expired,
        Error::Certificate(error) => match error {
            CertificateError::ChainInvalid(_) | CertificateError::NoValidAuthority { .. } => SignatureFlaw::Authority,
            CertificateError::NotYetValid { .. } | CertificateError::Expired { .. } => SignatureFlaw::Expired,
            CertificateError::Sct(_) => SignatureFlaw::Unlogged,
            _ => SignatureFlaw::Unreadable("invalid certificate"),
        },
        Error::TransparencyLog(error) => match error {
            TransparencyLogError::EntryMismatch(_) => SignatureFlaw::OtherEntry,
            TransparencyLogError::IntegratedTime(_) => SignatureFlaw::Expired,
            TransparencyLogError::MalformedEntry(_) => SignatureFlaw::Unreadable("invalid log entry"),
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

/// Returns true if a log entry is from a time at which the certificate was not valid.
fn is_out_of_time(bundle: &Bundle) -> bool {
    let certificate = bundle.signing_certificate().and_then(|one| crypto::parse_certificate_info(one).ok());
    let mut times = bundle.verification_material.tlog_entries.iter().filter_map(|entry| entry.integrated_time);
    certificate.is_some_and(|one| times.any(|time| time < one.not_before || one.not_after < time))
}

/// Converts a digest to the library's type.
fn artifact(digest: &Digest) -> Option<ArtifactDigest> {
    let (algorithm, hex) = digest.as_str().split_once(':')?;
    let algorithm = match algorithm {
        "sha256" => HashAlgorithm::Sha2256,
        "sha512" => HashAlgorithm::Sha2512,
        _ => return None,
    };
    ArtifactDigest::new(algorithm, DigestBytes::from_hex(hex).ok()?).ok()
}

/// Parses a bundle with a limited number of verifications.
fn bundle(bytes: &[u8]) -> Result<Bundle, SignatureFlaw> {
    BundleContent::<IgnoredAny, IgnoredAny>::read(bytes)?;
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
            Err(SignatureFlaw::Unreadable("more than ten certificates, log entries or timestamps"))
        }
        _ => Ok(bundle),
    }
}

/// A log entry in the annotations of a payload, as `cosign` writes it.
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

/// A timestamp in the annotations of a payload, as `cosign` writes it.
#[derive(Deserialize)]
struct CosignTimestamp {
    #[serde(rename = "SignedRFC3161Timestamp")]
    token: TimestampToken,
}

/// Converts the annotations of a payload to a bundle, of the version that accepts the promise of a log, as `cosign`
/// stores no inclusion proof there.
fn bundle_of(annotations: &PayloadAnnotations) -> Result<Bundle, SignatureFlaw> {
    let certificate = annotations.certificate.as_deref().ok_or(SignatureFlaw::NoCertificate)?;
    // A certificate of the chain must not take its place.
    pem(certificate).next().ok_or(SignatureFlaw::NoCertificate)?;
    let texts = [Some(certificate), annotations.chain.as_deref()].into_iter().flatten();
    let mut certificates = Vec::new();
    for (_, block) in texts.flat_map(pem) {
        let der = block.and_then(|block| DerCertificate::from_pem(block).ok());
        let der = der.ok_or(SignatureFlaw::Unreadable("invalid certificate"))?;
        certificates.push(X509Certificate::new(der));
        if certificates.len() > SEVERAL_MAX {
            return Err(SignatureFlaw::Unreadable("more than ten certificates"));
        }
    }
    let entry = entry(annotations.entry.as_deref().ok_or(SignatureFlaw::NoEntry)?)?;
    let timestamp =
        annotations.timestamp.as_deref().map(|text| read::<CosignTimestamp>(text.as_bytes())).transpose()?;
    let timestamps = timestamp.into_iter().map(|timestamp| Rfc3161Timestamp::new(timestamp.token)).collect();
    let material = VerificationMaterial::new(VerificationMaterialContent::X509CertificateChain { certificates })
        .with_tlog_entries(vec![entry])
        .with_timestamp_verification_data(TimestampVerificationData::new(timestamps));
    let signature = SignatureBytes::new(decode(&annotations.signature)?);
    let content = SignatureContent::MessageSignature(MessageSignature::new(signature));
    Ok(Bundle::new(MediaType::Bundle0_1, material, content))
}

fn entry(text: &str) -> Result<TransparencyLogEntry, SignatureFlaw> {
    let unreadable = || SignatureFlaw::Unreadable("invalid log entry");
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
