//! HTTP/1.1 without a library: a server that can break every rule, and a client for pushing.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use super::tls::{Authority, Identity};

/// A received request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Decoded values of a query parameter.
    pub(crate) fn query(&self, key: &str) -> Vec<String> {
        let query = self.target.split_once('?').map_or("", |(_, query)| query);
        let pairs = url::form_urlencoded::parse(query.as_bytes());
        pairs.filter(|(name, _)| name == key).map(|(_, value)| value.into_owned()).collect()
    }

    pub(crate) fn path(&self) -> &str {
        self.target.split('?').next().unwrap()
    }
}

/// A response, valid or not.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Body,
}

/// Transfer of a body.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    /// With its correct length.
    Whole(Vec<u8>),
    /// With a wrong length; the connection closes afterwards.
    Claiming(usize, Vec<u8>),
    /// One byte at a time, with a pause after each.
    Drip(Duration),
    /// In chunks without end.
    Endless,
    /// Closes the connection without an answer.
    Hangup,
    /// This many headers.
    Headers(usize),
}

impl Answer {
    pub(crate) fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Body::Whole(Vec::new()) }
    }

    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn body(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.body = Body::Whole(bytes.into());
        self
    }

    pub(crate) fn sent(mut self, body: Body) -> Self {
        self.body = body;
        self
    }
}

/// A server on a free loopback port, with one thread per connection. Dropping it stops it.
pub(crate) struct Server {
    address: SocketAddr,
    is_done: Arc<AtomicBool>,
    connections: Arc<AtomicUsize>,
}

pub(crate) type Handler = Arc<dyn Fn(&Request) -> Answer + Send + Sync>;

impl Server {
    pub(crate) fn start(identity: Option<&Identity>, handler: Handler) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let acceptor = identity.map(Identity::acceptor);
        let is_done = Arc::new(AtomicBool::new(false));
        let connections = Arc::new(AtomicUsize::new(0));
        let (done, count) = (Arc::clone(&is_done), Arc::clone(&connections));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if done.load(Ordering::SeqCst) {
                    break;
                }
                let Ok(stream) = stream else { continue };
                count.fetch_add(1, Ordering::SeqCst);
                let (handler, acceptor, done) = (Arc::clone(&handler), acceptor.clone(), Arc::clone(&done));
                std::thread::spawn(move || {
                    drop(stream.set_nodelay(true));
                    match acceptor {
                        Some(acceptor) => {
                            if let Ok(stream) = acceptor.accept(stream) {
                                converse(BufReader::new(stream), &handler, &done);
                            }
                        }
                        None => converse(BufReader::new(stream), &handler, &done),
                    }
                });
            }
        });
        Self { address, is_done, connections }
    }

    /// `127.0.0.1:port`
    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Number of connections so far.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.is_done.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
    }
}

/// Answers requests until either side closes the connection.
fn converse<S: Read + Write>(mut stream: BufReader<S>, handler: &Handler, done: &AtomicBool) {
    while !done.load(Ordering::SeqCst) {
        let Some(request) = read_request(&mut stream) else { return };
        let answer = handler(&request);
        if write_answer(stream.get_mut(), &request, &answer, done).is_none() {
            return;
        }
    }
}

fn read_request(stream: &mut impl std::io::BufRead) -> Option<Request> {
    let mut line = String::new();
    stream.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let mut words = line.split_ascii_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let headers = read_headers(stream)?;
    let mut request = Request { method, target, headers, body: Vec::new() };
    let length = request.header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    request.body.resize(length, 0);
    stream.read_exact(&mut request.body).ok()?;
    Some(request)
}

fn read_headers(stream: &mut impl std::io::BufRead) -> Option<Vec<(String, String)>> {
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let line = line.trim_end();
        if line.is_empty() {
            return Some(headers);
        }
        let (name, value) = line.split_once(':')?;
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
}

/// Sends `answer`; `None` if the connection has to be closed.
fn write_answer(stream: &mut impl Write, request: &Request, answer: &Answer, done: &AtomicBool) -> Option<()> {
    let mut head = format!("HTTP/1.1 {} X\r\n", answer.status);
    for (name, value) in &answer.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let is_head = request.method == "HEAD";
    match &answer.body {
        Body::Whole(bytes) => {
            head.push_str(&format!("content-length: {}\r\n\r\n", bytes.len()));
            let mut message = head.into_bytes();
            if !is_head {
                message.extend_from_slice(bytes);
            }
            stream.write_all(&message).ok()?;
            stream.flush().ok()
        }
        Body::Claiming(length, bytes) => {
            head.push_str(&format!("content-length: {length}\r\n\r\n"));
            stream.write_all(head.as_bytes()).ok()?;
            if !is_head {
                stream.write_all(bytes).ok()?;
            }
            stream.flush().ok()?;
            None
        }
        Body::Drip(pause) => {
            // The head is slow too, so that a HEAD takes as long as a GET.
            for byte in head.bytes().chain(std::iter::repeat(b'x')) {
                if done.load(Ordering::SeqCst) {
                    return None;
                }
                stream.write_all(&[byte]).ok()?;
                stream.flush().ok()?;
                std::thread::sleep(*pause);
            }
            None
        }
        Body::Endless => {
            head.push_str("transfer-encoding: chunked\r\n\r\n");
            stream.write_all(head.as_bytes()).ok()?;
            let mut chunk = b"10000\r\n".to_vec();
            chunk.resize(7 + 0x10000, b' ');
            chunk.extend_from_slice(b"\r\n");
            while !is_head && !done.load(Ordering::SeqCst) {
                stream.write_all(&chunk).ok()?;
            }
            stream.flush().ok()?;
            is_head.then_some(())
        }
        Body::Hangup => None,
        Body::Headers(count) => {
            for number in 0..*count {
                head.push_str(&format!("x-{number}: {}\r\n", "y".repeat(40)));
            }
            head.push_str("content-length: 0\r\n\r\n");
            stream.write_all(head.as_bytes()).ok()?;
            stream.flush().ok()
        }
    }
}

/// An answer as the client received it.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// Sends one request on a new connection.
pub(crate) fn request(host: &str, authority: Option<&Authority>, request: &Request) -> std::io::Result<Received> {
    let Request { method, target, headers, body } = request;
    let stream = TcpStream::connect(host)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let mut message = format!("{method} {target} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n");
    for (name, value) in headers {
        message.push_str(&format!("{name}: {value}\r\n"));
    }
    message.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
    let mut message = message.into_bytes();
    message.extend_from_slice(body);
    match authority {
        None => exchange(stream, method, &message),
        Some(authority) => {
            let name = host.split(':').next().unwrap();
            exchange(authority.connect(name, stream)?, method, &message)
        }
    }
}

fn exchange<S: Read + Write>(mut stream: S, method: &str, message: &[u8]) -> std::io::Result<Received> {
    stream.write_all(message)?;
    stream.flush()?;
    let mut stream = BufReader::new(stream);
    let cut = || std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
    let mut line = String::new();
    stream.read_line(&mut line)?;
    let status = line.split_ascii_whitespace().nth(1).and_then(|text| text.parse().ok()).ok_or_else(cut)?;
    let headers = read_headers(&mut stream).ok_or_else(cut)?;
    let mut body = Vec::new();
    let length = headers.iter().find(|(name, _)| name == "content-length").and_then(|(_, value)| value.parse().ok());
    match length {
        Some(length) if method != "HEAD" => {
            body.resize(length, 0);
            stream.read_exact(&mut body)?;
        }
        _ => {}
    }
    Ok(Received { status, headers, body })
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}
