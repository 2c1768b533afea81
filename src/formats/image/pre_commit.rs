//! Hooks of pre-commit in an image (pre-commit.com, "docker_image"): `entry` is the image with the arguments of `docker
//! run` before it and the command behind it.

use super::super::yaml;

use super::kind::{KnownKind, RuleScope, named_yaml};
use super::known::KnownImage;
use super::rule::{ImageRule, RulePlace};

/// Options of `docker run` with a value in the next word.
const WITH_VALUE: [&str; 12] = [
    "--entrypoint",
    "--env",
    "-e",
    "--mount",
    "--net",
    "--network",
    "--platform",
    "--user",
    "-u",
    "--volume",
    "-v",
    "-w",
];
/// Options of `docker run` without a value.
const FLAGS: [&str; 5] = ["--init", "--rm", "-i", "-it", "-t"];

pub(super) const KIND: KnownKind = KnownKind {
    patterns: &["**/.pre-commit-config.{yaml,yml}", "**/.pre-commit-hooks.{yaml,yml}"],
    recognize: |file| named_yaml(file, ".pre-commit-config").or_else(|| named_yaml(file, ".pre-commit-hooks")),
    scope: RuleScope::All,
    tree: yaml::tree,
    rules: &[
        ImageRule { at: "repos[*].hooks[language=docker_image].entry", images: entry },
        ImageRule { at: "[language=docker_image].entry", images: entry },
    ],
};

/// Finds the first word that is neither an option of `docker run` nor its value.
fn entry(place: &RulePlace<'_>) -> Vec<KnownImage> {
    let text = place.node.text().unwrap_or_default();
    let mut words = text.split_whitespace();
    while let Some(word) = words.next() {
        match word {
            _ if WITH_VALUE.contains(&word) => drop(words.next()),
            _ if FLAGS.contains(&word) || (word.starts_with("--") && word.contains('=')) => {}
            // An option that may have a value, or a quoted word.
            _ if word.starts_with(['-', '"', '\'']) => return Vec::new(),
            _ => {
                let start = word.as_ptr() as usize - text.as_ptr() as usize;
                return vec![place.within(start..start + word.len())];
            }
        }
    }
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::super::tests::check_kind;

    #[test]
    fn f17_hooks_of_pre_commit_are_found_and_written() {
        check_kind(
            ".pre-commit-config.yaml",
            r#"repos:
- repo: local
  hooks:
  - id: a
    language: docker_image
    entry: --entrypoint /bin/x docker.io/library/python:3.12@DIGEST check --all
  - id: b
    language: docker_image
    entry: -e A=b redis:7
  - id: c
    language: system
    entry: python:3.12
"#,
            &[r#"6 docker.io/library/python:3.12; image = { PATH, at = "repos[0].hooks[0].entry" }"#, r#"9 redis:7"#],
        );
    }
}
