//! Encodes a lock as text, in one canonical form: the same pins are the same bytes, and a change touches one block.
//!
//! Never writes times, hosts, run ids or anything else that is not in the pins.

use std::fmt::{Display, Write as _};

use super::{HEADER, Lock, Pin, SIZE_MAX, VERSION};
use crate::model::image::TagId;
use crate::text::diagnostics::{Problem, Problems};
use crate::text::escape::toml_string;

/// Encodes `lock` as the content of `pinstream.lock`.
pub fn encode(lock: &Lock) -> String {
    let mut out = LockWriter(String::with_capacity(128 + lock.pins.len() * 448));
    out.0.push_str(&header());
    for (id, pin) in &lock.pins {
        out.pin(id, pin);
    }
    out.0
}

/// Checks that a lock of `bytes` bytes can be read again.
///
/// # Errors
/// Returns a problem that names the limit.
pub fn check_size(bytes: usize) -> Result<(), Problems> {
    if bytes <= SIZE_MAX {
        return Ok(());
    }
    let message = format!("the lock would be {bytes} bytes long; the limit is {} MiB", SIZE_MAX >> 20);
    let help = "split the root into several, each with its own `pinstream.toml`";
    Err(Problems(vec![Problem::whole(None, message).help(help)]))
}

/// Returns the first lines of every lock.
pub(super) fn header() -> String {
    format!("{HEADER}\nversion = {VERSION}\n")
}

/// Encodes one entry, preceded by an empty line.
pub(super) fn block(id: &TagId, pin: &Pin) -> String {
    let mut out = LockWriter(String::new());
    out.pin(id, pin);
    out.0
}

struct LockWriter(String);

impl LockWriter {
    /// Writes an entry, with keys in the order of [`super::KEYS`].
    fn pin(&mut self, id: &TagId, pin: &Pin) {
        self.0.push_str("\n[[pin]]\n");
        self.name("stream", Some(&id.stream));
        self.name("tag", Some(&id.tag));
        self.name("follow", pin.follow.as_ref());
        self.name("image", Some(&pin.image));
        self.name("digest", Some(&pin.digest));
        self.name("index", pin.index.as_ref());
        self.text("version", pin.details.version.as_deref());
        self.text("revision", pin.details.revision.as_deref());
        self.text("created", pin.details.created.as_deref());
        self.names("platforms", &pin.details.platforms);
        self.names("previous", &pin.previous);
    }

    /// Writes a value whose grammar needs no escapes.
    fn name(&mut self, key: &str, value: Option<&impl Display>) {
        if let Some(value) = value {
            self.put(format_args!("{key} = \"{value}\"\n"));
        }
    }

    fn names(&mut self, key: &str, values: &[impl Display]) {
        for (at, value) in values.iter().enumerate() {
            let before = if at == 0 { format_args!("{key} = [") } else { format_args!(", ") };
            self.put(format_args!("{before}\"{value}\""));
        }
        if !values.is_empty() {
            self.0.push_str("]\n");
        }
    }

    /// Writes free text.
    fn text(&mut self, key: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.put(format_args!("{key} = {}\n", toml_string(value)));
        }
    }

    fn put(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to a `String` does not fail.
        let _ = self.0.write_fmt(text);
    }
}

#[cfg(test)]
mod tests {
    use similar::{ChangeTag, TextDiff};

    use super::*;
    use crate::model::lock::{Details, PREVIOUS_MAX, sample};
    use crate::model::stream::validate::TAGS_MAX;

