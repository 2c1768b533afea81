//! Git remotes for tests: bare repositories created with `git`, and real servers.
//!
//! Each has a temporary directory; servers listen on a free port of 127.0.0.1 and end when they are dropped. No
//! configuration of the machine or its user is read.

pub(crate) mod daemon;
pub(crate) mod http;
pub(crate) mod ssh;

use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
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
        repo.git(&["config", "http.receivepack", "true"]);
        repo.git(&["config", "gc.auto", "0"]);
        repo
    }

    /// Creates a repository with one commit on `main` that contains `files`.
    pub(crate) fn with(files: &[(&str, &str)]) -> Self {
        let repo = Self::new();
        repo.commit("main", files);
        repo
    }

    /// Returns its directory.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("repo.git")
    }

    /// Returns the directory that contains `repo.git` only, for servers.
    pub(crate) fn base(&self) -> &Path {
        self.folder.path()
    }

    /// Returns its `file://` address.
    pub(crate) fn url(&self) -> String {
        format!("file://{}", self.path().display())
    }

    /// Runs `git` in the repository, and returns its trimmed output.
    pub(crate) fn git(&self, args: &[&str]) -> String {
        self.git_with(args, b"")
    }

    /// Runs `git` with `input`, and returns its trimmed output.
    pub(crate) fn git_with(&self, args: &[&str], input: &[u8]) -> String {
        let output = run(git_in(&self.path()).args(args), input);
        String::from_utf8_lossy(&output).trim().to_owned()
    }

    /// Adds a commit to `branch`, which may be new, that writes `files`; returns its id.
    pub(crate) fn commit(&self, branch: &str, files: &[(&str, &str)]) -> String {
        self.commit_as(branch, "a commit of the test", files, &[])
    }

    /// Adds a commit to `branch` that writes `files` and removes `gone`; returns its id.
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

    /// Returns the commit of a ref, e.g. `refs/heads/main`.
    pub(crate) fn tip(&self, reference: &str) -> Option<String> {
        let list = self.git(&["for-each-ref", "--format=%(objectname)", reference]);
        list.lines().next().map(str::to_owned)
    }

    /// Reads a file at a branch or another revision.
    pub(crate) fn read(&self, branch: &str, path: &str) -> Option<String> {
        let output = git_in(&self.path()).args(["cat-file", "blob", &format!("{branch}:{path}")]).output().unwrap();
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
    }

    /// Lists the subjects of a branch's commits, newest first.
    pub(crate) fn log(&self, branch: &str) -> Vec<String> {
        self.git(&["log", "--format=%s", branch]).lines().map(str::to_owned).collect()
    }

    /// Writes a server hook, e.g. `pre-receive`, as a shell script.
    pub(crate) fn hook(&self, name: &str, script: &str) {
        let path = self.path().join("hooks").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
}

impl Drop for BareRepo {
    /// Checks that nothing that was pushed contains a secret.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            canary::absent_in_repository(&self.path());
        }
    }
}

/// Prepares `git` in `folder`, without the configuration of the machine or the user.
pub(crate) fn git_in(folder: &Path) -> Command {
    let mut command = Command::new("git");
    command.current_dir(folder).env_clear().envs(bare_environment(folder));
    command
}

/// Returns the environment of programs: `PATH`, a home directory, a fixed person and time zone.
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

/// Runs `command` with `input`, and returns its output; fails the test if it fails.
pub(crate) fn run(command: &mut Command, input: &[u8]) -> Vec<u8> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let output = std::thread::scope(|scope| {
        scope.spawn(move || {
            // A program may end without reading its input; its exit code counts.
            let _ = stdin.write_all(input);
        });
        child.wait_with_output().unwrap()
    });
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// Returns the directory of Git's own programs (`git --exec-path`).
pub(crate) fn exec_path() -> PathBuf {
    let output = run(Command::new("git").arg("--exec-path"), b"");
    PathBuf::from(String::from_utf8(output).unwrap().trim())
}

/// Returns a port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// Waits until a server listens on `port`.
pub(crate) fn wait_for(port: u16) {
    let begin = Instant::now();
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        assert!(begin.elapsed() < Duration::from_secs(20), "no server listens on port {port}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
