//! Packs of a push (gitformat-pack(5)): what a commit adds to its parent. Changed files and directories are sent as
//! differences from the objects that the server has ("thin packs"), so that the size depends on the change only.

mod delta;

use std::collections::BTreeSet;
use std::io::Write as _;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use flate2::Compression;
use flate2::write::ZlibEncoder;
use git2::{ObjectType, Odb, Oid, Repository, Tree, TreeEntry};

use super::GitError;

/// Type of a difference whose base is named by its id.
const REF_DELTA: u8 = 7;
/// The most nested directories.
const DEPTH_MAX: usize = 64;

/// The objects that a pack may refer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PackStyle {
    /// Objects of the server, which completes the pack.
    Thin,
    /// None: it contains complete objects.
    Complete,
}

/// Builds the pack with the commit `new` and everything that is not in `base`, a commit that the server has.
///
/// # Errors
/// If an object cannot be read.
pub(super) fn build(
    repository: &Repository,
    base: Option<Oid>,
    new: Oid,
    style: PackStyle,
) -> Result<Vec<u8>, GitError> {
    let mut pack =
        Pack { odb: repository.odb()?, repository, style, sent: BTreeSet::new(), entries: PackEntries::default() };
    pack.add(new, None)?;
    let old = base.map(|base| repository.find_commit(base)?.tree()).transpose()?;
    pack.add_tree(old.as_ref(), &repository.find_commit(new)?.tree()?, 0)?;
    Ok(pack.finish())
}

struct Pack<'r> {
    repository: &'r Repository,
    odb: Odb<'r>,
    style: PackStyle,
    sent: BTreeSet<Oid>,
    entries: PackEntries,
}

/// The encoded objects of a pack.
#[derive(Default)]
struct PackEntries(Vec<u8>);

impl Pack<'_> {
    /// Adds a tree and what is below it, as far as it differs from `old`.
    fn add_tree(&mut self, old: Option<&Tree<'_>>, new: &Tree<'_>, depth: usize) -> Result<(), GitError> {
        if old.is_some_and(|old| old.id() == new.id()) {
            return Ok(());
        }
        if depth > DEPTH_MAX {
            return Err(GitError::Local("the new tree is too deep".to_owned()));
        }
        self.add(new.id(), old.map(Tree::id))?;
        for entry in new {
            let before = old.and_then(|old| old.get_name_bytes(entry.name_bytes()));
            let before = before.filter(|before| before.kind() == entry.kind());
            if before.as_ref().is_some_and(|before| before.id() == entry.id()) {
                continue;
            }
            match entry.kind() {
                Some(ObjectType::Tree) => {
                    let tree = |entry: &TreeEntry<'_>| self.repository.find_tree(entry.id());
                    let (before, after) = (before.as_ref().map(tree).transpose()?, tree(&entry)?);
                    self.add_tree(before.as_ref(), &after, depth + 1)?;
                }
                Some(ObjectType::Blob) => self.add(entry.id(), before.map(|before| before.id()))?,
                // A submodule is another repository's commit.
                _ => {}
            }
        }
        Ok(())
    }

    /// Adds one object, as its difference from `base` if that is smaller.
    fn add(&mut self, id: Oid, base: Option<Oid>) -> Result<(), GitError> {
        if !self.sent.insert(id) {
            return Ok(());
        }
        let object = self.odb.read(id)?;
        let base = base.filter(|_| self.style == PackStyle::Thin);
        let base = base.and_then(|base| Some((base, self.odb.read(base).ok()?)));
        let difference = base.and_then(|(base, bytes)| Some((base, delta::between(bytes.data(), object.data())?)));
        match difference {
            Some((base, difference)) => self.entries.push(REF_DELTA, base.as_bytes(), &difference),
            None => self.entries.push(type_of(object.kind()), b"", object.data()),
        }
    }

    fn finish(self) -> Vec<u8> {
        let count = u32::try_from(self.sent.len()).unwrap_or(u32::MAX);
        let mut pack = [&b"PACK"[..], &2_u32.to_be_bytes(), &count.to_be_bytes(), &self.entries.0].concat();
        let checksum = digest(&SHA1_FOR_LEGACY_USE_ONLY, &pack);
        pack.extend_from_slice(checksum.as_ref());
        pack
    }
}

impl PackEntries {
    /// Adds an object, or the difference from the object `base`, compressed.
    fn push(&mut self, kind: u8, base: &[u8], bytes: &[u8]) -> Result<(), GitError> {
        self.header(kind, bytes.len());
        self.0.extend_from_slice(base);
        let failed = |error: std::io::Error| GitError::Local(format!("cannot compress an object: {error}"));
        let mut encoder = ZlibEncoder::new(&mut self.0, Compression::fast());
        encoder.write_all(bytes).map_err(failed)?;
        encoder.finish().map(drop).map_err(failed)
    }

    /// Writes type and size of an entry: four bits of the size, then seven in each byte.
    fn header(&mut self, kind: u8, size: usize) {
        let mut byte = kind << 4 | (size & 15) as u8;
        let mut rest = size >> 4;
        while rest > 0 {
            self.0.push(byte | 0x80);
            byte = (rest & 0x7f) as u8;
            rest >>= 7;
        }
        self.0.push(byte);
    }
}

/// Returns the number of a type.
fn type_of(kind: ObjectType) -> u8 {
    match kind {
        ObjectType::Tree => 2,
        ObjectType::Blob => 3,
        ObjectType::Tag => 4,
        ObjectType::Commit | ObjectType::Any => 1,
    }
}
