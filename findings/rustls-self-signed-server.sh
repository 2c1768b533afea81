#!/usr/bin/env bash
# rustls 0.23.46 (rustls-webpki 0.103.17): a server certificate made by `openssl req -x509` is refused even if it is the
# only trusted certificate.
#
# `openssl req -x509` marks the certificate as a CA (CA:TRUE). OpenSSL accepts it for a server once it is
# trusted. WebPkiServerVerifier refuses it (`CaUsedAsEndEntity`), although it accepts an equivalent certificate
# with CA:FALSE. The CA flag is checked before the name and after the validity: a wrong name gets the same error, an
# expired certificate is refused as expired.
set -euo pipefail

for program in openssl cargo cc; do
    command -v "$program" >/dev/null || { echo "needs $program" >&2; exit 2; }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

make_certificate() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out "$1.pem" \
        -subj /CN=registry -addext subjectAltName=DNS:localhost "${@:2}" 2>/dev/null
    openssl x509 -in "$1.pem" -outform DER -out "$1.der"
}
make_certificate marked -days 30
make_certificate plain -days 30 -addext basicConstraints=critical,CA:FALSE
openssl version
openssl x509 -in marked.pem -noout -ext basicConstraints
openssl verify -CAfile marked.pem -purpose sslserver -verify_hostname localhost marked.pem

mkdir src
cat >Cargo.toml <<'TOML'
[package]
name = "finding"
version = "0.0.0"
edition = "2021"
[dependencies]
rustls = { version = "=0.23.46", default-features = false, features = ["ring", "std"] }
rustls-webpki = "=0.103.17"
TOML
cat >src/main.rs <<'RUST'
use std::{sync::Arc, time::Duration};

use rustls::client::{danger::ServerCertVerifier, WebPkiServerVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let certificate = CertificateDer::from(std::fs::read(&args[1]).unwrap());
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
    let now = UnixTime::since_unix_epoch(UnixTime::now().as_secs().checked_add(args[3].parse().unwrap()).map(Duration::from_secs).unwrap());
    let name = ServerName::try_from(args[2].clone()).unwrap();
    match verifier.verify_server_cert(&certificate, &[], &name, &[], now) {
        Ok(_) => println!("accepted"),
        Err(error) => println!("{error:?}"),
    }
}
RUST
cargo build --quiet
expect() {
    local seen
    seen=$(target/debug/finding "$1.der" "$2" "$3")
    echo "$1, $2, in $3 s: $seen"
    case "$seen" in *"$4"*) ;; *)
        echo "changed: expected $4" >&2
        exit 1
        ;;
    esac
}
year=31536000
expect plain localhost 0 accepted
expect plain elsewhere 0 NotValidForName
expect marked localhost 0 CaUsedAsEndEntity
expect marked elsewhere 0 CaUsedAsEndEntity
expect marked localhost "$year" Expired
echo "as described"
