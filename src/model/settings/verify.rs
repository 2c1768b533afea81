//! `verify`, from as it was written to who has to have signed.

use std::ops::Range;

use super::ReferencedFile;
use super::path;
use super::table::VerifyTable;
use super::validate::referenced_file;
use crate::signature::{Anchor, CertificateIdentity, Verify};
use crate::text::diagnostics::{At, Diagnostics};

/// A file that `verify` names, and what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustFile {
    /// What it is.
    pub kind: Anchor,
    /// Which it is.
    pub file: ReferencedFile,
}

impl TrustFile {
    /// Whether reading one of the two is enough.
    pub(crate) fn is_same_file(&self, other: &Self) -> bool {
        self.kind == other.kind && self.file.path == other.file.path
    }
}

/// The file that a table names, where that is a path.
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

/// Who has to have signed.
pub(super) fn verify(written: &At<VerifyTable>, findings: &mut Diagnostics<'_>) -> Option<Verify> {
    let At { value: VerifyTable { key, issuer, identity, trusted_root }, span } = written;
    if let Some(key) = key {
        let others = [("issuer", issuer), ("identity", identity), ("trusted-root", trusted_root)];
        for (name, other) in others.into_iter().filter_map(|(name, text)| Some((name, text.as_ref()?))) {
            let help = "take one of them out: a signature is by a key, or keyless by somebody whom an issuer knows";
            findings.report(&other.span, format!("`{name}` cannot stand beside `key`"), help);
        }
        return findings.accept(&key.span, path::parse(&key.value)).map(Verify::Key);
    }
    // What stands there in the place of a key, and is unknown, was said and taken out already.
    let is_within = |place: &Range<usize>| span.start <= place.start && place.end <= span.end;
    let was_said = findings.problems.iter().any(|problem| problem.span.as_ref().is_some_and(is_within));
    let root = trusted_root.as_ref().map(|text| findings.accept(&text.span, path::parse(&text.value)));
    if let (Some(issuer), Some(identity)) = (issuer, identity) {
        let (issuer, identity) = (findings.parse(issuer), findings.parse(identity));
        let trusted_root = match root {
            Some(path) => Some(path?),
            None => None,
        };
        return Some(Verify::Keyless(CertificateIdentity { issuer: issuer?, identity: identity?, trusted_root }));
    }
    if was_said {
        return None;
    }
    match (issuer, identity) {
        (Some(issuer), _) => {
            let help = "add `identity = \"…\"`: an address as `release@acme.example`, or that of a workflow";
            findings.report(&issuer.span, "an `issuer` alone does not say who has to have signed", help);
        }
        (None, Some(identity)) => {
            let help = "add `issuer = \"https://…\"`, as `https://token.actions.githubusercontent.com`";
            findings.report(&identity.span, "an `identity` alone does not say who has to vouch that it is him", help);
        }
        (None, None) => {
            let help = "add `key = \"cosign.pub\"`, a file of this root, or an `issuer` and an `identity`";
            findings.report(span, "`verify` does not say who has to have signed", help);
        }
    }
    None
}
