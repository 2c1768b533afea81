//! Properties of a branch's history after any number of passes.

use super::stage::Stage;

/// Checks that each of our commits has one parent and changes only the lock, that the history is linear and contains
/// the commits of `people`, and that no lock files are left over.
#[track_caller]
pub(super) fn check(stage: &Stage, people: &[String]) {
    let log = stage.repo.git(&["log", "--format=%H %an|%P", "main"]);
    let mut commits = Vec::new();
    for line in log.lines() {
        let (commit, parents) = line.split_once('|').unwrap();
        let (commit, author) = commit.split_once(' ').unwrap();
        commits.push(commit.to_owned());
        assert!(parents.split(' ').count() == 1, "{line}");
        if author == "pinstream" {
            assert!(!parents.is_empty(), "{line}");
            let changed = stage.repo.git(&["diff", "--name-only", parents, commit]);
            assert_eq!(changed, "pinstream.lock", "I6: {line}");
        }
    }
    for commit in people {
        assert!(commits.contains(commit), "the commit {commit} of a person is lost");
    }
    stage.repo.git(&["fsck", "--strict", "--no-dangling"]);
    assert_eq!(locks(&stage.repo.path()), Vec::<String>::new());
}

/// Lock files of Git below a directory.
fn locks(folder: &std::path::Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(locks(&path));
        } else if path.extension().is_some_and(|extension| extension == "lock") {
            found.push(path.display().to_string());
        }
    }
    found
}
