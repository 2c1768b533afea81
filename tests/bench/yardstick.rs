//! Lower limit for resolving many tags: kept connections with one HEAD after the other, and nothing done with the
//! answers except checking that they have a digest.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Media types that pinstream accepts.
const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json";

/// Sends a HEAD for each of `tags`, such as `repository:tag`, on parallel connections to `host`, and returns the time
/// it took.
pub(crate) fn heads(host: &str, tags: &[String], connections: usize) -> Duration {
    let requests: Vec<String> = tags
        .iter()
        .map(|tag| {
            let (repository, tag) = tag.rsplit_once(':').unwrap();
            format!("HEAD /v2/{repository}/manifests/{tag} HTTP/1.1\r\nhost: {host}\r\naccept: {ACCEPT}\r\n\r\n")
        })
        .collect();
    let (requests, next) = (Arc::new(requests), Arc::new(AtomicUsize::new(0)));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let begin = Instant::now();
    runtime.block_on(async {
        let lines: Vec<_> = (0..connections)
            .map(|_| tokio::spawn(line(host.to_owned(), Arc::clone(&requests), Arc::clone(&next))))
            .collect();
        for line in lines {
            line.await.unwrap();
        }
    });
    begin.elapsed()
}

/// One connection: sends a request, reads its answer, and so on.
async fn line(host: String, requests: Arc<Vec<String>>, next: Arc<AtomicUsize>) {
    let mut stream = TcpStream::connect(host).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let mut buffer = vec![0; 4096];
    while let Some(request) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut length = 0;
        while !buffer[..length].ends_with(b"\r\n\r\n") {
            let read = stream.read(&mut buffer[length..]).await.unwrap();
            assert!(read > 0, "the registry hung up");
            length += read;
        }
        let answer = std::str::from_utf8(&buffer[..length]).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("sha256:"), "{answer}");
    }
}
