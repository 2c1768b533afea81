//! Job specifications of Nomad (developer.hashicorp.com, "Job specification"): images of tasks with the drivers for
//! containers.

use super::super::{Evidence, yaml::has_line};

use super::hcl;
use super::kind::{KnownKind, RuleScope, file_name};
use super::known::KnownImage;
use super::rule::{ImageRule, RulePlace};

/// Drivers whose `config.image` is a container image.
const DRIVERS: [&str; 4] = ["docker", "podman", "containerd-driver", "containerd"];

/// Optional prefix of an image of the driver `podman`.
const SCHEME: &str = "docker://";

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
    rules: &[ImageRule { at: "job.*.group.*.task.*", images: task }, ImageRule { at: "job.*.task.*", images: task }],
};

/// Finds the image of a task. Nomad does not find an image with both tag and digest on the host.
fn task(place: &RulePlace<'_>) -> Vec<KnownImage> {
    let driver = place.node.get("driver").and_then(|driver| driver.text());
    let image = place.node.get("config").and_then(|config| config.get("image"));
    let Some((image, text)) = image.and_then(|image| Some((image, image.text()?))) else { return Vec::new() };
    let start = if text.starts_with(SCHEME) { SCHEME.len() } else { 0 };
    match driver.is_some_and(|driver| DRIVERS.contains(&driver)) && text.len() > start {
        true => vec![place.below(image).digest_only(start..text.len())],
        false => Vec::new(),
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
        image = "python«:3.12→@DIGEST»"
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
        );
    }
}
