//! Job specifications of Nomad (developer.hashicorp.com, "Job specification"): images of tasks with the drivers for
//! containers.

use super::super::{Evidence, yaml::has_line};
use crate::text::yaml::YamlNode;

use super::hcl;
use super::kind::{KnownKind, RuleScope, file_name};
use super::known::KnownImage;
use super::rule::{Rule, RulePlace};
use super::spelling::{prefixed, value};

/// Drivers whose `config.image` is a container image.
const DRIVERS: [&str; 4] = ["docker", "podman", "containerd-driver", "containerd"];

pub(super) const KIND: KnownKind = KnownKind {
    patterns: &["**/*.nomad", "**/*.nomad.hcl", "**/*.hcl"],
    recognize: |file| {
        let name = file_name(file);
        let is_named = name.ends_with(".nomad") || name.ends_with(".nomad.hcl");
        let is_job = || name.ends_with(".hcl") && has_line(file, &["job \""]);
        (is_named && has_line(file, &["job "]))
            .then_some(Evidence::Name)
            .or_else(|| is_job().then_some(Evidence::Content))
    },
    scope: RuleScope::All,
    tree: hcl::tree,
    rules: &[Rule { at: "job.*.group.*.task.*", images: task }, Rule { at: "job.*.task.*", images: task }],
};

fn task(place: &RulePlace<'_>) -> Vec<KnownImage> {
    let driver = place.node.get("driver").and_then(|driver| driver.text());
    let image = |config: &'_ YamlNode| config.get("image").cloned();
    match (driver, place.node.get("config").and_then(|config| image(config))) {
        (Some(driver), Some(image)) if DRIVERS.contains(&driver) => match prefixed(&place.below(&image), "docker://") {
            images if images.is_empty() => value(&place.below(&image)),
            images => images,
        },
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::check_kind;

    #[test]
    fn f17_tasks_of_nomad_are_found_and_written() {
        check_kind(
            "jobs/web.nomad.hcl",
            r#"job "web" {
  group "app" {
    task "server" {
      driver = "docker"
      config {
        image = "python:3.12"
        args  = ["run"]
      }
    }
    task "vm" {
      driver = "qemu"
      config { image = "redis:7" }
    }
    task "side" {
      driver = "podman"
      config { image = "docker://docker.io/library/redis:7" }
    }
  }
}
"#,
            &[
                r#"6 python:3.12; image = { PATH, at = "job.web.group.app.task.server.config.image" }"#,
                r#"16 docker.io/library/redis:7"#,
            ],
            r#"job "web" {
  group "app" {
    task "server" {
      driver = "docker"
      config {
        image = "python:3.12@DIGEST"
        args  = ["run"]
      }
    }
    task "vm" {
      driver = "qemu"
      config { image = "redis:7" }
    }
    task "side" {
      driver = "podman"
      config { image = "docker://docker.io/library/redis:7" }
    }
  }
}
"#,
        );
    }
}
