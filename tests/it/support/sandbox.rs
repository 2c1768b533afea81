//! A sandbox for the program: a home and a clock of its own, no inherited variables, and output that can be compared.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::canary::{self, CANARY};
use super::encoding::base64;
use super::registry::docker::USER;

/// Variables that contain secrets, ours and those of CI systems. No test depends on their values.
const SECRETS: [&str; 15] = [
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
    "ACTIONS_RUNTIME_TOKEN",
    "AWS_SECRET_ACCESS_KEY",
    "AZURE_DEVOPS_EXT_PAT",
    "BITBUCKET_TOKEN",
    "CI_JOB_TOKEN",
    "DEPLOY_TOKEN",
    "FORGEJO_TOKEN",
    "GH_TOKEN",
    "GITEA_TOKEN",
    "GITHUB_TOKEN",
    "GITLAB_TOKEN",
    "PINSTREAM_FORGE_TOKEN",
    "PINSTREAM_GIT_TOKEN",
    "SYSTEM_ACCESSTOKEN",
];
/// Programs whose arguments are recorded when the program under test or a child starts them.
const RECORDED: [&str; 4] = ["curl", "git", "jq", "sh"];

/// A working directory and a home.
pub(crate) struct Sandbox {
    folder: TempDir,
    env: Vec<(String, String)>,
    scrub: Vec<(String, String)>,
}

