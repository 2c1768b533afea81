//! Images as people write them elsewhere: without a registry, without a tag.
//!
//! Streams name an image in full; this is for texts that come from other programs' files.

use super::{ImageRef, NameError};

/// The image that docker and OpenShift take `text` for: no registry is `docker.io`, no namespace there is `library`,
/// no tag is `latest`. The first part is a registry where it has a `.` or a `:`, or is `localhost`.
///
/// # Errors
/// Where even so it is not an image.
pub fn complete(text: &str) -> Result<ImageRef, NameError> {
    let (name, digest) = text.split_once('@').map_or((text, None), |(name, digest)| (name, Some(digest)));
    let (repository, tag) = match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, Some(tag)),
        _ => (name, None),
    };
    let (registry, path) = match repository.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (first, rest),
        _ => ("docker.io", repository),
    };
    let is_hub = ["docker.io", "index.docker.io", "registry-1.docker.io"].contains(&registry);
    let (registry, library) = match (is_hub, path.contains('/')) {
        (true, false) => ("docker.io", "library/"),
        (true, true) => ("docker.io", ""),
        (false, _) => (registry, ""),
    };
    let tag = match (tag, digest) {
        (Some(tag), _) => format!(":{tag}"),
        (None, Some(_)) => String::new(),
        (None, None) => ":latest".to_owned(),
    };
    let digest = digest.map(|digest| format!("@{digest}")).unwrap_or_default();
    format!("{registry}/{library}{path}{tag}{digest}").parse()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let found = complete(text).map_or_else(|error| format!("! {error}"), |image| image.to_string());
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_left_out_is_what_docker_and_openshift_take_it_for() {
        check("python", "docker.io/library/python:latest");
        check("python:3.12", "docker.io/library/python:3.12");
        check("bitnami/redis", "docker.io/bitnami/redis:latest");
        check("docker.io/python", "docker.io/library/python:latest");
        check("index.docker.io/bitnami/redis:7", "docker.io/bitnami/redis:7");
        check("localhost/a", "localhost/a:latest");
        check("localhost:5000/a/b:c", "localhost:5000/a/b:c");
        check("registry.access.redhat.com/ubi9/dotnet-100", "registry.access.redhat.com/ubi9/dotnet-100:latest");
        let digest = format!("sha256:{}", "ab".repeat(32));
        check(&format!("python@{digest}"), &format!("docker.io/library/python@{digest}"));
        check(&format!("quay.io/a/b:1@{digest}"), &format!("quay.io/a/b:1@{digest}"));
    }

    #[test]
    fn what_is_no_image_stays_none() {
        check("", "! `library/` is not a repository's path");
        check("Python:3", "! the repository `library/Python` has upper-case letters");
        check("python:3 12", "! `3 12` is not a tag's name");
        check("python@sha256:12", "! `sha256:12` is not a digest");
    }
}
