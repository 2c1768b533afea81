//! T22: one secret that every credential slot contains, and the search for it in everything the program leaves behind.
//!
//! The search finds it in plain text, percent-encoded to any depth, and in base64 of either alphabet at each of the
//! three possible offsets. It also finds each half, because messages are truncated.

use std::path::Path;
use std::sync::OnceLock;

use super::encoding::base64;

/// The secret. Percent-encoding changes it, and its base64 differs between the two alphabets.
pub(crate) const CANARY: &str = "Canary/7f+3e?91~b>~~?d0@2c";
/// The secret as it is written in a URL.
pub(crate) const IN_ADDRESS: &str = "Canary%2F7f%2B3e%3F91~b%3E~~%3Fd0%402c";
/// Largest file or object that is searched, in bytes.
const SIZE_MAX: u64 = 16 << 20;

/// Script that records the arguments of started programs. It lies next to this file and not in a sandbox: the kernel
/// refuses to run a file that another test's process still has open for writing.
pub(crate) const WITNESS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/support/witness.sh");

/// Panics if `text` contains the secret; `place` names it in the message.
#[track_caller]
pub(crate) fn absent(place: &str, text: &[u8]) {
    let text = String::from_utf8_lossy(text);
    assert!(!is_in(&text), "{place} holds the secret:\n{text}");
}

/// Panics if a file below `folder`, or an object of a repository there, contains the secret. Skips `.git` and
/// directories that do not exist.
#[track_caller]
pub(crate) fn absent_below(folder: &Path) {
    if folder.join("HEAD").is_file() && folder.join("objects").is_dir() {
        absent_in_repository(folder);
    }
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        absent("a name", name.as_encoded_bytes());
        let Ok(metadata) = path.symlink_metadata() else { continue };
        if metadata.is_dir() && name != ".git" && name != "objects" {
            absent_below(&path);
        } else if metadata.is_file() && metadata.len() < SIZE_MAX {
            absent(&path.display().to_string(), &std::fs::read(&path).unwrap_or_default());
        }
    }
}

/// Panics if an object or a ref name of a repository contains the secret.
#[track_caller]
pub(crate) fn absent_in_repository(path: &Path) {
    let Ok(repository) = git2::Repository::open_bare(path) else { return };
    for name in repository.references().unwrap().names().flatten() {
        absent("a ref's name", name.as_bytes());
    }
    let objects = repository.odb().unwrap();
    let mut ids = Vec::new();
    objects
        .foreach(|id| {
            ids.push(*id);
            true
        })
        .unwrap();
    for id in ids {
        // Objects that a test broke or that unpack to more than any commit of ours are not read.
        let is_small = objects.read_header(id).is_ok_and(|(size, _)| (size as u64) < SIZE_MAX);
        if let Some(object) = is_small.then(|| objects.read(id).ok()).flatten() {
            absent(&format!("{id} of {}", path.display()), object.data());
        }
    }
}

/// Reports whether `text` contains the secret.
pub(crate) fn is_in(text: &str) -> bool {
    let [plain, base64] = needles();
    let mut text = text.to_owned();
    loop {
        if plain.iter().any(|needle| text.contains(needle)) {
            return true;
        }
        let standard = text.replace('-', "+").replace('_', "/");
        if base64.iter().any(|needle| standard.contains(needle)) {
            return true;
        }
        let decoded = decoded(&text);
        if decoded == text {
            return false;
        }
        text = decoded;
    }
}

/// Search terms: the halves of the secret and of each of its base64 forms, without the digits that depend on the
/// surrounding bytes.
fn needles() -> &'static [Vec<String>; 2] {
    static NEEDLES: OnceLock<[Vec<String>; 2]> = OnceLock::new();
    let halves = |text: &str| {
        let (first, second) = text.split_at(text.len() / 2);
        [first.to_owned(), second.to_owned()]
    };
    NEEDLES.get_or_init(|| {
        let base64 = [0, 2, 3].into_iter().enumerate().flat_map(|(before, begin)| {
            let whole = base64([&vec![0; before], CANARY.as_bytes()].concat());
            halves(&whole[begin..(before + CANARY.len()) * 8 / 6])
        });
        [halves(CANARY).to_vec(), base64.collect()]
    })
}

/// Replaces each `%2F`-style escape in `text` by its byte.
pub(crate) fn decoded(text: &str) -> String {
    let mut parts = text.split('%');
    let mut out = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        match part.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                out.extend_from_slice(&part.as_bytes()[2..]);
            }
            None => out.extend([b"%", part.as_bytes()].concat()),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
