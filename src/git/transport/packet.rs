//! Packets of the Git protocol (gitprotocol-common(5), "pkt-line Format") and the list of refs that a server opens with
//! (gitprotocol-pack(5), "Reference Discovery").

use std::collections::BTreeMap;
use std::io::{self, Read};

use git2::Oid;

/// Ends a list of packets.
pub(super) const FLUSH: &[u8] = b"0000";
/// The longest packet, with its length.
const PACKET_MAX: usize = 65_520;
/// The most bytes of a list of refs.
pub(super) const LIST_MAX: usize = 256 << 20;

/// The refs of a server, and what it is capable of.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Advertisement {
    pub(super) refs: BTreeMap<String, Oid>,
    capabilities: String,
}

impl Advertisement {
    /// Reads the list of refs. Over HTTP, it has a header (gitprotocol-http(5), "Smart Server Response").
    pub(super) fn read(stream: &mut (impl Read + ?Sized)) -> io::Result<Self> {
        let mut list = Self::default();
        let mut line = read_packet(stream)?;
        if line.as_ref().is_some_and(|line| line.starts_with(b"# service=")) {
            while line.is_some() {
                line = read_packet(stream)?;
            }
            line = read_packet(stream)?;
        }
        let (mut is_first, mut size) = (true, 0);
        while let Some(text) = line {
            size += text.len();
            if size > LIST_MAX {
                return Err(invalid("the list of refs is too long"));
            }
            list.add(&text, is_first)?;
            is_first = false;
            line = read_packet(stream)?;
        }
        Ok(list)
    }

    fn add(&mut self, line: &[u8], is_first: bool) -> io::Result<()> {
        let line = String::from_utf8_lossy(line);
        let line = line.trim_end();
        if let Some(message) = line.strip_prefix("ERR ") {
            return Err(invalid(message));
        }
        let (named, capabilities) = line.split_once('\0').unwrap_or((line, ""));
        if is_first {
            capabilities.clone_into(&mut self.capabilities);
        }
        let (id, name) = named.split_once(' ').ok_or_else(|| invalid("the list of refs is malformed"))?;
        // Lines such as `shallow ID` name no ref.
        if let Ok(id) = Oid::from_str(id)
            && name != "capabilities^{}"
        {
            self.refs.insert(name.to_owned(), id);
        }
        Ok(())
    }

    pub(super) fn has(&self, capability: &str) -> bool {
        self.capabilities.split(' ').any(|has| has == capability)
    }

    /// Returns whether the server wants to know the name of the client.
    pub(super) fn has_agent(&self) -> bool {
        self.capabilities.split(' ').any(|has| has.starts_with("agent="))
    }
}

pub(super) fn packet(line: &str) -> Vec<u8> {
    format!("{:04x}{line}", line.len() + 4).into_bytes()
}

/// Reads a packet; `None` for a flush.
pub(super) fn read_packet(stream: &mut (impl Read + ?Sized)) -> io::Result<Option<Vec<u8>>> {
    let malformed = || invalid("the server sent a malformed packet");
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = std::str::from_utf8(&length).ok().and_then(|text| usize::from_str_radix(text, 16).ok());
    let length = match length.ok_or_else(malformed)? {
        0 => return Ok(None),
        length if (4..=PACKET_MAX).contains(&length) => length - 4,
        _ => return Err(malformed()),
    };
    let mut line = vec![0; length];
    stream.read_exact(&mut line)?;
    Ok(Some(line))
}

pub(super) fn invalid(message: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(lines: &[&str]) -> Vec<u8> {
        let lines = lines.iter().flat_map(|line| packet(line));
        lines.chain(FLUSH.iter().copied()).collect()
    }

    #[test]
    fn a_list_is_read_with_and_without_a_header() {
        let id = "1".repeat(40);
        let refs = list(&[&format!("{id} HEAD\0shallow thin\n"), &format!("{id} refs/heads/main\n")]);
        let with_header = [list(&["# service=git-upload-pack\n"]), refs.clone()].concat();
        for bytes in [&refs, &with_header] {
            let list = Advertisement::read(&mut &bytes[..]).unwrap();
            assert_eq!(list.refs.keys().collect::<Vec<_>>(), ["HEAD", "refs/heads/main"]);
            assert!(list.has("thin") && list.has("shallow") && !list.has("thi"));
        }
        assert!(Advertisement::read(&mut &refs[..20]).is_err());
    }

    #[test]
    fn an_empty_repository_has_capabilities_only() {
        let bytes = list(&[&format!("{} capabilities^{{}}\0report-status\n", "0".repeat(40))]);
        let list = Advertisement::read(&mut &bytes[..]).unwrap();
        assert!(list.refs.is_empty() && list.has("report-status"));
    }

    #[test]
    fn an_error_is_reported_with_its_message() {
        let error = Advertisement::read(&mut &list(&["ERR no such repository\n"])[..]).unwrap_err();
        assert_eq!(error.to_string(), "no such repository");
        for bytes in [&b"00"[..], b"zzzz", b"0003", b"ffff"] {
            assert!(read_packet(&mut &bytes[..]).is_err(), "{bytes:?}");
        }
    }
}
