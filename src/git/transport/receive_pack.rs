//! One push: commands, the pack and the report of the server (gitprotocol-pack(5), "Pushing Data To a Server").

use std::io::{self, Read};

use git2::Oid;
use git2::transport::Service;

use super::packet::{Advertisement, FLUSH, invalid, packet, read_packet};
use super::{Exchange, OUTPUT_MAX, ServerRemote};
use crate::git::GitError;
use crate::git::pack::PackStyle;

/// The most bytes of a report.
const REPORT_MAX: usize = 64 << 10;

/// The command of a push: updates, creates or deletes one ref.
#[derive(Clone, Copy)]
pub(in crate::git) struct PushCommand<'a> {
    pub(in crate::git) reference: &'a str,
    /// The commit that the ref must be at; none if it must not exist.
    pub(in crate::git) expected: Option<Oid>,
    /// None deletes the ref.
    pub(in crate::git) new: Option<Oid>,
}

/// The reply of the server to a push.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::git) enum PushReply {
    /// The ref is not at the expected commit but at this one, or does not exist; nothing was sent.
    Stale(Option<Oid>),
    /// The ref was updated.
    Done,
    /// The ref was not updated, for this reason.
    Rejected(String),
    /// The server did not report the result.
    Silent,
}

/// An error of a push.
#[derive(Debug)]
pub(in crate::git) enum PushError {
    /// The pack could not be built.
    Pack(GitError),
    /// The exchange failed.
    Wire(io::Error),
}

impl From<io::Error> for PushError {
    fn from(error: io::Error) -> Self {
        Self::Wire(error)
    }
}

impl ServerRemote {
    /// Sends one command if the ref is at the expected commit. `pack` builds the objects that the server lacks.
    ///
    /// # Errors
    /// If the pack cannot be built or the exchange fails; [`Exchange::sent`] tells whether the push may have landed.
    pub(in crate::git) fn send_command(
        &self,
        command: PushCommand<'_>,
        exchange: &Exchange,
        pack: impl FnOnce(PackStyle) -> Result<Vec<u8>, GitError>,
    ) -> Result<PushReply, PushError> {
        let PushCommand { reference, expected, new } = command;
        let wire = &*self.wire;
        let mut stream = wire.open(Service::ReceivePackLs, &exchange.failure)?;
        let list = Advertisement::read(&mut *stream)?;
        let found = list.refs.get(reference).copied();
        if found != expected {
            // Ends the exchange, for a program that waits for commands.
            if !wire.is_stateless() {
                let _ = stream.write_all(FLUSH);
            }
            return Ok(PushReply::Stale(found));
        }
        let id = |id: Option<Oid>| id.unwrap_or(Oid::ZERO_SHA1);
        let has_report = list.has("report-status");
        let has_bands = list.has("side-band-64k");
        let capabilities = [("report-status", has_report), ("side-band-64k", has_bands), (AGENT, list.has_agent())];
        let capabilities = capabilities.into_iter().filter(|(_, has)| *has).map(|(name, _)| format!(" {name}"));
        let capabilities: String = capabilities.collect();
        let mut request = packet(&format!("{} {} {reference}\0{capabilities}", id(expected), id(new)));
        request.extend_from_slice(FLUSH);
        if new.is_some() {
            let style = if list.has("no-thin") { PackStyle::Complete } else { PackStyle::Thin };
            request.extend(pack(style).map_err(PushError::Pack)?);
        }
        if wire.is_stateless() {
            stream = wire.open(Service::ReceivePack, &exchange.failure)?;
        }
        exchange.sent.set(true);
        stream.write_all(&request)?;
        stream.flush()?;
        let reply = match (has_report, has_bands) {
            (false, _) => return Ok(PushReply::Silent),
            (true, true) => bands(&mut *stream, exchange).and_then(|report| read_report(&mut &report[..], reference)),
            (true, false) => read_report(&mut *stream, reference),
        };
        match reply {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(PushReply::Silent),
            reply => Ok(reply?),
        }
    }
}

