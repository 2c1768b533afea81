//! Damaged caches: whatever is wrong with it, the next process works, and does not blame the remote.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use pinstream::git::{GitError, Push, RemoteHandle};
use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::story::repository;
use super::{Machine, change, now};
use crate::support::lane::slow;
use crate::support::remote::http::HttpBackend;

/// A kind of damage, done to a slot.
type Damage = (&'static str, fn(&Path));

/// Kinds of damage that a crash, a bad disk, a full disk or another program can cause.
pub(crate) const DAMAGES: [Damage; 34] = [
    ("`HEAD` is garbage", |slot| overwrite(&slot.join("HEAD"))),
    ("`HEAD` is missing", |slot| remove(&slot.join("HEAD"))),
    ("`HEAD` is a directory", |slot| directory(&slot.join("HEAD"))),
    ("`HEAD` is a pipe", |slot| pipe(&slot.join("HEAD"))),
    ("the configuration is garbage", |slot| overwrite(&slot.join("config"))),
    ("the configuration is a pipe", |slot| pipe(&slot.join("config"))),
    ("the configuration includes itself", |slot| append(&slot.join("config"), &"[include]\npath = config\n".repeat(9))),
    ("the shallow file is garbage", |slot| overwrite(&slot.join("shallow"))),
    ("the shallow file is a pipe", |slot| pipe(&slot.join("shallow"))),
    ("the shallow file is a directory", |slot| directory(&slot.join("shallow"))),
    ("the packed refs are garbage", |slot| append(&slot.join("packed-refs"), "x y z\n")),
    ("the packed refs are a pipe", |slot| pipe(&slot.join("packed-refs"))),
    ("a ref is garbage", |slot| overwrite(&slot.join("refs/cache/branch"))),
    ("a ref names a missing commit", |slot| append(&empty(&slot.join("refs/cache/branch")), &"1".repeat(40))),
    ("a ref names itself", |slot| append(&empty(&slot.join("refs/cache/branch")), "ref: refs/cache/branch\n")),
    ("a ref is a directory", |slot| directory(&slot.join("refs/cache/branch"))),
    ("the refs are a file", |slot| overwrite(&empty(&slot.join("refs")))),
    ("the refs are missing", |slot| remove(&slot.join("refs"))),
    ("packs are garbage", |slot| all(slot, ".pack", overwrite)),
    ("packs are full of zeros", |slot| all(slot, ".pack", |pack| fill(pack, 12, 20))),
    ("packs are truncated", |slot| all(slot, ".pack", |pack| truncate(pack, 100))),
    ("packs are missing", |slot| all(slot, ".pack", remove)),
    ("indexes are garbage", |slot| all(slot, ".idx", overwrite)),
    ("indexes are missing", |slot| all(slot, ".idx", remove)),
    ("indexes are pipes", |slot| all(slot, ".idx", pipe)),
    ("indexes swap their objects", |slot| all(slot, ".idx", swap_offsets)),
    ("loose objects are empty", |slot| loose(slot, |object| truncate(object, 0))),
    ("loose objects are garbage", |slot| loose(slot, overwrite)),
    ("objects are missing", |slot| remove(&slot.join("objects"))),
    ("the objects are a file", |slot| overwrite(&empty(&slot.join("objects")))),
    ("the alternates name their own repository", |slot| {
        append(&slot.join("objects/info/alternates"), &format!("{0}\n{0}\n", slot.join("objects").display()));
    }),
    ("lock files are left", |slot| {
        for name in ["HEAD.lock", "config.lock", "shallow.lock", "packed-refs.lock", "refs/cache/branch.lock"] {
            append(&slot.join(name), "");
        }
    }),
    ("the slot is a file", |slot| overwrite(&empty(slot))),
    ("the slot is a link to nowhere", |slot| {
        remove(slot);
        symlink("/nonexistent/pinstream", slot).unwrap();
    }),
];

/// Kinds of damage to the lock file of a slot.
pub(crate) const LOCK_DAMAGES: [Damage; 2] = [
    ("the lock is a pipe", |slot| pipe(&slot.with_extension("lock"))),
    ("the lock is a directory", |slot| {
        directory(&slot.with_extension("lock"));
    }),
];

fn remove(path: &Path) {
    let _ = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
}

/// Replaces whatever is at `path` by an empty file.
fn empty(path: &Path) -> PathBuf {
    remove(path);
    fs::write(path, "").unwrap();
    path.to_owned()
}

fn overwrite(path: &Path) {
    let size = fs::metadata(path).map_or(0, |metadata| metadata.len());
    // Packs are read-only.
    fs::write(empty(path), vec![b'#'; usize::try_from(size).unwrap().max(10)]).unwrap();
}

fn append(path: &Path, text: &str) {
    let old = fs::read_to_string(path).unwrap_or_default();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, old + text).unwrap();
}

/// Zeroes a file but for its first and last bytes.
fn fill(path: &Path, first: usize, last: usize) {
    let mut bytes = fs::read(path).unwrap();
    let end = bytes.len() - last;
    bytes[first..end].fill(0);
    fs::write(empty(path), bytes).unwrap();
}

fn truncate(path: &Path, size: usize) {
    let bytes = fs::read(path).unwrap();
    fs::write(empty(path), &bytes[..size.min(bytes.len())]).unwrap();
}

fn directory(path: &Path) {
    remove(path);
    fs::create_dir_all(path.join("x")).unwrap();
}

fn pipe(path: &Path) {
    remove(path);
    mknodat(CWD, path, FileType::Fifo, Mode::RWXU, 0).unwrap();
}

