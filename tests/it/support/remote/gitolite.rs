//! A real gitolite behind a real `sshd`: rules per user and ref.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::ssh::Sshd;
use super::{bare_environment, run};

/// The settings of gitolite: no roles, no commands beside those of Git.
const RC: &str = "%RC = (UMASK => 0077, GIT_CONFIG_KEYS => '', GL_REPO_BASE => 'DIRECTORY', ENABLE => []);\n1;\n";

/// A running server; the key `user` belongs to `bot`, `stranger` to `reader`.
pub(crate) struct Gitolite {
    pub(crate) sshd: Sshd,
    folder: TempDir,
}

impl Gitolite {
    /// Serves the repositories below `base` by `rules` (gitolite.conf) to clients with this home.
    pub(crate) fn start(base: &Path, home: &Path, rules: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at(".gitolite.rc"), RC.replace("DIRECTORY", base.to_str().unwrap())).unwrap();
        let sshd = Sshd::start(base, home);
        let command = |user: &str| {
            let home = folder.path().display();
            format!("env HOME={home} GIT_CONFIG_NOSYSTEM=1 /usr/share/gitolite3/gitolite-shell {user}")
        };
        sshd.force_commands(&[("user", command("bot")), ("stranger", command("reader"))]);
        let server = Self { sshd, folder };
        server.gitolite(&["setup", "--admin", "admin"]);
        std::fs::write(server.file(".gitolite/conf/gitolite.conf"), rules).unwrap();
        server.gitolite(&["compile"]);
        server.gitolite(&["trigger", "POST_COMPILE"]);
        server
    }

    /// URL of a repository, by its name without `.git`.
    pub(crate) fn url(&self, name: &str) -> String {
        let user = std::env::var("USER").unwrap_or_else(|_| "root".to_owned());
        format!("ssh://{user}@127.0.0.1:{}/{name}", self.sshd.port())
    }

    /// Number of connections for pushing that it logged.
    pub(crate) fn pushes(&self) -> usize {
        let logs = std::fs::read_dir(self.file(".gitolite/logs")).unwrap();
        let texts = logs.map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap());
        texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).filter(|line| is_push(line)).count()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn gitolite(&self, args: &[&str]) {
        let mut command = Command::new("gitolite");
        command.args(args).env_clear().envs(bare_environment(self.folder.path()));
        run(&mut command, b"");
    }
}

/// Reports whether a line of the log is about the start of a push.
fn is_push(line: &str) -> bool {
    line.contains("\tpre_git\t") && line.contains("\tW\t")
}