/// Exit code and output of a program.
pub(crate) struct RunResult {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().unwrap();
        for name in ["home", "work", "bin/real"] {
            fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        for name in RECORDED {
            let mut places = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).collect::<Vec<_>>();
            places.retain(|place| place.join(name).is_file());
            let Some(place) = places.first() else { continue };
            symlink(place.join(name), folder.path().join("bin/real").join(name)).unwrap();
            symlink(canary::WITNESS, folder.path().join("bin").join(name)).unwrap();
        }
        let home = folder.path().join("home");
        fs::write(
            home.join(".gitconfig"),
            "[user]\nname = A. Person\nemail = person@example.com\n[init]\ndefaultBranch = main\n",
        )
        .unwrap();
        let sandbox = Self { folder, env: Vec::new(), scrub: Vec::new() };
        for path in [".docker/config.json", ".config/containers/auth.json"] {
            let whole = sandbox.home().join(path);
            fs::create_dir_all(whole.parent().unwrap()).unwrap();
            fs::write(whole, logins("elsewhere.example")).unwrap();
        }
        sandbox
    }

    /// Stores a secret for a registry, as `docker login` does.
    pub(crate) fn log_in(&self, host: &str) {
        fs::write(self.home().join(".docker/config.json"), logins(host)).unwrap();
    }

    /// Directory that commands run in.
    pub(crate) fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// Sets a variable for all further commands.
    pub(crate) fn env(&mut self, name: &str, value: impl Into<String>) {
        self.env.push((name.to_owned(), value.into()));
    }

    /// Replaces `text` by `name` in compared output.
    pub(crate) fn scrub(&mut self, text: impl Into<String>, name: &str) {
        self.scrub.push((text.into(), name.to_owned()));
    }

    /// Writes a file of the working directory.
    pub(crate) fn write(&self, path: &str, text: &str) {
        let whole = self.work().join(path);
        fs::create_dir_all(whole.parent().unwrap()).unwrap();
        fs::write(whole, text).unwrap();
    }

    /// Reads a file of the working directory.
    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.work().join(path)).unwrap()
    }

    /// Prepares `program` with `PATH` as the only inherited variable.
    pub(crate) fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        command.current_dir(self.work()).env_clear().stdin(Stdio::null());
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", self.home());
        command.env("LANG", "C.UTF-8").env("PINSTREAM_NOW", "2026-11-24T12:00:00Z");
        command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_TERMINAL_PROMPT", "0");
        command.env("GIT_AUTHOR_DATE", "2026-11-24T11:00:00Z").env("GIT_COMMITTER_DATE", "2026-11-24T11:00:00Z");
        command.envs(SECRETS.map(|name| (name, CANARY))).env("DOCKER_AUTH_CONFIG", logins("third.example"));
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Prepares the program under test.
    pub(crate) fn pinstream(&self, args: &[&str]) -> Command {
        let mut command = self.as_program(env!("CARGO_BIN_EXE_pinstream"));
        command.args(args);
        command
    }

    /// Prepares `program` like the program under test: programs that it starts are recorded.
    pub(crate) fn as_program(&self, program: impl AsRef<Path>) -> Command {
        let mut command = self.command(program);
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path =
            std::env::join_paths([self.folder.path().join("bin")].into_iter().chain(std::env::split_paths(&path)));
        // A `PATH` set by the test has precedence.
        if self.env.iter().all(|(name, _)| name != "PATH") {
            command.env("PATH", path.unwrap());
        }
        command
    }

    /// Runs the program under test to its end.
    pub(crate) fn run(&self, args: &[&str]) -> RunResult {
        self.finish(self.pinstream(args))
    }

    /// Runs any command to its end.
    #[track_caller]
    pub(crate) fn finish(&self, mut command: Command) -> RunResult {
        self.ended(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    }

    /// Waits for a process. Fails if its output, or an argument of a program it started, contains a secret.
    #[track_caller]
    pub(crate) fn ended(&self, process: Child) -> RunResult {
        let output = process.wait_with_output().unwrap();
        canary::absent("standard output", &output.stdout);
        canary::absent("standard error", &output.stderr);
        canary::absent("a command line", &fs::read(self.folder.path().join("bin/started")).unwrap_or_default());
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        RunResult { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// Starts the program under test; its output may be read.
    pub(crate) fn start(&self, args: &[&str]) -> Child {
        let said = fs::OpenOptions::new().create(true).append(true).open(self.folder.path().join("bin/said")).unwrap();
        self.pinstream(args).stdout(said).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Runs `git` in the working directory and returns its output.
    #[track_caller]
    pub(crate) fn git(&self, args: &[&str]) -> String {
        let mut command = self.command("git");
        command.args(args);
        let ran = self.finish(command);
        assert_eq!(ran.code, Some(0), "git {args:?}: {}{}", ran.stdout, ran.stderr);
        ran.stdout
    }

    /// Formats output and exit code, with names in place of everything that differs between runs.
    pub(crate) fn shown(&self, ran: &RunResult) -> String {
        let mut text = String::new();
        for (name, part) in [("out", &ran.stdout), ("err", &ran.stderr)] {
            if !part.is_empty() {
                text.push_str(&format!("--- {name}\n{}\n", part.trim_end()));
            }
        }
        text.push_str(&format!("--- exit {}", ran.code.map_or("by a signal".to_owned(), |code| code.to_string())));
        self.scrubbed(&text)
    }

    /// Replaces everything in `text` that differs between runs by names.
    pub(crate) fn scrubbed(&self, text: &str) -> String {
        let mut text = text.replace(self.folder.path().to_str().unwrap(), "[SANDBOX]");
        for (from, to) in &self.scrub {
            text = text.replace(from, to);
        }
        text.lines().map(|line| without_plan(line).trim_end().to_owned()).collect::<Vec<_>>().join("\n")
    }

    /// Runs the program and compares its output and exit code.
    #[track_caller]
    pub(crate) fn check(&self, args: &[&str], expected: &str) {
        same(&self.shown(&self.run(args)), expected);
    }
}

/// Removes the plan's hash from `line`; it depends on the ports of the registries.
fn without_plan(line: &str) -> String {
    let name = "Pinstream-Plan: sha256:";
    match line.find(name) {
        Some(at) if line.len() == at + name.len() + 64 => format!("{}[PLAN]", &line[..at + name.len()]),
        _ => line.to_owned(),
    }
}

impl Drop for Sandbox {
    /// Checks that the files left behind contain no secret.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            for folder in ["work", "home/.cache", "home/.local", "bin"] {
                canary::absent_below(&self.folder.path().join(folder));
            }
        }
    }
}

/// Builds a `config.json` with a secret for `host`.
fn logins(host: &str) -> String {
    let auth = base64(format!("{}:{}", USER.0, USER.1));
    serde_json::json!({"auths": {host: {"auth": auth}, "https://index.docker.io/v1/": {"auth": auth}}}).to_string()
}

/// Compares two texts without leading and trailing whitespace.
#[track_caller]
pub(crate) fn same(found: &str, expected: &str) {
    assert_eq!(found.trim(), expected.trim(), "\n{found}\n");
}
