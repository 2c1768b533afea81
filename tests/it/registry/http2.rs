//! HTTP/2 with registries that offer it: Go's server does over TLS, and logs the protocol; a small one refuses streams.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;

use super::{image, passwords, run, secure};
use crate::support::lane::{needs, slow};
use crate::support::registry::docker::USER;
use crate::support::registry::tls::Authority;
use crate::support::registry::{DockerRegistry, Image};
use pinstream::registry::{Registry, RegistryConfig};

/// Way in which a server announces that it does not process a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    /// `GOAWAY` with `NO_ERROR` and the last stream before it.
    GoAway,
    /// `RST_STREAM` with `REFUSED_STREAM`.
    Stream,
}

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;

/// Encodes a frame (RFC 9113, section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Encodes the headers of a response to HEAD for an image: status 200 and two literals (RFC 7541, section 6.2.2).
fn head_of(image: &Image) -> Vec<u8> {
    let top = image.build().top;
    let mut block = vec![0x88];
    for (name, value) in [("content-type", top.media_type.as_str()), ("docker-content-digest", top.digest.as_str())] {
        for text in [name, value] {
            block.extend((text == name).then_some(0));
            block.push(u8::try_from(text.len()).unwrap());
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}

/// Answers the requests of one connection; refuses them while `left` is not used up.
fn converse(stream: &mut (impl Read + Write), refusal: Refusal, left: &AtomicUsize) -> std::io::Result<()> {
    stream.read_exact(&mut [0; 24])?;
    stream.write_all(&frame(SETTINGS, 0, 0, &[]))?;
    let mut is_closing = false;
    loop {
        stream.flush()?;
        let mut head = [0; 9];
        stream.read_exact(&mut head)?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let id = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        std::io::copy(&mut stream.take(u64::from(length)), &mut std::io::sink())?;
        let is_refused = || left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        match (head[3], head[4]) {
            (SETTINGS, 0) => stream.write_all(&frame(SETTINGS, 1, 0, &[]))?,
            (HEADERS, _) if is_closing => {}
            (HEADERS, _) if !is_refused() => stream.write_all(&frame(HEADERS, 5, id, &head_of(&Image::new(1))))?,
            (HEADERS, _) if refusal == Refusal::GoAway => {
                stream.write_all(&frame(GOAWAY, 0, 0, &[0; 8]))?;
                is_closing = true;
            }
            (HEADERS, _) => stream.write_all(&frame(RST_STREAM, 0, id, &[0, 0, 0, 7]))?,
            _ => {}
        }
    }
}

#[test]
fn s05_a_request_that_was_not_processed_is_sent_again_without_counting() {
    for refusal in [Refusal::GoAway, Refusal::Stream] {
        let authority = Authority::new("http2");
        let acceptor = authority.identity(&[]).acceptor_of(&["h2"]);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        // More than there are attempts.
        let left = Arc::new(AtomicUsize::new(9));
        let server = Arc::clone(&left);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (acceptor, left) = (acceptor.clone(), Arc::clone(&server));
                std::thread::spawn(move || converse(&mut acceptor.accept(stream)?, refusal, &left));
            }
        });
        let registry = Registry::new(secure(std::slice::from_ref(&host), authority.pem())).unwrap();
        let asked = image(&format!("{host}/a:t"));
        let found = run(join_all([registry.digest(&asked), registry.digest(&asked)]));
        assert!(found.iter().all(|found| *found == Ok(Image::new(1).digest())), "{refusal:?} {found:?}");
        let counts = registry.counts();
        assert_eq!((left.load(Ordering::SeqCst), counts.head, counts.retries), (0, 2, 0), "{refusal:?}");
    }
}

#[test]
fn http2_is_used_if_the_registry_offers_it() {
    slow!();
    needs!("docker-registry");
    let docker = DockerRegistry::start_htpasswd();
    let host = docker.host();
    let images: Vec<_> = (0..30).map(|number| image(&format!("{host}/acme/app:{number}"))).collect();
    for (number, image) in images.iter().enumerate() {
        docker.push("acme/app", image.tag().unwrap().as_str(), &Image::new(number as u64));
    }
    let setup = RegistryConfig {
        credentials: passwords(&[(&host, USER.0, USER.1)]),
        ..secure(std::slice::from_ref(&host), docker.ca())
    };
    let registry = Registry::new(setup).unwrap();
    let answers = run(join_all(images.iter().map(|image| registry.digest(image))));
    assert!(answers.iter().all(Result::is_ok));

    let log = docker.log();
    let ours: Vec<&str> = log.lines().filter(|line| line.contains("\"HEAD ") && line.contains(" 200 ")).collect();
    assert_eq!(ours.len(), 30, "{log}");
    assert!(ours.iter().all(|line| line.contains(" HTTP/2.0\"")), "{log}");
}
