//! T22: one secret for every slot that a secret has, and the search for it wherever the program leaves something.
//!
//! It is found as it is, percent-encoded to any depth, and within base64 of either alphabet at each of the three places
//! where it can begin; its halves are found, too, since messages are cut.

use std::path::Path;
use std::sync::OnceLock;

use openssl::base64::encode_block;

/// The secret. Percent-encoding changes it, and its base64 differs between the alphabets.
pub(crate) const CANARY: &str = "Canary/7f+3e?91~b>~~?d0@2c";
/// The same as it stands in an address.
pub(crate) const IN_ADDRESS: &str = "Canary%2F7f%2B3e%3F91~b%3E~~%3Fd0%402c";
/// How large a file or object is searched at most.
const SIZE_MAX: u64 = 16 << 20;

/// The script that notes with which words programs are started. It stands beside this file, not in a sandbox: the
/// kernel runs no file that another test's process, about to be another program, still has open for writing.
pub(crate) const WITNESS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/support/witness.sh");

/// Panics where `text`, which is what `place` says, holds the secret.
#[track_caller]
pub(crate) fn absent(place: &str, text: &[u8]) {
    let text = String::from_utf8_lossy(text);
    assert!(!is_in(&text), "{place} holds the secret:\n{text}");
}

/// Panics where a file below `folder`, or an object of a repository there, holds the secret; `.git` and what is not
/// there are passed over.
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

/// Panics where an object of a repository or the name of a ref holds the secret.
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
        // What a test has broken, or unpacks to more than a commit of ours ever holds, is not read.
        let is_small = objects.read_header(id).is_ok_and(|(size, _)| (size as u64) < SIZE_MAX);
        if let Some(object) = is_small.then(|| objects.read(id).ok()).flatten() {
            absent(&format!("{id} of {}", path.display()), object.data());
        }
    }
}

/// Whether `text` holds the secret.
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

/// What is searched for: the secret's halves, and those of each base64 of it, without the digits that what stands
/// around it has a part in.
fn needles() -> &'static [Vec<String>; 2] {
    static NEEDLES: OnceLock<[Vec<String>; 2]> = OnceLock::new();
    let halves = |text: &str| {
        let (first, second) = text.split_at(text.len() / 2);
        [first.to_owned(), second.to_owned()]
    };
    NEEDLES.get_or_init(|| {
        let base64 = [0, 2, 3].into_iter().enumerate().flat_map(|(before, begin)| {
            let whole = encode_block(&[&vec![0; before], CANARY.as_bytes()].concat());
            halves(&whole[begin..(before + CANARY.len()) * 8 / 6])
        });
        [halves(CANARY).to_vec(), base64.collect()]
    })
}

/// `text` with each `%2F` as what it stands for.
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