/// Reverses the table of offsets of a pack's index (gitformat-pack(5)), so that each object is found at another's place.
fn swap_offsets(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let count = u32::from_be_bytes(bytes[8 + 255 * 4..8 + 256 * 4].try_into().unwrap()) as usize;
    let start = 8 + 256 * 4 + count * 24;
    let offsets: Vec<Vec<u8>> = bytes[start..start + 4 * count].chunks(4).rev().map(<[u8]>::to_vec).collect();
    bytes.splice(start..start + 4 * count, offsets.concat());
    fs::write(empty(path), bytes).unwrap();
}

/// Damages all packs or indexes of a slot.
fn all(slot: &Path, end: &str, damage: impl Fn(&Path)) {
    let paths: Vec<PathBuf> =
        fs::read_dir(slot.join("objects/pack")).unwrap().map(|entry| entry.unwrap().path()).collect();
    let found: Vec<_> = paths.iter().filter(|path| path.to_string_lossy().ends_with(end)).collect();
    assert!(!found.is_empty(), "no {end}");
    found.into_iter().for_each(|path| damage(path));
}

/// Damages all loose objects of a slot.
fn loose(slot: &Path, damage: impl Fn(&Path)) {
    let folders = fs::read_dir(slot.join("objects")).unwrap().map(|entry| entry.unwrap().path());
    let folders = folders.filter(|path| path.file_name().unwrap().len() == 2);
    let objects: Vec<PathBuf> =
        folders.flat_map(|path| fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path())).collect();
    assert!(!objects.is_empty(), "no loose objects");
    objects.iter().for_each(|object| damage(object));
}

/// Returns the first slot below a directory of caches.
pub(crate) fn first_slot(cache: &Path) -> PathBuf {
    let entries = fs::read_dir(cache).unwrap().map(|entry| entry.unwrap().path());
    entries.into_iter().find(|path| path.to_string_lossy().ends_with(".0.git")).unwrap()
}

/// Fetches, reads and lands as one process does.
fn work(machine: &Machine, lock: &str) -> Result<(), GitError> {
    let mut remote = machine.open();
    let tips = remote.fetch_tips(None)?;
    assert_eq!(remote.read(&tips.tip)?["pinstream.toml"], b"[git]\n");
    let landed = remote.land("main", &change(&tips.tip, lock), now())?;
    assert!(matches!(landed, Push::Landed(_)), "{landed:?}");
    Ok(())
}

#[test]
fn s01_the_next_process_works_whatever_happened_to_the_cache() {
    let repo = repository();
    let server = HttpBackend::start(repo.base());
    for (kind, damage) in DAMAGES.into_iter().chain(LOCK_DAMAGES) {
        let machine = Machine::new(server.url());
        work(&machine, &format!("before: {kind}")).unwrap();
        damage(&first_slot(&machine.cache()));
        work(&machine, kind).unwrap_or_else(|error| panic!("{kind}: {error}"));
        assert_eq!(repo.read("main", "pinstream.lock").as_deref(), Some(kind));
        // The damage is repaired, so the next process finds a warm cache.
        work(&machine, &format!("after: {kind}")).unwrap();
    }
    repo.git(&["fsck", "--strict", "--no-dangling"]);
}

#[test]
fn s01_a_cache_that_is_damaged_while_it_is_in_use_is_replaced() {
    let repo = repository();
    let server = HttpBackend::start(repo.base());
    let machine = Machine::new(server.url());
    work(&machine, "one").unwrap();
    let mut remote = machine.open();
    let tips = remote.fetch_tips(None).unwrap();
    let slot = first_slot(&machine.cache());
    remove(&slot);
    fs::write(&slot, "a file").unwrap();
    assert!(matches!(remote.land("main", &change(&tips.tip, "two"), now()).unwrap(), Push::Landed(_)));
    assert_eq!(repo.read("main", "pinstream.lock").as_deref(), Some("two"));
}

#[test]
fn s01_damaged_objects_of_a_checkout_are_not_used() {
    let repo = repository();
    let server = HttpBackend::start(repo.base());
    let mut machine = Machine::new(server.url());
    let clone = repo.base().join("clone");
    crate::support::remote::run(
        crate::support::remote::git_in(repo.base()).args(["clone", "--quiet", "repo.git", "clone"]),
        b"",
    );
    loose(&clone.join(".git"), overwrite);
    machine.checkout = Some(clone);
    work(&machine, "one").unwrap();
}

#[test]
fn s01_a_cache_that_blocks_is_abandoned_in_time() {
    slow!();
    let repo = repository();
    let server = HttpBackend::start(repo.base());
    let mut machine = Machine::new(server.url());
    work(&machine, "one").unwrap();
    let slot = first_slot(&machine.cache());
    loose(&slot, pipe);
    machine.timeout = Duration::from_secs(3);
    let begin = Instant::now();
    let remote = RemoteHandle::open(machine.setup()).unwrap();
    let tips = remote.call(|remote| remote.fetch_tips(None)).unwrap();
    let (tip, new) = (tips.tip.clone(), change(&tips.tip, "two"));
    assert_eq!(remote.call(move |remote| remote.read(&tip)).unwrap().len(), 4);
    let landed = remote.call(move |remote| remote.land("main", &new, now())).unwrap();
    assert!(matches!(landed, Push::Landed(_)), "{landed:?}");
    assert!(begin.elapsed() < Duration::from_secs(60), "{:?}", begin.elapsed());
    // The next process does not meet the same damage.
    assert!(!slot.exists());
    machine.timeout = Duration::from_secs(20);
    work(&machine, "three").unwrap();
}