    #[test]
    fn a_lock_has_one_form() {
        insta::assert_snapshot!(encode(&sample::python()), @r###"
        # Pinned by pinstream. Review it; don't edit it. Conflict? Run: pinstream update
        version = 1

        [[pin]]
        stream = "python"
        tag = "3.12"
        image = "docker.io/library/python:3.12"
        digest = "sha256:0303030303030303030303030303030303030303030303030303030303030303"
        version = "3.12.4"
        revision = "0f1c2d"
        created = "2026-10-01T08:12:44Z"
        platforms = ["linux/amd64", "linux/arm64"]
        previous = ["sha256:0202020202020202020202020202020202020202020202020202020202020202", "sha256:0101010101010101010101010101010101010101010101010101010101010101"]

        [[pin]]
        stream = "python"
        tag = "arm"
        image = "docker.io/library/python:3.12"
        digest = "sha256:0404040404040404040404040404040404040404040404040404040404040404"
        index = "sha256:0303030303030303030303030303030303030303030303030303030303030303"

        [[pin]]
        stream = "python"
        tag = "latest"
        follow = "python:3.12"
        image = "docker.io/library/python:3.12"
        digest = "sha256:0303030303030303030303030303030303030303030303030303030303030303"
        "###);
    }

    #[test]
    fn an_empty_lock_is_its_header() {
        assert_eq!(encode(&Lock::default()), format!("{HEADER}\nversion = 1\n"));
    }

    #[test]
    fn a_lock_with_the_maximum_number_of_tags_can_be_read_again() {
        let (stream, tag) = ("team-a/service-of-some-length/component", "3.12.4-slim-bookworm-20261001");
        let image = format!("registry-of-a-company.corp.example:5000/{stream}/{stream}:{tag}");
        let whole = Pin {
            follow: None,
            image: image.parse().unwrap(),
            digest: sample::digest(1),
            index: Some(sample::digest(2)),
            details: Details {
                version: Some("1".repeat(64)),
                revision: Some("0f".repeat(32)),
                created: Some("2026-10-01T08:12:44.123456789Z".to_owned()),
                platforms: vec!["linux/arm64/v8".parse().unwrap(); 10],
            },
            previous: vec![sample::digest(3); PREVIOUS_MAX],
        };
        let id: TagId = format!("{stream}:{tag}").parse().unwrap();
        let follower =
            Pin { follow: Some(id.clone().into()), index: None, details: Details::default(), ..whole.clone() };
        for pin in [whole, follower] {
            let text = encode(&Lock { pins: [(id.clone(), pin)].into() });
            check_size(text.len() * TAGS_MAX).unwrap();
        }
        check_size(SIZE_MAX).unwrap();
        assert!(check_size(SIZE_MAX + 1).unwrap_err().to_string().contains("the limit is 128 MiB"));
    }

    #[test]
    fn hostile_labels_stay_in_their_string() {
        let mut lock = sample::python();
        let pin = lock.pins.get_mut(&"python:3.12".parse().unwrap()).unwrap();
        pin.details.version = Some("1\"\n[[pin]]\\\u{1b}\u{202e}\u{e0041}\tü".to_owned());
        let text = encode(&lock);
        let line = text.lines().find(|line| line.starts_with("version = \"")).unwrap();
        assert_eq!(line, r#"version = "1\"\n[[pin]]\\\u001B\u202E\U000E0041\tü""#);
    }

    #[test]
    fn one_change_touches_the_lines_of_one_block() {
        let old = sample::python();
        let mut new = old.clone();
        let pin = new.pins.get_mut(&"python:3.12".parse().unwrap()).unwrap();
        let next = sample::digest(9);
        pin.previous = pin.previous_after(&next);
        pin.digest = next;
        pin.details.version = Some("3.12.5".to_owned());
        let (old, new) = (encode(&old), encode(&new));
        let diff = TextDiff::from_lines(&old, &new);
        let lines = diff.iter_all_changes().filter(|change| change.tag() != ChangeTag::Equal);
        let lines: String = lines.map(|change| format!("{}{change}", change.tag())).collect();
        insta::assert_snapshot!(lines, @r###"
        -digest = "sha256:0303030303030303030303030303030303030303030303030303030303030303"
        -version = "3.12.4"
        +digest = "sha256:0909090909090909090909090909090909090909090909090909090909090909"
        +version = "3.12.5"
        -previous = ["sha256:0202020202020202020202020202020202020202020202020202020202020202", "sha256:0101010101010101010101010101010101010101010101010101010101010101"]
        +previous = ["sha256:0303030303030303030303030303030303030303030303030303030303030303", "sha256:0202020202020202020202020202020202020202020202020202020202020202", "sha256:0101010101010101010101010101010101010101010101010101010101010101"]
        "###);
    }
}
