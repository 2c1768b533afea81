//! `git daemon`: the `git://` protocol, including pushes.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::{bare_environment, exec_path, free_port, wait_for};

/// A running `git daemon`.
pub(crate) struct GitDaemon {
    child: Child,
    port: u16,
}

impl GitDaemon {
    /// Serves all repositories below `base`.
    pub(crate) fn start(base: &Path) -> Self {
        let port = free_port();
        let child = Command::new(exec_path().join("git-daemon"))
            .args(["--reuseaddr", "--listen=127.0.0.1", "--export-all", "--enable=receive-pack"])
            .args([format!("--port={port}"), format!("--base-path={}", base.display())])
            .env_clear()
            .envs(bare_environment(base))
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        wait_for(port);
        Self { child, port }
    }

    /// URL of `repo.git`.
    pub(crate) fn url(&self) -> String {
        format!("git://127.0.0.1:{}/repo.git", self.port)
    }
}

impl Drop for GitDaemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
