//! Malicious repositories: trees that leave the repository, are malformed, or expand without end.

use std::path::PathBuf;

use pinstream::git::{CommitId, GitError, Remote, RemoteSetup};
use pinstream::http::Secret;

use super::{Machine, change, now};
use crate::support::lane::slow;
use crate::support::remote::BareRepo;

/// Writes a tree object as given, even if Git considers it malformed.
fn tree(repo: &BareRepo, entries: &[(&str, &[u8], &str)]) -> String {
    let mut bytes = Vec::new();
    for (mode, name, id) in entries {
        bytes.extend_from_slice(mode.as_bytes());
        bytes.push(b' ');
        bytes.extend_from_slice(name);
        bytes.push(0);
        bytes.extend((0..20).map(|at| u8::from_str_radix(&id[2 * at..2 * at + 2], 16).unwrap()));
    }
    repo.git_with(&["hash-object", "-t", "tree", "-w", "--literally", "--stdin"], &bytes)
}

/// Objects to build malicious trees from.
struct Parts {
    repo: BareRepo,
    blob: String,
    link: String,
    commit: String,
    folder: String,
    /// A file outside any repository, the target of a link.
    canary: PathBuf,
    _outside: tempfile::TempDir,
}

impl Parts {
    fn new() -> Self {
        let outside = tempfile::tempdir().unwrap();
        let canary = outside.path().join("pinstream.lock");
        std::fs::write(&canary, "canary").unwrap();
        let repo = BareRepo::new();
        let blob = repo.git_with(&["hash-object", "-w", "--stdin"], b"version = 1\n");
        let link = repo.git_with(&["hash-object", "-w", "--stdin"], outside.path().to_str().unwrap().as_bytes());
        let commit = repo.commit("other", &[("a", "a")]);
        let folder = tree(&repo, &[("100644", b"x.toml", &blob)]);
        Self { repo, blob, link, commit, folder, canary, _outside: outside }
    }

    /// Lists one entry of each wrong kind.
    fn wrong(&self, for_folder: bool) -> Vec<(&'static str, &'static str, String)> {
        let mut list = vec![
            ("a link", "120000", self.link.clone()),
            ("a submodule", "160000", self.commit.clone()),
            ("a padded mode", "040000", self.folder.clone()),
            ("a mode of nothing", "0", self.blob.clone()),
            ("a mode of a device", "020000", self.blob.clone()),
            ("a group's mode", "100664", self.blob.clone()),
        ];
        match for_folder {
            true => list.extend([
                ("a file", "100644", self.blob.clone()),
                ("a file that says folder", "40000", self.blob.clone()),
            ]),
            false => list.extend([
                ("a folder", "40000", self.folder.clone()),
                ("a tree that says file", "100644", self.folder.clone()),
            ]),
        }
        list
    }

    /// Wraps `top` in the directories of the root `deploy/app`.
    fn deep(&self, top: &str) -> String {
        let inner = tree(&self.repo, &[("40000", b"app", top)]);
        tree(&self.repo, &[("40000", b"deploy", &inner)])
    }
}

