//! A mail server that accepts all mail of one user, or none (RFC 5321; RFC 4954 for `AUTH PLAIN`).

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// A running server; dropping it stops it.
pub(crate) struct Smtp {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// Everything that clients sent, one conversation after the other.
    heard: Mutex<Vec<String>>,
    is_full: AtomicBool,
    is_done: AtomicBool,
}

impl Smtp {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let server = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if server.is_done.load(Ordering::SeqCst) {
                    return;
                }
                // One client at a time: no client sends more than one mail.
                let _ = converse(&server, stream);
            }
        });
        Self { address, shared }
    }

    /// `smtp://127.0.0.1:port`
    pub(crate) fn url(&self) -> String {
        format!("smtp://{}", self.address)
    }

    /// Rejects or accepts mail from now on.
    pub(crate) fn be_full(&self, is_full: bool) {
        self.shared.is_full.store(is_full, Ordering::SeqCst);
    }

    /// Conversation of each client.
    pub(crate) fn heard(&self) -> Vec<String> {
        self.shared.heard.lock().unwrap().clone()
    }
}

impl Drop for Smtp {
    fn drop(&mut self) {
        self.shared.is_done.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
    }
}

fn converse(shared: &Shared, stream: TcpStream) -> std::io::Result<()> {
    let mut out = stream.try_clone()?;
    let mut lines = BufReader::new(stream).lines();
    let mut heard = String::new();
    out.write_all(b"220 fake\r\n")?;
    while let Some(Ok(line)) = lines.next() {
        heard += &format!("{line}\n");
        let answer = match line.split(' ').next().unwrap_or_default() {
            "EHLO" => "250-fake\r\n250 AUTH PLAIN",
            "AUTH" if line == "AUTH PLAIN" => "334 ",
            "MAIL" | "RCPT" => "250 ok",
            "DATA" => {
                out.write_all(b"354 go on\r\n")?;
                for line in lines.by_ref() {
                    let line = line?;
                    heard += &format!("{line}\n");
                    if line == "." {
                        break;
                    }
                }
                if shared.is_full.load(Ordering::SeqCst) { "452 no room" } else { "250 ok" }
            }
            "QUIT" => "221 bye",
            // The answer to `334`, the only challenge.
            _ => "235 welcome",
        };
        out.write_all(format!("{answer}\r\n").as_bytes())?;
    }
    shared.heard.lock().unwrap().push(heard);
    Ok(())
}
