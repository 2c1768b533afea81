//! X.509 certificates for tests, encoded in DER (RFC 5280; X.690).

use std::net::Ipv4Addr;
use std::ops::Range;

use super::signing_key::{SigningKey, sha256};

/// Tags of DER.
const BOOLEAN: u8 = 0x01;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
pub(crate) const OCTET_STRING: u8 = 0x04;
const NULL: u8 = 0x05;
const OBJECT_IDENTIFIER: u8 = 0x06;
pub(crate) const UTF8_STRING: u8 = 0x0c;
const UTC_TIME: u8 = 0x17;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;

/// A certificate before it is signed.
pub(crate) struct UnsignedCertificate<'a> {
    /// Common name; the subject is empty if there is none.
    pub(crate) subject: Option<&'a str>,
    /// Common name of the issuer.
    pub(crate) issuer: &'a str,
    pub(crate) key: &'a SigningKey,
    /// Time of validity in Unix seconds, between 1950 and 2049.
    pub(crate) validity: Range<i64>,
    /// Encoded extensions, in this order.
    pub(crate) extensions: Vec<Vec<u8>>,
}

/// An alternative name of a subject (RFC 5280, section 4.2.1.6).
pub(crate) enum SubjectName<'a> {
    Email(&'a str),
    Dns(&'a str),
    Uri(&'a str),
    Ip(Ipv4Addr),
}

impl UnsignedCertificate<'_> {
    /// Signs it with the key of the issuer.
    pub(crate) fn sign(&self, issuer: &SigningKey) -> Vec<u8> {
        let signed = self.signed_part(issuer);
        let signature = issuer.sign(&signed);
        sequence(&[signed, signature_algorithm(issuer), bit_string(0, &signature)])
    }

    /// Encodes the part that the issuer signs (section 4.1.2). The serial number depends on the key alone.
    pub(crate) fn signed_part(&self, issuer: &SigningKey) -> Vec<u8> {
        let key = self.key.public_der();
        let mut serial = sha256(&key);
        serial.truncate(8);
        // Positive, and without a needless byte.
        serial[0] = serial[0] & 0x3f | 0x40;
        sequence(&[
            der(0xa0, &der(INTEGER, &[2])),
            der(INTEGER, &serial),
            signature_algorithm(issuer),
            common_name(Some(self.issuer)),
            sequence(&[time(self.validity.start), time(self.validity.end)]),
            common_name(self.subject),
            key,
            der(0xa3, &sequence(&self.extensions)),
        ])
    }
}

/// Encodes an extension (section 4.2).
pub(crate) fn extension(name: &str, is_critical: bool, value: &[u8]) -> Vec<u8> {
    let critical = if is_critical { der(BOOLEAN, &[0xff]) } else { Vec::new() };
    sequence(&[object(name), critical, der(OCTET_STRING, value)])
}

/// Marks a certificate as one of an authority (section 4.2.1.9).
pub(crate) fn authority() -> Vec<u8> {
    extension("2.5.29.19", true, &sequence(&[der(BOOLEAN, &[0xff])]))
}

/// Encodes the alternative names of a subject; they are critical if it has no other name.
pub(crate) fn subject_names(is_critical: bool, names: &[SubjectName<'_>]) -> Vec<u8> {
    let encoded = names.iter().map(|name| match name {
        SubjectName::Email(text) => der(0x81, text.as_bytes()),
        SubjectName::Dns(text) => der(0x82, text.as_bytes()),
        SubjectName::Uri(text) => der(0x86, text.as_bytes()),
        SubjectName::Ip(address) => der(0x87, &address.octets()),
    });
    extension("2.5.29.17", is_critical, &sequence(&encoded.collect::<Vec<_>>()))
}

/// Allows a key to sign anything but certificates (section 4.2.1.3).
pub(crate) fn digital_signature() -> Vec<u8> {
    extension("2.5.29.15", true, &bit_string(7, &[0x80]))
}

/// Restricts a key to one purpose (section 4.2.1.12).
pub(crate) fn key_purpose(purpose: &str) -> Vec<u8> {
    extension("2.5.29.37", false, &sequence(&[object(purpose)]))
}

/// Encodes a value of DER with this tag (X.690, section 8.1).
pub(crate) fn der(tag: u8, value: &[u8]) -> Vec<u8> {
    let length = value.len().to_be_bytes();
    let length = &length[length.iter().take_while(|byte| **byte == 0).count()..];
    let head = match length {
        [] => vec![tag, 0],
        [short @ 0..0x80] => vec![tag, *short],
        long => [&[tag, 0x80 | u8::try_from(long.len()).unwrap()], long].concat(),
    };
    [&head, value].concat()
}

fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    der(SEQUENCE, &parts.concat())
}

/// Encodes bits, of which the last byte leaves some unused (X.690, section 8.6).
fn bit_string(unused: u8, bytes: &[u8]) -> Vec<u8> {
    der(BIT_STRING, &[&[unused], bytes].concat())
}

/// Encodes an object identifier such as `2.5.4.3` (X.690, section 8.19).
fn object(name: &str) -> Vec<u8> {
    let numbers: Vec<u32> = name.split('.').map(|number| number.parse().unwrap()).collect();
    let first = numbers[0] * 40 + numbers[1];
    let mut bytes = Vec::new();
    for number in [first].iter().chain(&numbers[2..]) {
        let digits = (0..5).rev().map(|at| number >> (7 * at)).skip_while(|rest| *rest == 0);
        let mut digits: Vec<u8> = digits.map(|rest| u8::try_from(rest & 0x7f).unwrap() | 0x80).collect();
        if digits.is_empty() {
            digits.push(0);
        }
        *digits.last_mut().unwrap() &= 0x7f;
        bytes.extend(digits);
    }
    der(OBJECT_IDENTIFIER, &bytes)
}

fn common_name(name: Option<&str>) -> Vec<u8> {
    let one = |name: &str| der(SET, &sequence(&[object("2.5.4.3"), der(UTF8_STRING, name.as_bytes())]));
    der(SEQUENCE, &name.map(one).unwrap_or_default())
}

fn time(seconds: i64) -> Vec<u8> {
    let time = jiff::Timestamp::from_second(seconds).unwrap();
    der(UTC_TIME, time.strftime("%y%m%d%H%M%SZ").to_string().as_bytes())
}

/// Algorithm of the key's signatures (RFC 5758, section 3.2; RFC 4055, section 5).
fn signature_algorithm(key: &SigningKey) -> Vec<u8> {
    match key {
        SigningKey::P256(_) => sequence(&[object("1.2.840.10045.4.3.2")]),
        SigningKey::Rsa(_) => sequence(&[object("1.2.840.113549.1.1.11"), der(NULL, &[])]),
    }
}