/// Lists trees that must not be read or written: the defect, the root, the top tree.
fn corpus(parts: &Parts) -> Vec<(String, &'static str, String)> {
    let repo = &parts.repo;
    let mut tops = Vec::new();
    for (name, for_folder) in [("pinstream.lock", false), ("pinstream.toml", false), ("streams", true)] {
        for (what, mode, id) in parts.wrong(for_folder) {
            tops.push((format!("{name} is {what}"), tree(repo, &[(mode, name.as_bytes(), &id)])));
        }
    }
    for (what, mode, id) in parts.wrong(false).into_iter().filter(|(what, ..)| *what != "a folder") {
        let streams = tree(repo, &[(mode, b"x.toml", &id)]);
        tops.push((format!("a stream is {what}"), tree(repo, &[("40000", b"streams", &streams)])));
    }
    for (what, mode, id) in
        parts.wrong(true).into_iter().filter(|(what, ..)| *what != "a file" && !what.contains("group"))
    {
        let streams = tree(repo, &[(mode, b"team", &id)]);
        tops.push((format!("a folder of streams is {what}"), tree(repo, &[("40000", b"streams", &streams)])));
    }
    let names: [&[u8]; 7] = [b".git", b".GIT", b".Git", b"..", b".", b"", b"a/b"];
    for name in names {
        let shown = String::from_utf8_lossy(name).into_owned();
        let bad = tree(repo, &[("40000", name, &parts.folder)]);
        tops.push((format!("`{shown}` beside the lock"), tree(repo, &[("40000", name, &parts.folder)])));
        tops.push((format!("`{shown}` in the streams"), tree(repo, &[("40000", b"streams", &bad)])));
    }
    for name in [&b"a\x1b[2J.toml"[..], "a\u{202e}b.toml".as_bytes(), b"\xff.toml"] {
        let streams = tree(repo, &[("100644", name, &parts.blob)]);
        tops.push(("a name that cannot be shown".to_owned(), tree(repo, &[("40000", b"streams", &streams)])));
    }
    let (blob, folder, link) = (parts.blob.as_str(), parts.folder.as_str(), parts.link.as_str());
    tops.push((
        "two locks".into(),
        tree(repo, &[("100644", b"pinstream.lock", blob), ("120000", b"pinstream.lock", link)]),
    ));
    tops.push((
        "two same locks".into(),
        tree(repo, &[("100644", b"pinstream.lock", blob), ("100644", b"pinstream.lock", blob)]),
    ));
    let apart: [(&str, &[u8], &str); 3] =
        [("100644", b"streams", blob), ("100644", b"streams.a", blob), ("40000", b"streams", folder)];
    tops.push(("file and folder of one name".into(), tree(repo, &apart)));
    tops.push((
        "out of order".into(),
        tree(repo, &[("40000", b"streams", folder), ("100644", b"pinstream.lock", blob)]),
    ));
    let mut list = Vec::new();
    for (what, top) in tops {
        list.push((format!("{what}, below a folder"), "deploy/app", parts.deep(&top)));
        list.push((what, "", top));
    }
    for (what, mode, id) in parts.wrong(true) {
        let inner = tree(repo, &[(mode, b"app", &id)]);
        list.push((format!("the root is {what}"), "deploy/app", tree(repo, &[("40000", b"deploy", &inner)])));
        list.push((format!("the root's parent is {what}"), "deploy/app", tree(repo, &[(mode, b"deploy", &id)])));
    }
    list
}

#[test]
fn t3_no_malicious_tree_is_read_or_written() {
    slow!();
    let parts = Parts::new();
    let corpus = corpus(&parts);
    assert!(corpus.len() >= 60, "{}", corpus.len());
    let mut unsent = Vec::new();
    for (what, root, top) in corpus {
        let tip = parts.repo.git(&["commit-tree", "-m", "hostile", &top]);
        parts.repo.git(&["update-ref", "refs/heads/main", &tip]);
        let mut machine = Machine::new(parts.repo.url());
        machine.root = root.to_owned();
        let mut remote = machine.open();
        let tip = match remote.fetch_tips(None) {
            Ok(tips) => tips.tip,
            // git itself does not send the tree.
            Err(error) => {
                assert!(matches!(error, GitError::Unreachable { .. }), "{what}: {error}");
                assert_eq!(std::fs::read_to_string(&parts.canary).unwrap(), "canary", "{what}");
                unsent.push(what);
                continue;
            }
        };
        let error = remote.read(&tip).expect_err(&what);
        assert!(matches!(error, GitError::Tree { .. }), "{what}: {error}");
        // An entry next to the lock is read, but not written.
        if !what.contains("stream") && !what.contains(".toml") && !what.contains("shown") {
            let error = remote.land("main", &change(&tip, "overwritten"), now()).expect_err(&what);
            assert!(matches!(error, GitError::Tree { .. }), "{what}: {error}");
            assert_eq!(parts.repo.tip("refs/heads/main"), Some(tip.0), "{what}");
        }
        assert_eq!(std::fs::read_to_string(&parts.canary).unwrap(), "canary", "{what}");
    }
    // An entry without a name.
    assert_eq!(unsent, ["`` beside the lock"]);
}

fn open_at(repo: &BareRepo, root: &str) -> Result<Remote, GitError> {
    let folder = tempfile::tempdir().unwrap();
    Remote::open(RemoteSetup {
        url: repo.url(),
        root: root.to_owned(),
        cache: Some(folder.path().join("cache")),
        state: folder.path().join("state"),
        checkout: None,
        credentials: pinstream::git::credential::GitCredentialSources {
            token: Some(Secret::new("t".to_owned())),
            ..Default::default()
        },
        timeout: std::time::Duration::from_secs(5),
    })
}

