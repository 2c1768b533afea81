//! Debian's nginx with TLS and HTTP/2 in front of a registry.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::FakeRegistry;
use super::tls::Authority;

/// A running server; dropping it kills the process.
pub(crate) struct Nginx {
    process: Child,
    host: String,
    authority: Authority,
    folder: TempDir,
}

impl Nginx {
    /// Serves `registry`, with further directives of the `http` block and of its only `server` block.
    pub(crate) fn start(registry: &FakeRegistry, http: &str, server: &str) -> Self {
        let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new("nginx"));
        let identity = authority.identity(&[]);
        let path = |name: &str| folder.path().join(name).display().to_string();
        std::fs::write(path("tls.pem"), identity.certificate_pem()).unwrap();
        std::fs::write(path("tls.key"), identity.key_pem()).unwrap();
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|name| format!("    {name}_temp_path {};\n", path(name)))
            .concat();
        // Another process may take the free port first; then another port is tried.
        for _ in 0..10 {
            let host = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
            let text = format!(
                "daemon off;\nmaster_process off;\npid {};\nevents {{ worker_connections 1024; }}\nhttp {{\n\
                 {temporary}    log_format short '$server_protocol $request_method $status';\n    access_log {} short;\n    \
                 {http}\n    server {{\n        listen {host} ssl http2;\n        ssl_certificate {};\n        \
                 ssl_certificate_key {};\n        {server}\n        location / {{ proxy_pass http://{}; }}\n    }}\n}}\n",
                path("pid"),
                path("access.log"),
                path("tls.pem"),
                path("tls.key"),
                registry.host(),
            );
            std::fs::write(path("nginx.conf"), text).unwrap();
            let mut command = Command::new("nginx");
            command.args(["-p", &path(""), "-e", &path("error.log"), "-c", &path("nginx.conf")]);
            command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").stdin(Stdio::null());
            let mut process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            let start = Instant::now();
            while process.try_wait().unwrap().is_none() {
                if std::net::TcpStream::connect(&host).is_ok() {
                    return Self { process, host, authority, folder };
                }
                assert!(start.elapsed() < Duration::from_secs(20), "nginx does not listen");
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        panic!("nginx did not start: {}", std::fs::read_to_string(path("error.log")).unwrap_or_default());
    }

    /// `127.0.0.1:port`
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// CA certificate in PEM.
    pub(crate) fn ca(&self) -> Vec<u8> {
        self.authority.pem()
    }

    /// One line per request: protocol, method and status.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("access.log")).unwrap()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
