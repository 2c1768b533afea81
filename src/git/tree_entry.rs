//! The entries of a tree object, parsed strictly from its bytes.

use git2::Oid;

/// The kind of a tree entry, by its mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ObjectKind {
    Directory,
    Plain,
    Executable,
    Symlink,
    Submodule,
    Odd,
}

impl ObjectKind {
    fn of(mode: &[u8]) -> Self {
        match mode {
            b"40000" => Self::Directory,
            b"100644" => Self::Plain,
            b"100755" => Self::Executable,
            b"120000" => Self::Symlink,
            b"160000" => Self::Submodule,
            _ => Self::Odd,
        }
    }

    pub(super) fn description(self) -> &'static str {
        match self {
            Self::Directory => "it is a directory",
            Self::Plain => "it is a file",
            Self::Executable => "it is an executable file",
            Self::Symlink => "it is a symbolic link, which is never followed",
            Self::Submodule => "it is a submodule, which is never followed",
            Self::Odd => "its mode is invalid",
        }
    }
}

/// One entry of a tree.
#[derive(Clone, Debug)]
pub(super) struct TreeEntry {
    pub(super) mode: Vec<u8>,
    pub(super) name: Vec<u8>,
    pub(super) id: Oid,
}

impl TreeEntry {
    pub(super) fn kind(&self) -> ObjectKind {
        ObjectKind::of(&self.mode)
    }

    /// Returns the sort key: Git orders a directory as if its name ended with a slash (git `base_name_compare`).
    pub(super) fn key(&self) -> Vec<u8> {
        let mut key = self.name.clone();
        if self.kind() == ObjectKind::Directory {
            key.push(b'/');
        }
        key
    }
}

/// Parses a tree object: `<mode> <name>\0<20 bytes of id>`, sorted, each name once.
pub(super) fn parse(bytes: &[u8]) -> Result<Vec<TreeEntry>, &'static str> {
    const ID: usize = 20;
    const MALFORMED: &str = "its directory is malformed";
    let mut entries: Vec<TreeEntry> = Vec::new();
    let mut files_seen = std::collections::HashSet::new();
    let mut rest = bytes;
    let mut last_key = Vec::new();
    while !rest.is_empty() {
        let space = rest.iter().take(8).position(|b| *b == b' ').ok_or(MALFORMED)?;
        let zero = rest.iter().position(|b| *b == 0).filter(|zero| *zero > space).ok_or(MALFORMED)?;
        let id = rest.get(zero + 1..zero + 1 + ID).ok_or(MALFORMED)?;
        let entry = TreeEntry {
            mode: rest[..space].to_vec(),
            name: rest[space + 1..zero].to_vec(),
            id: Oid::from_bytes(id).map_err(|_| MALFORMED)?,
        };
        rest = &rest[zero + 1 + ID..];
        let name = entry.name.as_slice();
        if matches!(name, b"" | b"." | b"..") || name.contains(&b'/') || name.eq_ignore_ascii_case(b".git") {
            return Err("its directory contains a name that Git forbids");
        }
        let key = entry.key();
        if key <= last_key {
            return Err("its directory is not sorted");
        }
        // A directory `a` and a file `a` are not adjacent if `a.b` is sorted between them.
        if !files_seen.insert(entry.name.clone()) {
            return Err("its directory contains a name twice");
        }
        last_key = key;
        entries.push(entry);
    }
    Ok(entries)
}
