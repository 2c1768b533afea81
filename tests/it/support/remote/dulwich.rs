//! dulwich, a Git server in Python, over HTTP.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::{bare_environment, free_port, wait_for};

/// Serves one repository at `/`, with pushes.
const PROGRAM: &str = "\
import sys
from wsgiref.simple_server import make_server
from dulwich.repo import Repo
from dulwich.server import DictBackend
from dulwich.web import make_wsgi_chain, WSGIRequestHandlerLogger, WSGIServerLogger
backend = DictBackend({'/repo.git': Repo(sys.argv[1])})
app = make_wsgi_chain(backend)
make_server('127.0.0.1', int(sys.argv[2]), app, handler_class=WSGIRequestHandlerLogger,
            server_class=WSGIServerLogger).serve_forever()
";

/// A running server.
pub(crate) struct Dulwich {
    child: Child,
    port: u16,
}

impl Dulwich {
    /// Serves the bare repository at `path` as `repo.git`.
    pub(crate) fn start(path: &Path) -> Self {
        let port = free_port();
        // Debian's package belongs to Debian's Python.
        let child = Command::new("/usr/bin/python3")
            .args(["-c", PROGRAM])
            .arg(path)
            .arg(port.to_string())
            .env_clear()
            .envs(bare_environment(path))
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        wait_for(port);
        Self { child, port }
    }

    /// URL of `repo.git`.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/repo.git", self.port)
    }
}

impl Drop for Dulwich {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
