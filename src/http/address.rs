//! The address rule: public addresses may be contacted, private ones only if the settings name the host, link-local
//! and metadata addresses never.
//!
//! Pure: resolves no names. Sources: IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890), and the cloud
//! providers' documentation of their metadata services.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

/// Class of an IP address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AddressKind {
    Public,
    /// Loopback, private, shared and documentation ranges: contacted if the settings name the host.
    Private,
    /// Link-local, metadata, unspecified, multicast: never contacted.
    Never,
}

/// Metadata services whose address is not link-local.
const METADATA: [IpAddr; 6] = [
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    // AWS instances, and EKS pods.
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x23)),
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0x00ce, 0, 0, 0, 0, 0, 0x254)),
];

impl AddressKind {
    /// Classifies `address`; an IPv6 address that embeds an IPv4 address has the class of that one.
    pub(super) fn of(address: IpAddr) -> Self {
        if METADATA.contains(&address) {
            return Self::Never;
        }
        match address {
            IpAddr::V4(address) => Self::of_v4(address),
            IpAddr::V6(address) => Self::of_v6(address),
        }
    }

    fn of_v4(address: Ipv4Addr) -> Self {
        match address.octets() {
            [0 | 224..=255, ..] | [169, 254, ..] => Self::Never,
            [10 | 127, ..]
            | [100, 64..=127, ..]
            | [172, 16..=31, ..]
            | [192, 168, ..]
            | [192, 0, 0 | 2, _]
            | [198, 18 | 19, ..]
            | [198, 51, 100, _]
            | [203, 0, 113, _] => Self::Private,
            _ => Self::Public,
        }
    }

    fn of_v6(address: Ipv6Addr) -> Self {
        let embedded = |high: u16, low: u16| {
            let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
            Self::of(IpAddr::V4(Ipv4Addr::new(a, b, c, d)))
        };
        match address.segments() {
            [0, 0, 0, 0, 0, 0, 0, 0] => Self::Never,
            [0, 0, 0, 0, 0, 0, 0, 1] => Self::Private,
            // IPv4-mapped, IPv4-compatible, IPv4-translated and NAT64 (RFC 4291, RFC 6052).
            [0, 0, 0, 0, 0, 0xffff | 0, high, low]
            | [0, 0, 0, 0, 0xffff, 0, high, low]
            | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => embedded(high, low),
            // 6to4 (RFC 3056).
            [0x2002, high, low, ..] => embedded(high, low),
            [first, ..] if first & 0xffc0 == 0xfe80 || first & 0xff00 == 0xff00 => Self::Never,
            [first, ..] if first & 0xfe00 == 0xfc00 || first & 0xffc0 == 0xfec0 => Self::Private,
            // Local NAT64, Teredo, documentation.
            [0x64, 0xff9b, 1, ..] | [0x2001, 0, ..] | [0x2001, 0xdb8, ..] | [0x3fff, ..] => Self::Private,
            _ => Self::Public,
        }
    }
}

/// Permission of a request to reach private addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum PrivateAccess {
    /// Public addresses only.
    Public,
    /// Private addresses too: the settings name the host.
    Named,
}

/// Address that a request must not reach.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{address} may not be contacted")]
pub(super) struct ForbiddenAddress {
    pub(super) address: IpAddr,
    pub(super) kind: AddressKind,
}

impl PrivateAccess {
    /// Checks that `address` may be contacted.
    ///
    /// # Errors
    /// The forbidden address with its class.
    pub(super) fn check(self, address: IpAddr) -> Result<(), ForbiddenAddress> {
        match (AddressKind::of(address), self) {
            (AddressKind::Public, _) | (AddressKind::Private, Self::Named) => Ok(()),
            (kind, _) => Err(ForbiddenAddress { address, kind }),
        }
    }

