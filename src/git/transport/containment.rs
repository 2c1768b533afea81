//! Asks a server whether a branch contains a commit, without fetching history.
//!
//! The beginning of a fetch answers it (gitprotocol-pack(5), "Packfile Negotiation"): for a client with a shallow commit
//! that asks for a deeper history, the server lists the commit (`unshallow`) if that history contains it. The exchange ends
//! before any object is sent.

use std::io::{self, Read};

use git2::Oid;
use git2::transport::Service;

use super::ServerRemote;
use super::failure::FailureSlot;
use super::packet::{Advertisement, FLUSH, invalid, packet, read_packet};

/// The longest history that is searched; longer ones give no answer.
const DEPTH: usize = 1_000_000;
/// The most lines of an answer.
const LINES_MAX: usize = 10_000;

/// The part of a history up to [`DEPTH`], seen from a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Containment {
    /// It contains the commit.
    Contained,
    /// It is complete and does not contain it.
    Missing,
    /// It continues.
    Unknown,
}

impl ServerRemote {
    /// Returns whether the branch at `tip` contains `commit`; `None` if the server does not tell.
    pub(in crate::git) fn contains(&self, tip: Oid, commit: Oid) -> Option<bool> {
        let found = self.find_in_history(tip, commit);
        match found
            .inspect_err(|error| tracing::debug!(%error, "cannot determine whether the server has a commit"))
            .ok()?
        {
            Containment::Contained => Some(true),
            Containment::Missing => Some(false),
            Containment::Unknown => None,
        }
    }

    fn find_in_history(&self, tip: Oid, commit: Oid) -> io::Result<Containment> {
        let (wire, failure) = (&self.wire, FailureSlot::default());
        let mut stream = wire.open(Service::UploadPackLs, &failure)?;
        let list = Advertisement::read(&mut *stream)?;
        if !list.has("shallow") {
            return Err(io::ErrorKind::Unsupported.into());
        }
        if wire.is_stateless() {
            stream = wire.open(Service::UploadPack, &failure)?;
        }
        let request = [
            packet(&format!("want {tip} shallow\n")),
            packet(&format!("shallow {commit}\n")),
            packet(&format!("shallow {tip}\n")),
            packet(&format!("deepen {DEPTH}\n")),
            FLUSH.to_vec(),
            FLUSH.to_vec(),
        ];
        stream.write_all(&request.concat())?;
        stream.flush()?;
        read_boundary(&mut *stream, tip, commit)
    }
}

/// Reads the boundary of a deepened history. Some servers ignore the question; one that answers it finds the tip itself.
fn read_boundary(stream: &mut (impl Read + ?Sized), tip: Oid, commit: Oid) -> io::Result<Containment> {
    let (mut has_tip, mut is_complete) = (false, true);
    for _ in 0..LINES_MAX {
        let Some(line) = read_packet(stream)? else {
            return Ok(if has_tip && is_complete { Containment::Missing } else { Containment::Unknown });
        };
        let line = String::from_utf8_lossy(&line);
        match line.trim_end().split_once(' ') {
            Some(("unshallow", id)) if id == commit.to_string() => return Ok(Containment::Contained),
            Some(("unshallow", id)) => has_tip |= id == tip.to_string(),
            Some(("shallow", _)) => is_complete = false,
            _ => return Err(invalid(line.trim_end())),
        }
    }
    Ok(Containment::Unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn l20_only_a_complete_history_without_the_commit_has_lost_it() {
        let [tip, commit, other] = ["1", "2", "3"].map(|digit| digit.repeat(40));
        let read = |lines: &[String]| {
            let bytes: Vec<u8> = lines.iter().flat_map(|line| packet(line)).chain(FLUSH.iter().copied()).collect();
            read_boundary(&mut &bytes[..], Oid::from_str(&tip).unwrap(), Oid::from_str(&commit).unwrap()).ok()
        };
        let line = |word: &str, id: &str| format!("{word} {id}\n");
        let (has_tip, ends) = (line("unshallow", &tip), line("shallow", &other));
        assert_eq!(read(&[ends.clone(), line("unshallow", &commit)]), Some(Containment::Contained));
        assert_eq!(read(&[line("unshallow", &commit), has_tip.clone()]), Some(Containment::Contained));
        assert_eq!(read(std::slice::from_ref(&has_tip)), Some(Containment::Missing));
        assert_eq!(read(&[has_tip, ends]), Some(Containment::Unknown));
        assert_eq!(read(&[line("unshallow", &other)]), Some(Containment::Unknown));
        assert_eq!(read(&[]), Some(Containment::Unknown));
        assert_eq!(read(&["ERR not our ref\n".to_owned()]), None);
        assert!(read_boundary(&mut &b"00"[..], Oid::ZERO_SHA1, Oid::ZERO_SHA1).is_err());
    }
}