#[test]
fn t3_no_path_leaves_the_repository() {
    let repo = BareRepo::with(&[("pinstream.toml", ""), ("a/b", "b")]);
    let too_long = "a/".repeat(2_048) + "a";
    let hostile = [
        "/",
        "/etc",
        "..",
        "../a",
        "a/..",
        "a/../b",
        ".",
        "./a",
        "a/.",
        "a//b",
        "a/",
        "/a",
        ".git",
        ".GIT",
        "a/.git",
        "a/.Git/hooks",
        ".gitmodules",
        "a/.gitattributes",
        "git~1",
        "GIT~2/x",
        ".git ",
        "a ",
        " a",
        "a.",
        "a\\b",
        "..\\a",
        "C:",
        "a:b",
        "a\nb",
        "a\0b",
        "a\tb",
        "a\u{202e}b",
        "é",
        &too_long,
    ];
    let mut remote = open_at(&repo, "").unwrap();
    let tip = remote.fetch_tips(None).unwrap().tip;
    for path in hostile {
        assert!(matches!(open_at(&repo, path).err(), Some(GitError::Tree { .. })), "{path:?}");
        assert!(matches!(remote.file(&tip, path), Err(GitError::Tree { .. })), "{path:?}");
        assert!(remote.read_state(Some(&tip), path).is_err(), "{path:?}");
    }
    let mut remote = open_at(&repo, "a").unwrap();
    let tip = remote.fetch_tips(None).unwrap().tip;
    assert_eq!(remote.file(&tip, "b").unwrap().unwrap().bytes, b"b");
}

/// Reads a tip, and returns the number of files.
fn read(repo: &BareRepo, tip: &CommitId) -> Result<usize, GitError> {
    Machine::new(repo.url()).open().read(tip).map(|files| files.len())
}

#[test]
fn t7_a_file_that_is_too_large_is_reported_with_the_limit() {
    slow!();
    let large = "#".repeat((256 << 10) + 1);
    let fits = "#".repeat(256 << 10);
    let repo = BareRepo::with(&[("pinstream.toml", &fits), ("streams/a.toml", &fits)]);
    let tip = CommitId(repo.tip("refs/heads/main").unwrap());
    assert_eq!(read(&repo, &tip), Ok(2));
    for path in ["pinstream.toml", "streams/a.toml"] {
        let tip = CommitId(repo.commit(path.trim_end_matches(".toml"), &[(path, &large)]));
        let error = read(&repo, &tip).unwrap_err();
        assert_eq!(error.to_string(), format!("cannot use `{path}` in the repository: it is larger than 256 KiB"));
    }
    let tip = CommitId(repo.commit("lock", &[("pinstream.lock", &"#".repeat(pinstream::model::lock::SIZE_MAX + 1))]));
    assert!(read(&repo, &tip).unwrap_err().to_string().contains("larger than 131072 KiB"));
    let deep = CommitId(repo.commit("deep", &[("streams/a/b/c/d/e/f/g/h.toml", "")]));
    assert!(read(&repo, &deep).unwrap_err().to_string().contains("at most 8 parts"));
}

#[test]
fn t7_a_few_objects_that_expand_to_millions_of_paths_are_not_walked() {
    let repo = BareRepo::new();
    let blob = repo.git_with(&["hash-object", "-w", "--stdin"], b"");
    for leaf in ["x.toml", "x.txt"] {
        let mut level = tree(&repo, &[("100644", leaf.as_bytes(), &blob)]);
        let names: Vec<String> = (0..64).map(|index| format!("d{index:02}")).collect();
        for _ in 0..5 {
            let entries: Vec<_> = names.iter().map(|name| ("40000", name.as_bytes(), level.as_str())).collect();
            level = tree(&repo, &entries);
        }
        let top = tree(&repo, &[("40000", b"streams", &level)]);
        let tip = CommitId(repo.git(&["commit-tree", "-m", "bomb", &top]));
        let error = read(&repo, &tip).unwrap_err();
        assert!(matches!(error, GitError::Tree { .. }), "{error}");
    }
}