    /// Returns the rule for following a redirect sent by `from`: only a private server may redirect to a private one,
    /// and only if the settings name that one.
    pub(crate) fn for_redirect(from: Option<IpAddr>, is_named: bool) -> Self {
        match from.map(AddressKind::of) {
            Some(AddressKind::Private) if is_named => Self::Named,
            _ => Self::Public,
        }
    }

    /// Checks a URL whose host is an address; names are checked when they are resolved.
    ///
    /// # Errors
    /// The forbidden address with its class.
    pub(super) fn check_url(self, url: &Url) -> Result<(), ForbiddenAddress> {
        match url.host() {
            Some(Host::Ipv4(address)) => self.check(address.into()),
            Some(Host::Ipv6(address)) => self.check(address.into()),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(kind: AddressKind, addresses: &[&str]) {
        for address in addresses {
            assert_eq!(AddressKind::of(address.parse().unwrap()), kind, "{address}");
        }
    }

    #[test]
    fn t5_link_local_and_metadata_addresses_are_never_contacted() {
        check(
            AddressKind::Never,
            &[
                "169.254.169.254",
                "169.254.0.1",
                "0.0.0.0",
                "0.1.2.3",
                "::",
                "fe80::1",
                "fe80::a9fe:a9fe",
                "::ffff:169.254.169.254",
                "::169.254.169.254",
                "64:ff9b::a9fe:a9fe",
                "2002:a9fe:a9fe::1",
                "100.100.100.200",
                "168.63.129.16",
                "192.0.0.192",
                "fd00:ec2::254",
                "fd00:ec2::23",
                "fd20:ce::254",
                "224.0.0.1",
                "255.255.255.255",
                "240.0.0.1",
                "ff02::1",
                "::ffff:0.0.0.0",
            ],
        );
    }

    #[test]
    fn t5_loopback_and_private_addresses_are_private_in_every_notation() {
        check(
            AddressKind::Private,
            &[
                "127.0.0.1",
                "127.255.255.254",
                "::1",
                "10.0.0.1",
                "172.16.0.1",
                "172.31.255.255",
                "192.168.1.1",
                "100.64.0.1",
                "fc00::1",
                "fdff::1",
                "fec0::1",
                "::ffff:127.0.0.1",
                "::ffff:10.1.2.3",
                "::127.0.0.1",
                "64:ff9b::7f00:1",
                "64:ff9b:1::1",
                "2002:7f00:1::",
                "2001:0:1::1",
                "2001:db8::1",
                "198.18.0.1",
                "192.0.2.1",
            ],
        );
    }

    #[test]
    fn public_addresses_are_public() {
        check(
            AddressKind::Public,
            &["1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "::ffff:8.8.8.8", "192.0.1.1", "2001:4860::8"],
        );
    }

    #[test]
    fn t11_no_redirect_leads_from_a_public_server_to_a_private_one() {
        let from = |address: &str| Some(address.parse().unwrap());
        assert_eq!(PrivateAccess::for_redirect(from("10.0.0.1"), true), PrivateAccess::Named);
        assert_eq!(PrivateAccess::for_redirect(from("10.0.0.1"), false), PrivateAccess::Public);
        assert_eq!(PrivateAccess::for_redirect(from("8.8.8.8"), true), PrivateAccess::Public);
        assert_eq!(PrivateAccess::for_redirect(None, true), PrivateAccess::Public);
    }

    #[test]
    fn an_address_is_recognised_in_every_spelling_of_a_url() {
        for host in ["127.1", "0x7f000001", "2130706433", "0177.0.0.1", "[::ffff:7f00:1]", "127.0.0.1"] {
            let url = Url::parse(&format!("http://{host}:5000/")).unwrap();
            assert!(PrivateAccess::Public.check_url(&url).is_err(), "{host}");
            assert!(PrivateAccess::Named.check_url(&url).is_ok(), "{host}");
        }
        let metadata = Url::parse("http://2852039166/").unwrap();
        assert_eq!(PrivateAccess::Named.check_url(&metadata).unwrap_err().kind, AddressKind::Never);
    }
}
