//! Validates `verify`: the required signer of images, and the files it names.

use std::ops::Range;

use super::path::{self, ReferencedFile, referenced_file};
use super::table::VerifyTable;
use crate::signature::{Anchor, CertificateIdentity, Verify};
use crate::text::diagnostics::{At, Diagnostics};

/// A file named by `verify`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustFile {
    /// The kind of file.
    pub kind: Anchor,
    /// The file in the root.
    pub file: ReferencedFile,
}

impl TrustFile {
    /// Returns true if both are the same file of the same kind.
    pub(crate) fn is_same_file(&self, other: &Self) -> bool {
        self.kind == other.kind && self.file.path == other.file.path
    }
}

/// Returns the file that a table names, if it is a valid path.
pub(crate) fn trust_file(written: Option<&At<VerifyTable>>, findings: &Diagnostics<'_>) -> Option<TrustFile> {
    let VerifyTable { key, trusted_root, .. } = &written?.value;
    let of = |kind, name, text| {
        let file = referenced_file(text, format!("`{name}` of `verify`"), findings)?;
        Some(TrustFile { kind, file })
    };
    match (key, trusted_root) {
        (Some(text), _) => of(Anchor::Keys, "key", text),
        (None, Some(text)) => of(Anchor::TrustedRoot, "trusted-root", text),
        (None, None) => None,
    }
}

/// Validates the required signer.
pub(super) fn verify(written: &At<VerifyTable>, findings: &mut Diagnostics<'_>) -> Option<Verify> {
    let At { value: VerifyTable { key, issuer, identity, trusted_root }, span } = written;
    if let Some(key) = key {
        let others = [("issuer", issuer), ("identity", identity), ("trusted-root", trusted_root)];
        for (name, other) in others.into_iter().filter_map(|(name, text)| Some((name, text.as_ref()?))) {
            let help = "remove one of them: a signature is made with a key, or keyless by an identity of an issuer";
            findings.report(&other.span, format!("`{name}` and `key` exclude each other"), help);
        }
        return findings.accept(&key.span, path::parse(&key.value)).map(Verify::Key);
    }
    // An unknown key was reported and removed already.
    let is_within = |place: &Range<usize>| span.start <= place.start && place.end <= span.end;
    let was_reported = findings.problems.iter().any(|problem| problem.span.as_ref().is_some_and(is_within));
    let root = trusted_root.as_ref().map(|text| findings.accept(&text.span, path::parse(&text.value)));
    let (place, message, help) = match (issuer, identity) {
        (Some(issuer), Some(identity)) => {
            let (issuer, identity) = (findings.parse(issuer), findings.parse(identity));
            let trusted_root = root.map_or(Some(None), |path| path.map(Some))?;
            return Some(Verify::Keyless(CertificateIdentity { issuer: issuer?, identity: identity?, trusted_root }));
        }
        _ if was_reported => return None,
        (Some(issuer), None) => {
            let help = "add `identity = \"…\"`, e.g. `release@acme.example` or the URL of a workflow";
            (&issuer.span, "`issuer` without `identity`", help)
        }
        (None, Some(identity)) => {
            let help = "add `issuer = \"https://…\"`, e.g. `https://token.actions.githubusercontent.com`";
            (&identity.span, "`identity` without `issuer`", help)
        }
        (None, None) => {
            let help = "add `key = \"cosign.pub\"`, a file of this root, or `issuer` and `identity`";
            (span, "`verify` names no signer", help)
        }
    };
    findings.report(place, message, help);
    None
}
