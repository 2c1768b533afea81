//! Files that SOPS encrypted (getsops.io): their metadata contain an authentication code (MAC) over all values, so that no
//! value may change, unless `mac_only_encrypted` restricts it to the encrypted ones.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use super::{DocumentTree, FileText, TargetEdit, json, yaml};
use crate::text::diagnostics::Problem;

/// Table with the metadata of SOPS.
const TABLE: &str = "sops";
/// Prefix of the metadata's keys in a dotenv file.
const PREFIX: &str = "sops_";
/// Start of an encrypted value.
const ENCRYPTED: &str = "ENC[";

/// The values that a MAC covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum MacScope {
    /// Encrypted values only.
    Encrypted,
    /// All values.
    All,
}

impl MacScope {
    /// Reads the scope from metadata; none if they contain no MAC.
    fn of<'t>(value: impl Fn(&str) -> Option<&'t str>) -> Option<Self> {
        value("mac")?;
        Some(if value("mac_only_encrypted") == Some("true") { Self::Encrypted } else { Self::All })
    }
}

/// Returns why `edits`, in file order, would damage a file that SOPS encrypted.
pub(super) fn refusal(text: &FileText, edits: &[TargetEdit]) -> Option<Problem> {
    let first = edits.first()?;
    match scope(text)? {
        MacScope::All => Some(signed(text, first.span.clone())),
        MacScope::Encrypted => {
            let edit = edits.iter().find(|edit| edit.was.starts_with(ENCRYPTED))?;
            let problem =
                text.problem(edit.span.clone(), format!("the value in `{}` is encrypted by SOPS", text.path()));
            Some(problem.help("exclude the value from encryption in `.sops.yaml`, e.g. with `unencrypted_regex`, or move the image to a file without SOPS"))
        }
    }
}

/// Returns why no target can write a file whose MAC covers all values.
pub(super) fn refusal_of_file(text: &FileText) -> Option<Problem> {
    (scope(text)? == MacScope::All).then(|| signed(text, 0..0))
}

fn signed(text: &FileText, span: Range<usize>) -> Problem {
    let message = format!("`{}` is signed by SOPS: an edit would invalidate its MAC", text.path());
    text.problem(span, message).help(
        "set `mac_only_encrypted: true` in `.sops.yaml` and encrypt the file again, or move the image to a file without SOPS",
    )
}

/// Finds the widest scope of all MACs in a file; none if SOPS did not encrypt it.
fn scope(text: &FileText) -> Option<MacScope> {
    let source = text.text();
    if !source.contains(TABLE) || !source.contains("mac") {
        return None;
    }
    // SOPS adds its metadata to each document of a file.
    let in_tree = |tree: Result<Arc<DocumentTree>, Problem>| {
        let tree = tree.ok()?;
        let metadata = tree.documents.iter().filter_map(|document| document.get(TABLE));
        metadata.filter_map(|metadata| MacScope::of(|key| metadata.get(key)?.text())).max()
    };
    in_lines(source).or_else(|| in_tree(json::tree(text))).or_else(|| in_tree(yaml::tree(text)))
}

/// Reads the metadata of dotenv (`sops_mac=…`) and INI files (`mac = …` below `[sops]`).
fn in_lines(source: &str) -> Option<MacScope> {
    let (mut is_table, mut metadata) = (false, BTreeMap::new());
    for line in source.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            is_table = section == TABLE;
        } else if let Some((key, value)) = line.split_once('=') {
            let key = if is_table { Some(key) } else { key.strip_prefix(PREFIX) };
            metadata.extend(key.map(|key| (key.trim(), value.trim())));
        }
    }
    MacScope::of(|key| metadata.get(key).copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<MacScope>) {
        assert_eq!(scope(&FileText::from_bytes("file", text.as_bytes()).unwrap()), expected, "{text}");
    }

    #[test]
    fn l12_the_metadata_of_sops_are_found_in_every_format_that_it_writes() {
        use MacScope::{All, Encrypted};
        let yaml = "image: nginx\nsops:\n    age: []\n    mac: ENC[AES256_GCM,data:x,type:str]\n";
        check(yaml, Some(All));
        check(&format!("{yaml}    mac_only_encrypted: false\n"), Some(All));
        check(&format!("{yaml}    mac_only_encrypted: true\n"), Some(Encrypted));
        check(&format!("{yaml}    mac_only_encrypted: true\n---\n{yaml}"), Some(All));
        let json = "{\n\t\"image\": \"nginx\",\n\t\"sops\": {\n\t\t\"mac\": \"ENC[x]\"";
        check(&format!("{json}\n\t}}\n}}"), Some(All));
        check(&format!("{json},\n\t\t\"mac_only_encrypted\": true\n\t}}\n}}"), Some(Encrypted));
        let dotenv = "IMAGE=nginx\nsops_mac=ENC[x]\nsops_version=3.9.0\n";
        check(dotenv, Some(All));
        check(&format!("{dotenv}sops_mac_only_encrypted=true\n"), Some(Encrypted));
        let ini = "[web]\nimage = nginx\n\n[sops]\nmac                = ENC[x]\n";
        check(ini, Some(All));
        check(&format!("{ini}mac_only_encrypted = true\n"), Some(Encrypted));
    }

    #[test]
    fn l12_other_files_that_mention_sops_are_not_taken_for_encrypted_ones() {
        check("sops:\n  enabled: true\nmac: x\n", None);
        check("secrets:\n  sops:\n    mac: x\n", None);
        check("# sops mac\nFROM nginx\n", None);
        check("mac=x\nsops=y\n", None);
        check("[sops]\nversion = 3\n[net]\nmac = x\n", None);
    }
}
