//! Text from registries in messages: escaped, short, and without keys.

use std::io::Write;
use std::sync::{Arc, Mutex};

use pinstream::registry::{FailureKind, Registry};

use super::{failure, image, plain, run};
use crate::support::registry::http::Answer;
use crate::support::registry::{FakeRegistry, Image};
use crate::support::sandbox::Sandbox;

const OCI: &str = "application/vnd.oci.image.manifest.v1+json";

/// Reports whether `text` contains a character that affects a terminal or the order of a line.
fn is_deceptive(text: &str) -> bool {
    text.chars().any(|c| pinstream::text::escape::is_deceptive(c) && !matches!(c, '\n' | '\t'))
}

#[test]
fn t9_text_from_a_registry_is_escaped_and_short_in_messages() {
    // All of these are valid header values: bytes that are not ASCII are passed on.
    let bad = format!("\u{202e}\u{200b}\u{85}`::set-env::{}", "y".repeat(2000));
    let named = |name: &'static str, bad: &str| Answer::new(200).header("content-type", OCI).header(name, bad);
    let answers = [
        named("docker-content-digest", &bad),
        Answer::new(200).header("content-type", &*bad),
        Answer::new(307).header("location", format!("http://u:p@h/{bad}")),
        Answer::new(401).header("www-authenticate", format!("Bearer realm=\"https://e.example/{bad}\"")),
    ];
    for answer in answers {
        let fake = FakeRegistry::start();
        let status = answer.status;
        fake.lie(move |_| Some(answer.clone()));
        let (_, text) = failure(plain(&[fake.host()]), &image(&format!("{}/a:t", fake.host())));
        assert!(!is_deceptive(&text) && text.len() < 700, "{status} {text}");
    }
    // The message in the body of an error is escaped, on one line.
    let fake = FakeRegistry::start();
    let body = serde_json::json!({"errors": [{"code": "DENIED", "message": "\u{1b}[2J\u{202e}::set-env::x"}]});
    fake.lie(move |_| Some(Answer::new(403).header("content-type", "application/json").body(body.to_string())));
    let (kind, text) = failure(plain(&[fake.host()]), &image(&format!("{}/a:t", fake.host())));
    assert_eq!(kind, FailureKind::Unauthorized);
    assert!(!is_deceptive(&text) && text.lines().all(|line| !line.starts_with("::")), "{text}");
}

#[test]
fn t9_labels_are_escaped_and_short_in_lock_and_report() {
    let (fake, sandbox) = (FakeRegistry::start(), Sandbox::new());
    let bad = "\u{1b}[2J\u{202e}::set-env::x\u{2028}\u{e0041}";
    fake.push("a", "t", &Image::new(1).version(bad).revision(&"r".repeat(100_000)));
    sandbox.write("pinstream.toml", &format!("[registry.\"{}\"]\nplain-http = true\n", fake.host()));
    sandbox.write("streams/s.toml", &format!("[tags]\na = \"{}/a:t\"\n", fake.host()));
    for args in [&["update"][..], &["list"], &["describe", "s"]] {
        let ran = sandbox.run(args);
        assert_eq!(ran.code, Some(0), "{args:?} {}{}", ran.stdout, ran.stderr);
        assert!(!is_deceptive(&ran.stdout) && !is_deceptive(&ran.stderr), "{:?}{:?}", ran.stdout, ran.stderr);
    }
    let lock = sandbox.read("pinstream.lock");
    assert!(!is_deceptive(&lock) && lock.contains("\\u001B[2J") && lock.len() < 2000, "{lock:?}");
}

/// A log in memory.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Runs the next test in its own process: other threads of this one may have registered the places that log before.
#[test]
fn t22_the_log_names_the_target_of_a_redirect_without_its_key() {
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "registry::shown::inside_the_log_of_a_redirect", "--ignored", "--nocapture"]);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("1 passed"), "{said}");
}

#[test]
#[ignore = "run by `t22_the_log_names_the_target_of_a_redirect_without_its_key`"]
fn inside_the_log_of_a_redirect() {
    let (fake, other) = (FakeRegistry::start(), FakeRegistry::start());
    other.push("a", "t", &Image::new(1));
    let to = format!("{}/v2/a/manifests/t?X-Amz-Signature=canary", other.base());
    fake.lie(move |_| Some(Answer::new(307).header("location", &*to)));
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, || {
        let registry = Registry::new(plain(&[fake.host(), other.host()])).unwrap();
        run(registry.digest(&image(&format!("{}/a:t", fake.host())))).unwrap();
    });
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let ours: String = text.lines().filter(|line| line.contains("pinstream::")).collect();
    assert!(ours.contains(&format!("HEAD {}/v2/a/manifests/t 200", other.base())), "{text}");
    assert!(!ours.contains("canary"), "{text}");
}
