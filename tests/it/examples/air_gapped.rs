//! Air-gapped networks: the scripts of the example copy images to a mirror with a real registry and `skopeo`, and they are
//! pinned from the mirror alone.

use std::fs;
use std::path::Path;

use super::sandbox;
use crate::support::lane::{needs, slow};
use crate::support::registry::{DockerRegistry, Image};
use crate::support::sandbox::{RunResult, Sandbox};

/// Hosts of the two sources and the mirror.
struct Hosts {
    hub: String,
    quay: String,
    mirror: String,
}

/// Clones the example on one side, with the configuration of `skopeo`.
fn side(hosts: &Hosts, ca: &[u8]) -> Sandbox {
    let folder_of = |host: &str| host.replace(':', "-");
    let sandbox = sandbox("air-gapped", |path, text| match path {
        "certs/corp.pem" => String::from_utf8(ca.to_vec()).unwrap(),
        "pinstream.toml" | "streams/base.toml" => {
            let mut text = text.replace("mirror.corp.example:5000", &hosts.mirror);
            for (name, host) in [("docker.io", &hosts.hub), ("quay.io", &hosts.quay)] {
                text = text.replace(&format!("/{name}\"]"), &format!("/{}\"]", folder_of(host)));
                text = text.replace(&format!("\"{name}\"]"), &format!("\"{host}\"]\nplain-http = true"));
                text = text.replace(&format!("\"{name}/"), &format!("\"{host}/"));
            }
            text
        }
        _ => text,
    });
    sandbox.log_in(&hosts.mirror);
    let containers = sandbox.home().join(".config/containers");
    let put = |path: &str, text: &[u8]| {
        let whole = containers.join(path);
        fs::create_dir_all(whole.parent().unwrap()).unwrap();
        fs::write(whole, text).unwrap();
    };
    put("policy.json", br#"{"default": [{"type": "insecureAcceptAnything"}]}"#);
    put(&format!("certs.d/{}/ca.crt", hosts.mirror), ca);
    let plain = [&hosts.hub, &hosts.quay].map(|host| format!("[[registry]]\nlocation = \"{host}\"\ninsecure = true\n"));
    put("registries.conf", plain.concat().as_bytes());
    sandbox
}

/// Runs a script of the example with `pinstream`, `skopeo` and `jq` in PATH.
fn carry(sandbox: &Sandbox, script: &str, args: &[&str]) -> RunResult {
    let mut command = sandbox.command("sh");
    command.arg(sandbox.work().join("carry").join(script)).args(args);
    let program = Path::new(env!("CARGO_BIN_EXE_pinstream")).parent().unwrap().to_owned();
    let places = std::env::var_os("PATH").unwrap_or_default();
    let places = std::iter::once(program).chain(std::env::split_paths(&places));
    command.env("PATH", std::env::join_paths(places).unwrap());
    command.env("CONTAINERS_REGISTRIES_CONF", sandbox.home().join(".config/containers/registries.conf"));
    sandbox.finish(command)
}

#[track_caller]
fn succeeds(ran: &RunResult) {
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{}", ran.stdout);
}

#[test]
fn digests_pinned_outside_are_pinned_inside_from_the_mirror_alone() {
    slow!();
    needs!("docker-registry", "skopeo", "jq");
    let (hub, quay, mirror) = (DockerRegistry::start(), DockerRegistry::start(), DockerRegistry::start_htpasswd());
    let python = Image::new(1).version("3.12.4").platforms(&["linux/amd64", "linux/arm64"]).attestation(1);
    hub.push("library/python", "3.12", &python);
    quay.push("acme/edge", "stable", &Image::new(2).version("1.0").docker());
    let tool = Image::new(4).version("2.0").platforms(&["linux/amd64", "linux/arm64"]);
    quay.push("acme/tool", "1", &tool);
    let hosts = Hosts { hub: hub.host(), quay: quay.host(), mirror: mirror.host() };
    let medium = tempfile::tempdir().unwrap();
    let medium = medium.path().join("images");
    let medium = medium.to_str().unwrap();

    let outside = side(&hosts, &mirror.ca());
    succeeds(&outside.run(&["update"]));
    let lock = outside.read("pinstream.lock");
    let ran = carry(&outside, "out.sh", &[medium]);
    succeeds(&ran);
    assert_eq!(ran.stdout.lines().count(), 3, "{}", ran.stdout);
    // Copies on the medium are not repeated.
    let ran = carry(&outside, "out.sh", &[medium]);
    succeeds(&ran);
    assert_eq!(ran.stdout, "");
    // In the meantime upstream changes; it is unreachable from inside.
    quay.push("acme/edge", "stable", &Image::new(3).version("1.1").docker());
    drop((hub, quay));

    let inside = side(&hosts, &mirror.ca());
    let ran = inside.run(&["update"]);
    assert_eq!(ran.code, Some(3), "{}", ran.stdout);
    let ran = carry(&inside, "in.sh", &[medium, &hosts.mirror]);
    succeeds(&ran);
    assert_eq!(ran.stdout.lines().count(), 3, "{}", ran.stdout);
    succeeds(&inside.run(&["update"]));
    assert_eq!(inside.read("pinstream.lock"), lock);
    succeeds(&inside.run(&["check"]));
    succeeds(&inside.run(&["check", "--upstream"]));
}
