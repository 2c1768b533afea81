//! A real `sshd`, with keys generated for the test.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::{bare_environment, free_port, run, wait_for};

/// A running `sshd` that accepts one key, and a home whose `known_hosts` lists it.
pub(crate) struct Sshd {
    child: Child,
    port: u16,
    folder: TempDir,
    home: PathBuf,
    repository: PathBuf,
}

impl Sshd {
    /// Serves the repositories below `base` to the user that runs the tests. `home` is the home of the clients; the
    /// server's key is added to its `known_hosts`.
    pub(crate) fn start(base: &Path, home: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["host", "user", "stranger"] {
            key(&at(name), "");
        }
        key(&at("locked"), "open sesame");
        let authorized = ["user.pub", "locked.pub"].map(|name| std::fs::read_to_string(at(name)).unwrap()).concat();
        std::fs::write(at("authorized"), authorized).unwrap();
        // Directory for privilege separation, which is missing on machines that never ran the service.
        std::fs::create_dir_all("/run/sshd").unwrap();
        let port = free_port();
        let settings = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {host}\nAuthorizedKeysFile {authorized}\nPidFile none\n\
             StrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin yes\nMaxStartups 100\nLogLevel DEBUG1\n\
             SetEnv PATH={path} GIT_CONFIG_NOSYSTEM=1 HOME={home}\n",
            host = at("host").display(),
            authorized = at("authorized").display(),
            path = std::env::var("PATH").unwrap(),
            home = folder.path().display(),
        );
        std::fs::write(at("sshd_config"), settings).unwrap();
        let child = Command::new("/usr/sbin/sshd")
            .args(["-D", "-e", "-f"])
            .arg(at("sshd_config"))
            .env_clear()
            .envs(bare_environment(folder.path()))
            .stdin(Stdio::null())
            .stderr(std::fs::File::create(at("log")).unwrap())
            .spawn()
            .unwrap();
        wait_for(port);
        let server = Self { child, port, repository: base.join("repo.git"), home: home.to_owned(), folder };
        server.trust(&server.file("host.pub"));
        server
    }

    /// Accepts only these keys, each for one command.
    pub(crate) fn force_commands(&self, commands: &[(&str, String)]) {
        let line = |(key, command): &(&str, String)| {
            let public = std::fs::read_to_string(self.file(&format!("{key}.pub"))).unwrap();
            format!("command=\"{command}\",restrict {public}")
        };
        std::fs::write(self.file("authorized"), commands.iter().map(line).collect::<String>()).unwrap();
    }

    /// Port that it listens on.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Writes `known_hosts` in the home, with the key in `public` for this server.
    pub(crate) fn trust(&self, public: &Path) {
        let text = std::fs::read_to_string(public).unwrap();
        let key: Vec<_> = text.split_whitespace().take(2).collect();
        std::fs::create_dir_all(self.home.join(".ssh")).unwrap();
        let line = format!("[127.0.0.1]:{} {}\n", self.port, key.join(" "));
        std::fs::write(self.home.join(".ssh/known_hosts"), line).unwrap();
    }

    /// Returns the `GIT_SSH_COMMAND` of clients with this home: OpenSSH finds a home in the list of users, not by `HOME`.
    pub(crate) fn command(home: &Path) -> String {
        format!("ssh -F none -o UserKnownHostsFile={}/.ssh/known_hosts", home.display())
    }

    /// Empties `known_hosts` in the home.
    pub(crate) fn trust_nobody(&self) {
        std::fs::write(self.home.join(".ssh/known_hosts"), "").unwrap();
    }

    /// Path of a key: `user` (accepted), `locked` (accepted, passphrase `open sesame`), `stranger` (not accepted),
    /// `host`; with `.pub` the public one.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Log of the server.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.file("log")).unwrap()
    }

    /// URL of `repo.git`.
    pub(crate) fn url(&self) -> String {
        let user = std::env::var("USER").unwrap_or_else(|_| "root".to_owned());
        format!("ssh://{user}@127.0.0.1:{}{}", self.port, self.repository.display())
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn key(path: &Path, passphrase: &str) {
    let mut command = Command::new("ssh-keygen");
    command.args(["-q", "-t", "ed25519", "-C", "test", "-N", passphrase, "-f"]).arg(path);
    run(&mut command, b"");
}
