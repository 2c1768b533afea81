//! Resolving many tags of a registry that is far: 80 ms to every answer, and tokens.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::figures::{Figures, sample};
use super::program::{asked, peak_memory, pinstream, time};
use super::resolve::write_root;
use super::support::registry::fake::{Access, TokenRules};
use super::support::registry::{FakeRegistry, Image};

/// Latency of an answer.
const ROUND_TRIP: Duration = Duration::from_millis(80);
const REPOSITORIES: usize = 20;
const TAGS: usize = 50;

/// 1 000 tags of 20 repositories that are pinned and have not moved.
pub(crate) fn far(figures: &mut Figures) {
    let registry = FakeRegistry::start();
    for number in 0..REPOSITORIES {
        for tag in 0..TAGS {
            registry.push(&format!("team/app-{number}"), &tag.to_string(), &Image::new(number as u64));
        }
    }
    let far = start_far_side(registry.host().parse().unwrap());
    let realm = Some(format!("http://{far}/token"));
    registry.require(Access::Token(TokenRules { realm, ..TokenRules::default() }));
    let folder = tempfile::tempdir().unwrap();
    write_root(folder.path(), &far.to_string(), REPOSITORIES, TAGS);
    time(pinstream(folder.path(), &["update"]));
    let plan = || pinstream(folder.path(), &["plan", "--exit-code"]);
    let times = sample("far/1000", || time(plan()));
    figures.at_most("1 000 tags at 80 ms, with tokens", times.median(), "s", 2.2, times.spread());
    let connections = registry.connections();
    let asked = asked(plan());
    let connections = registry.connections() - connections;
    figures.at_most("  token requests", asked.token as f64, "", 1.0, asked.to_string());
    figures.at_most("  connections", connections as f64, "", 64.0, String::new());
    figures.at_most("  peak memory", peak_memory(plan()), "MiB", 48.0, String::new());
}

/// Stands before `near` and delays: a connection by a round trip, then each byte either way by half of one. It goes on
/// to the end of the process.
pub(crate) fn start_far_side(near: SocketAddr) -> SocketAddr {
    let (send, receive) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            send.send(listener.local_addr().unwrap()).unwrap();
            loop {
                let (there, _) = listener.accept().await.unwrap();
                tokio::spawn(async move {
                    // The system says yes at once; over a line it would take a round trip to know.
                    tokio::time::sleep(ROUND_TRIP).await;
                    let here = TcpStream::connect(near).await.unwrap();
                    there.set_nodelay(true).unwrap();
                    here.set_nodelay(true).unwrap();
                    let ((here_in, here_out), (there_in, there_out)) = (here.into_split(), there.into_split());
                    tokio::join!(carry(there_in, here_out), carry(here_in, there_out));
                });
            }
        });
    });
    receive.recv().unwrap()
}

/// Carries bytes on, each when it has been on its way for half a round trip.
async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
    let (send, mut receive) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
    let take = async move {
        let mut buffer = vec![0; 16 << 10];
        while let Ok(read @ 1..) = from.read(&mut buffer).await {
            if send.send((Instant::now() + ROUND_TRIP / 2, buffer[..read].to_vec())).is_err() {
                break;
            }
        }
    };
    let give = async move {
        while let Some((when, bytes)) = receive.recv().await {
            tokio::time::sleep_until(when).await;
            if to.write_all(&bytes).await.is_err() {
                break;
            }
        }
    };
    tokio::join!(take, give);
}
