//! Debian's registry, with and without authentication; `skopeo` confirms each digest.

use std::process::Command;

use futures_util::future::join_all;
use pinstream::model::image::{Digest, ImageRef};
use pinstream::model::settings::RegistrySettings;
use pinstream::registry::manifest::ManifestContent;
use pinstream::registry::{FailureKind, Registry, RegistryConfig};

use super::{failure, image, import, passwords, plain, repository, run, secure};
use crate::support::lane::{needs, slow};
use crate::support::registry::docker::USER;
use crate::support::registry::{DockerRegistry, Image};

/// Returns the digest of an image according to skopeo.
fn witness(image: &ImageRef, login: Option<(&str, &str)>) -> Digest {
    let mut command = Command::new("skopeo");
    command.args(["inspect", "--raw", "--tls-verify=false"]);
    if let Some((user, password)) = login {
        command.arg("--creds").arg(format!("{user}:{password}"));
    }
    let raw = command.arg(format!("docker://{image}")).output().unwrap();
    assert!(raw.status.success(), "{}", String::from_utf8_lossy(&raw.stderr));
    Digest::sha256(&raw.stdout)
}

/// Pushes one image of each kind, resolves it and compares with skopeo.
fn check(docker: &DockerRegistry, setup: &RegistryConfig, login: Option<(&str, &str)>) {
    let kinds = [
        ("oci", Image::new(1).version("1.0").revision("abc").created("2026-10-01T08:12:44Z")),
        ("docker", Image::new(2).docker()),
        ("index", Image::new(3).platforms(&["linux/amd64", "linux/arm64", "linux/arm/v7"]).attestation(1)),
        ("list", Image::new(4).platforms(&["linux/amd64", "linux/s390x"]).docker()),
    ];
    let registry = Registry::new(setup.clone()).unwrap();
    for (tag, made) in kinds {
        let pushed = docker.push("team/app", tag, &made);
        let asked = image(&format!("{}/team/app:{tag}", docker.host()));
        assert_eq!(run(import(&registry, &asked)), Ok(pushed.clone()), "{tag}");
        assert_eq!(witness(&asked, login), pushed, "{tag}");
    }
    let mut tags: Vec<String> = run(registry.tags(&repository(&format!("{}/team/app", docker.host()))))
        .unwrap()
        .iter()
        .map(ToString::to_string)
        .collect();
    tags.sort();
    assert_eq!(tags, ["docker", "index", "list", "oci"]);
    let missing = image(&format!("{}/team/app:missing", docker.host()));
    assert_eq!(run(registry.digest(&missing)).unwrap_err().kind, FailureKind::NotFound);
}

#[test]
fn images_of_an_open_registry_are_resolved() {
    needs!("docker-registry", "skopeo");
    let docker = DockerRegistry::start();
    check(&docker, &plain(&[docker.host()]), None);
    let asked = image(&format!("{}/team/app:index", docker.host()));
    let registry = Registry::new(plain(&[docker.host()])).unwrap();
    run(async {
        let digest = registry.digest(&asked).await.unwrap();
        let index = registry.manifest(asked.repository(), &digest).await.unwrap();
        let ManifestContent::Index { children } = index.content() else { panic!("an index") };
        let platforms: Vec<_> =
            children.iter().filter(|child| !child.attestation).filter_map(|child| child.platform.as_ref()).collect();
        assert_eq!(
            platforms.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["linux/amd64", "linux/arm64", "linux/arm/v7"]
        );
        assert_eq!(children.len(), 4);
    });
}

#[test]
fn images_of_a_registry_with_passwords_are_resolved() {
    needs!("docker-registry", "skopeo");
    let docker = DockerRegistry::start_htpasswd();
    let mut setup = secure(&[docker.host()], docker.ca());
    setup.credentials = passwords(&[(&docker.host(), USER.0, USER.1)]);
    check(&docker, &setup, Some(USER));
    let asked = image(&format!("{}/team/app:oci", docker.host()));
    let mut wrong = setup.clone();
    wrong.credentials = passwords(&[(&docker.host(), USER.0, "wrong")]);
    assert_eq!(failure(wrong, &asked).0, FailureKind::Unauthorized);
    assert_eq!(failure(secure(&[docker.host()], docker.ca()), &asked).0, FailureKind::Unauthorized);
}

#[test]
fn images_of_a_registry_with_tokens_are_resolved() {
    needs!("docker-registry", "skopeo");
    let docker = DockerRegistry::start_token();
    let mut setup = secure(&[docker.host()], docker.ca());
    setup.credentials = passwords(&[(&docker.host(), USER.0, USER.1)]);
    docker.push("team/app", "oci", &Image::new(1));
    // Its token server has another port, so the operator must allow it, and name it because it is on loopback.
    let asked = image(&format!("{}/team/app:oci", docker.host()));
    let (kind, text) = failure(setup.clone(), &asked);
    assert!(kind == FailureKind::Refused && text.contains(&docker.tokens().origin()), "{text}");
    assert_eq!(docker.tokens().requests(), 0);
    setup.policy.realms = vec![docker.tokens().origin()];
    setup.registries.insert(docker.tokens().host().parse().unwrap(), RegistrySettings::default());
    check(&docker, &setup, Some(USER));
    let mut wrong = setup.clone();
    wrong.credentials = passwords(&[(&docker.host(), USER.0, "wrong")]);
    assert_eq!(failure(wrong, &asked).0, FailureKind::Unauthorized);
}

#[test]
fn sixty_tags_of_twenty_repositories_cost_one_token() {
    slow!();
    needs!("docker-registry");
    let docker = DockerRegistry::start_token();
    let made = Image::new(1);
    let mut images = Vec::new();
    for number in 0..20 {
        docker.push(&format!("team/r{number}"), "t0", &made);
        images.push(image(&format!("{}/team/r{number}:t0", docker.host())));
        for tag in 1..3 {
            docker.retag(&format!("team/r{number}"), &format!("t{tag}"), &made);
            images.push(image(&format!("{}/team/r{number}:t{tag}", docker.host())));
        }
    }
    let mut setup = secure(&[docker.host()], docker.ca());
    setup.credentials = passwords(&[(&docker.host(), USER.0, USER.1)]);
    setup.policy.realms = vec![docker.tokens().origin()];
    setup.registries.insert(docker.tokens().host().parse().unwrap(), RegistrySettings::default());
    let registry = Registry::new(setup).unwrap();
    let repositories: Vec<_> = images.iter().map(|image| image.repository().clone()).collect();
    registry.announce(&repositories);
    let found = run(join_all(images.iter().map(|image| registry.digest(image))));
    assert!(found.iter().all(|found| *found == Ok(made.digest())), "{found:?}");
    assert_eq!(docker.tokens().requests(), 1);
    let counts = registry.counts();
    assert_eq!((counts.head, counts.get, counts.token, counts.retries), (61, 0, 1, 0));
}
