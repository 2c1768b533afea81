//! `git http-backend` behind a small HTTP server, with Basic authentication, request counts, and faults on request.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use super::{bare_environment, exec_path, output_of};
use crate::support::encoding::base64;
use crate::support::registry::tls::TlsAcceptor;

/// A request and the size of its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServedRequest {
    /// Method and target, such as `GET /repo.git/info/refs?service=git-upload-pack`.
    pub(crate) line: String,
    /// The `Authorization` header.
    pub(crate) authorization: Option<String>,
    /// Size of the answer's body in bytes.
    pub(crate) sent: usize,
    /// Size of the request's body in bytes.
    pub(crate) received: usize,
}

/// A fault that happens once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Executes a push, but never answers.
    LoseAnswerOfPush,
    /// Closes the connection of a push without executing it.
    LosePush,
    /// Executes a push and answers: the next fault is for a later one.
    PassPush,
    /// Redirects the next request to another origin.
    Redirect(u16),
    /// Answers the next request with this status.
    Status(u16),
    /// Ends the body of the next answer 20 bytes early.
    Truncate,
}

struct Shared {
    base: PathBuf,
    backend: PathBuf,
    /// User and password, as `Basic` encodes them.
    basic: Option<String>,
    asked: Mutex<Vec<ServedRequest>>,
    faults: Mutex<VecDeque<Fault>>,
    stop: AtomicBool,
    tls: Option<TlsAcceptor>,
}

/// A running server.
pub(crate) struct HttpBackend {
    shared: Arc<Shared>,
    port: u16,
}

impl HttpBackend {
    /// Serves all repositories below `base` without authentication.
    pub(crate) fn start(base: &Path) -> Self {
        Self::serve(base, None, None)
    }

    /// Serves them with Basic authentication.
    pub(crate) fn with_password(base: &Path, user: &str, password: &str) -> Self {
        Self::serve(base, Some(basic(user, password)), None)
    }

    /// Serves them to one user over TLS.
    pub(crate) fn with_tls(base: &Path, user: &str, password: &str, tls: TlsAcceptor) -> Self {
        Self::serve(base, Some(basic(user, password)), Some(tls))
    }

    fn serve(base: &Path, basic: Option<String>, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            base: base.to_owned(),
            backend: exec_path().join("git-http-backend"),
            basic,
            asked: Mutex::default(),
            faults: Mutex::default(),
            stop: AtomicBool::new(false),
            tls,
        });
        let server = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if server.stop.load(Ordering::SeqCst) {
                    return;
                }
                let server = Arc::clone(&server);
                std::thread::spawn(move || match &server.tls {
                    None => serve(&server, stream),
                    Some(tls) => {
                        if let Ok(stream) = tls.accept(stream) {
                            serve(&server, stream);
                        }
                    }
                });
            }
        });
        Self { shared, port }
    }

    /// URL of `repo.git`.
    pub(crate) fn url(&self) -> String {
        let scheme = if self.shared.tls.is_some() { "https://localhost" } else { "http://127.0.0.1" };
        format!("{scheme}:{}/repo.git", self.port)
    }

    /// Port that it listens on.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Triggers `fault` once, after the faults that are still to come.
    pub(crate) fn fail_once(&self, fault: Fault) {
        self.shared.faults.lock().unwrap().push_back(fault);
    }

    /// Returns the requests since the last call.
    pub(crate) fn take_requests(&self) -> Vec<ServedRequest> {
        std::mem::take(&mut *self.shared.asked.lock().unwrap())
    }
}