const AGENT: &str = concat!("agent=pinstream/", env!("CARGO_PKG_VERSION"));

/// Reads the bands of a response (gitprotocol-pack(5), "Packfile Data"): returns the report, and keeps what the server
/// prints.
fn bands(stream: &mut (impl Read + ?Sized), exchange: &Exchange) -> io::Result<Vec<u8>> {
    let mut report = Vec::new();
    while let Some(line) = read_packet(stream)? {
        match line.split_first() {
            Some((1, bytes)) if report.len() + bytes.len() <= REPORT_MAX => report.extend_from_slice(bytes),
            Some((2, bytes)) => {
                let mut output = exchange.output.borrow_mut();
                if output.len() < OUTPUT_MAX {
                    output.push_str(&String::from_utf8_lossy(bytes));
                }
            }
            Some((3, bytes)) => return Err(invalid(&String::from_utf8_lossy(bytes))),
            _ => return Err(invalid("the report of the push is malformed")),
        }
    }
    Ok(report)
}

/// Reads the report about `reference`.
fn read_report(stream: &mut (impl Read + ?Sized), reference: &str) -> io::Result<PushReply> {
    let (mut unpacked, mut reply) = (None, PushReply::Silent);
    while let Some(line) = read_packet(stream)? {
        let line = String::from_utf8_lossy(&line);
        let line = line.trim_end();
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let (name, reason) = rest.split_once(' ').unwrap_or((rest, "no reason given"));
        match word {
            "unpack" => unpacked = Some(rest.to_owned()).filter(|result| result != "ok"),
            "ok" if name == reference => reply = PushReply::Done,
            "ng" if name == reference => reply = PushReply::Rejected(reason.to_owned()),
            _ => {}
        }
    }
    // An object that cannot be stored fails every ref; its own message says more than theirs.
    Ok(match (unpacked, reply) {
        (Some(failure), PushReply::Rejected(_) | PushReply::Silent) => {
            PushReply::Rejected(format!("unpack failed: {failure}"))
        }
        (_, reply) => reply,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(lines: &[&str], expected: &PushReply) {
        let report: Vec<u8> = lines.iter().flat_map(|line| packet(line)).chain(FLUSH.iter().copied()).collect();
        assert_eq!(&read_report(&mut &report[..], "refs/heads/main").unwrap(), expected, "{lines:?}");
    }

    #[test]
    fn the_report_of_the_ref_is_found() {
        let rejected = |reason: &str| PushReply::Rejected(reason.to_owned());
        check(&["unpack ok\n", "ok refs/heads/main\n"], &PushReply::Done);
        check(&["unpack ok", "ng refs/heads/main pre-receive hook declined"], &rejected("pre-receive hook declined"));
        check(&["unpack ok\n", "ok refs/heads/other\n"], &PushReply::Silent);
        check(&["unpack ok\n", "ng refs/heads/main\n"], &rejected("no reason given"));
        check(
            &["unpack index-pack abnormal exit\n", "ng refs/heads/main unpacker error\n"],
            &rejected("unpack failed: index-pack abnormal exit"),
        );
        check(&["unpack index-pack abnormal exit\n"], &rejected("unpack failed: index-pack abnormal exit"));
        check(&[], &PushReply::Silent);
    }

    #[test]
    fn the_output_of_the_server_is_kept_apart_from_its_report() {
        let exchange = Exchange::default();
        let band = |number: u8, text: &[u8]| {
            let length = format!("{:04x}", text.len() + 5).into_bytes();
            [length, vec![number], text.to_vec()].concat()
        };
        let bytes = [band(2, b"closed "), band(1, b"0000"), band(2, b"today\n"), FLUSH.to_vec()].concat();
        assert_eq!(bands(&mut &bytes[..], &exchange).unwrap(), b"0000");
        assert_eq!(*exchange.output.borrow(), "closed today\n");
        let fatal = band(3, b"disk full");
        assert_eq!(bands(&mut &fatal[..], &exchange).unwrap_err().to_string(), "disk full");
    }
}
