//! Git remotes for tests: bare repositories created with `git`, and real servers.
//!
//! Everything is in a temporary directory that is removed with the test; each server listens on a free port of
//! 127.0.0.1 and stops when its value is dropped. No configuration of the machine or the user is read.

pub(crate) mod daemon;
pub(crate) mod dulwich;
pub(crate) mod gitolite;
pub(crate) mod http;
pub(crate) mod ssh;

use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::canary;

/// A bare repository `repo.git` in a temporary directory; its `HEAD` is `main`.
pub(crate) struct BareRepo {
    folder: TempDir,
}

impl BareRepo {
    /// Creates an empty repository.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let repo = Self { folder };
        let path = repo.path();
        run(git_in(repo.folder.path()).args(["init", "--quiet", "--bare", "--initial-branch=main"]).arg(&path), b"");
        let config = path.join("config");
        let text = std::fs::read_to_string(&config).unwrap() + "[http]\n\treceivepack = true\n[gc]\n\tauto = 0\n";
        std::fs::write(&config, text).unwrap();
        repo
    }

    /// Creates a repository with one commit on `main` that contains `files`.
    pub(crate) fn with(files: &[(&str, &str)]) -> Self {
        let repo = Self::new();
        repo.commit("main", files);
        repo
    }

    /// Path of the repository.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("repo.git")
    }

    /// Directory that contains only `repo.git`, to be served.
    pub(crate) fn base(&self) -> &Path {
        self.folder.path()
    }

    /// Returns its `file://` URL.
    pub(crate) fn url(&self) -> String {
        format!("file://{}", self.path().display())
    }

    /// Runs `git` in the repository and returns its trimmed standard output.
    pub(crate) fn git(&self, args: &[&str]) -> String {
        self.git_with(args, b"")
    }

    /// Runs `git` in the repository with `input` on standard input.
    pub(crate) fn git_with(&self, args: &[&str], input: &[u8]) -> String {
        let output = run(git_in(&self.path()).args(args), input);
        String::from_utf8_lossy(&output).trim().to_owned()
    }

    /// Commits `files` on `branch`, which is created if necessary, keeps all other files, and returns the commit id.
    pub(crate) fn commit(&self, branch: &str, files: &[(&str, &str)]) -> String {
        self.commit_as(branch, "a commit of the test", files, &[])
    }

    /// Commits to `branch`: writes `files`, removes `gone`, and returns the commit id.
    pub(crate) fn commit_as(&self, branch: &str, message: &str, files: &[(&str, &str)], gone: &[&str]) -> String {
        let reference = format!("refs/heads/{branch}");
        let parent = self.tip(&reference);
        let count = parent.as_ref().map_or(0, |tip| self.git(&["rev-list", "--count", tip]).parse().unwrap());
        let when = 1_750_000_000_u64 + 60 * count;
        let mut stream = format!("commit {reference}\n");
        stream += &format!("author A Person <person@example.com> {when} +0000\n");
        stream += &format!("committer A Person <person@example.com> {when} +0000\n");
        stream += &format!("data {}\n{message}\n", message.len());
        if let Some(parent) = parent {
            stream += &format!("from {parent}\n");
        }
        for path in gone {
            stream += &format!("D {path}\n");
        }
        for (path, contents) in files {
            stream += &format!("M 100644 inline {path}\ndata {}\n{contents}\n", contents.len());
        }
        self.git_with(&["fast-import", "--quiet"], stream.as_bytes());
        self.tip(&reference).unwrap()
    }

    /// Commit that a ref, such as `refs/heads/main` or `refs/pinstream/state`, points to. Reads the files of the
    /// repository, because tests ask for this often and a process takes longer.
    pub(crate) fn tip(&self, reference: &str) -> Option<String> {
        if let Ok(tip) = std::fs::read_to_string(self.path().join(reference)) {
            return Some(tip.trim().to_owned());
        }
        let packed = std::fs::read_to_string(self.path().join("packed-refs")).unwrap_or_default();
        packed.lines().find_map(|line| line.strip_suffix(reference)?.strip_suffix(' ')).map(str::to_owned)
    }

    /// Content of a file at the tip of `branch` or at any other revision.
    pub(crate) fn read(&self, branch: &str, path: &str) -> Option<String> {
        let output = git_in(&self.path()).args(["cat-file", "blob", &format!("{branch}:{path}")]).output().unwrap();
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
    }

    /// Subjects of a branch's commits, newest first.
    pub(crate) fn log(&self, branch: &str) -> Vec<String> {
        self.git(&["log", "--format=%s", branch]).lines().map(str::to_owned).collect()
    }

    /// Installs a server hook (`pre-receive`, `update`) with this shell script.
    pub(crate) fn hook(&self, name: &str, script: &str) {
        let path = self.path().join("hooks").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
}

impl Drop for BareRepo {
    /// Checks that nothing that was pushed contains the secret.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            canary::absent_in_repository(&self.path());
        }
    }
}

/// The `git` program in `folder`, without any configuration of the machine or the user.
pub(crate) fn git_in(folder: &Path) -> Command {
    let mut command = Command::new("git");
    command.current_dir(folder).env_clear().envs(bare_environment(folder));
    command
}

/// Environment of programs in tests: the path, an empty home, a fixed identity and time zone.
pub(crate) fn bare_environment(home: &Path) -> Vec<(&'static str, String)> {
    vec![
        ("PATH", std::env::var("PATH").unwrap()),
        ("HOME", home.display().to_string()),
        ("LANG", "C.UTF-8".to_owned()),
        ("TZ", "UTC".to_owned()),
        ("GIT_CONFIG_NOSYSTEM", "1".to_owned()),
        ("GIT_TERMINAL_PROMPT", "0".to_owned()),
        ("GIT_AUTHOR_NAME", "A Person".to_owned()),
        ("GIT_AUTHOR_EMAIL", "person@example.com".to_owned()),
        ("GIT_COMMITTER_NAME", "A Person".to_owned()),
        ("GIT_COMMITTER_EMAIL", "person@example.com".to_owned()),
    ]
}

/// Runs `command` with `input` and returns its standard output. Panics if it fails, with its standard error.
pub(crate) fn run(command: &mut Command, input: &[u8]) -> Vec<u8> {
    let output = output_of(command, input);
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// Runs `command` with `input` to its end.
pub(crate) fn output_of(command: &mut Command, input: &[u8]) -> Output {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            // A program may exit without reading all of its input; its exit code decides.
            let _ = stdin.write_all(input);
        });
        child.wait_with_output().unwrap()
    })
}

/// Directory of Git's own programs (`git --exec-path`).
pub(crate) fn exec_path() -> PathBuf {
    let output = run(Command::new("git").arg("--exec-path"), b"");
    PathBuf::from(String::from_utf8(output).unwrap().trim())
}

/// Returns a port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// Waits until something listens on `port`.
pub(crate) fn wait_for(port: u16) {
    let begin = Instant::now();
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        assert!(begin.elapsed() < Duration::from_secs(20), "no server listens on port {port}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
