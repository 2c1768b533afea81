//! HTTP/2 with registries that offer it: Go's server does over TLS, and logs the protocol.

use futures_util::future::join_all;

use super::{image, passwords, run, secure};
use crate::support::lane::{needs, slow};
use crate::support::registry::docker::USER;
use crate::support::registry::{DockerRegistry, Image};
use pinstream::registry::{Registry, RegistryConfig};

#[test]
fn http2_is_used_if_the_registry_offers_it() {
    slow!();
    needs!("docker-registry");
    let docker = DockerRegistry::start_htpasswd();
    let host = docker.host();
    let images: Vec<_> = (0..30).map(|number| image(&format!("{host}/acme/app:{number}"))).collect();
    for (number, image) in images.iter().enumerate() {
        docker.push("acme/app", image.tag().unwrap().as_str(), &Image::new(number as u64));
    }
    let setup = RegistryConfig {
        credentials: passwords(&[(&host, USER.0, USER.1)]),
        ..secure(std::slice::from_ref(&host), docker.ca())
    };
    let registry = Registry::new(setup).unwrap();
    let answers = run(join_all(images.iter().map(|image| registry.digest(image))));
    assert!(answers.iter().all(Result::is_ok));

    let log = docker.log();
    let ours: Vec<&str> = log.lines().filter(|line| line.contains("\"HEAD ") && line.contains(" 200 ")).collect();
    assert_eq!(ours.len(), 30, "{log}");
    assert!(ours.iter().all(|line| line.contains(" HTTP/2.0\"")), "{log}");
}