impl Drop for HttpBackend {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        // This connection makes the blocked `accept` return, so that the thread sees the end.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

/// The parts of a request that matter here.
struct Request {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// Answers one request and closes the connection.
fn serve<S: Read + Write>(shared: &Shared, mut stream: S) {
    let Some(request) = read_request(&mut stream) else { return };
    let is_push = request.method == "POST" && request.target.ends_with("git-receive-pack");
    let mut faults = shared.faults.lock().unwrap();
    let applies = match faults.front() {
        Some(Fault::LoseAnswerOfPush | Fault::LosePush | Fault::PassPush) => is_push,
        Some(Fault::Redirect(_) | Fault::Status(_) | Fault::Truncate) => true,
        None => false,
    };
    let fault = if applies { faults.pop_front() } else { None };
    drop(faults);
    let asked = |sent| ServedRequest {
        line: format!("{} {}", request.method, request.target),
        authorization: request.header("authorization").map(str::to_owned),
        sent,
        received: request.body.len(),
    };
    let answer = match fault {
        Some(Fault::LosePush) => Vec::new(),
        Some(Fault::Redirect(port)) => {
            let location = format!("http://localhost:{port}{}", request.target);
            format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").into()
        }
        Some(Fault::Status(status)) => {
            format!("HTTP/1.1 {status} Planned\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").into()
        }
        Some(Fault::LoseAnswerOfPush) => {
            backend(shared, &request);
            Vec::new()
        }
        None if shared.basic.is_some() && request.header("authorization") != shared.basic.as_deref() => {
            b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"git\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                .to_vec()
        }
        Some(Fault::Truncate) => {
            let mut answer = backend(shared, &request);
            answer.truncate(answer.len() - 20);
            answer
        }
        None | Some(Fault::PassPush) => backend(shared, &request),
    };
    shared.asked.lock().unwrap().push(asked(answer.len()));
    let _ = stream.write_all(&answer);
    let _ = stream.flush();
}

fn read_request<S: Read + Write>(stream: &mut S) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
    let mut request = Request { method, target, headers, body: Vec::new() };
    if request.header("expect").is_some() {
        reader.get_mut().write_all(b"HTTP/1.1 100 Continue\r\n\r\n").ok()?;
    }
    request.body = match request.header("transfer-encoding") {
        Some(_) => read_chunks(&mut reader)?,
        None => {
            let length: u64 = request.header("content-length").map_or(0, |length| length.parse().unwrap());
            let mut body = Vec::new();
            reader.take(length).read_to_end(&mut body).ok()?;
            body
        }
    };
    Some(request)
}

fn read_chunks(reader: &mut impl std::io::BufRead) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let size = u64::from_str_radix(line.trim(), 16).ok()?;
        reader.by_ref().take(size).read_to_end(&mut body).ok()?;
        reader.read_line(&mut line).ok()?;
        if size == 0 {
            return Some(body);
        }
    }
}

/// Runs the CGI program (git-http-backend(1)) and converts its output to an HTTP answer.
fn backend(shared: &Shared, request: &Request) -> Vec<u8> {
    let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
    let mut command = Command::new(&shared.backend);
    command
        .env_clear()
        .envs(bare_environment(&shared.base))
        .env("GIT_PROJECT_ROOT", &shared.base)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REQUEST_METHOD", &request.method)
        .env("PATH_INFO", path)
        .env("QUERY_STRING", query)
        .env("CONTENT_TYPE", request.header("content-type").unwrap_or(""))
        .env("CONTENT_LENGTH", request.body.len().to_string())
        .env("REMOTE_ADDR", "127.0.0.1");
    for (variable, header) in [("HTTP_CONTENT_ENCODING", "content-encoding"), ("GIT_PROTOCOL", "git-protocol")] {
        if let Some(value) = request.header(header) {
            command.env(variable, value);
        }
    }
    let output = output_of(&mut command, &request.body);
    // A hook may abort a push; its answer ends there.
    let may_fail = request.target.ends_with("git-receive-pack");
    assert!(output.status.success() || may_fail, "{}", String::from_utf8_lossy(&output.stderr));
    let output = output.stdout;
    let split = output.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let head = String::from_utf8_lossy(&output[..split]).into_owned();
    let body = &output[split + 4..];
    let status = head.lines().find_map(|line| line.strip_prefix("Status: ")).unwrap_or("200 OK");
    let mut answer = format!("HTTP/1.1 {status}\r\n");
    for line in head.lines().filter(|line| !line.starts_with("Status: ")) {
        answer += &format!("{line}\r\n");
    }
    answer += &format!("Content-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    let mut answer = answer.into_bytes();
    answer.extend_from_slice(body);
    answer
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", base64(format!("{user}:{password}")))
}
