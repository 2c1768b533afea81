//! Images as people write them elsewhere: without a registry, without a tag.
//!
//! Streams name an image in full; this is for texts that come from other programs' files, and for those that are to be
//! found in them.

use super::{ImageRef, NameError, Repository};

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

/// How people write a repository: in full, and one of Docker Hub without its registry.
pub fn repository_spellings(repository: &Repository) -> Vec<String> {
    let full = repository.to_string();
    let short = ["docker.io/library/", "docker.io/"].iter().filter_map(|start| full.strip_prefix(start));
    let mut short = short.filter(|short| complete(short).is_ok_and(|image| image.repository() == repository));
    let short = short.next().map(str::to_owned);
    std::iter::once(full).chain(short).collect()
}

/// How people write an image: by each spelling of its repository, and `latest` also without its tag.
pub fn image_spellings(image: &ImageRef) -> Vec<String> {
    let full = image.to_string();
    let rest = full.strip_prefix(&image.repository().to_string()).unwrap_or_default();
    let short = (rest == ":latest").then_some("");
    let names = repository_spellings(image.repository());
    names.iter().flat_map(|name| [rest].into_iter().chain(short).map(move |rest| format!("{name}{rest}"))).collect()
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

    #[test]
    fn an_image_is_known_by_each_of_its_spellings() {
        let spellings = |text: &str, expected: &[&str]| {
            let image: ImageRef = text.parse().unwrap();
            let found = image_spellings(&image);
            assert_eq!(found, expected);
            assert!(found.iter().all(|text| complete(text).as_ref() == Ok(&image)), "{found:?}");
        };
        spellings("docker.io/library/python:3.12", &["docker.io/library/python:3.12", "python:3.12"]);
        spellings(
            "docker.io/library/python:latest",
            &["docker.io/library/python:latest", "docker.io/library/python", "python:latest", "python"],
        );
        spellings("docker.io/bitnami/redis:7", &["docker.io/bitnami/redis:7", "bitnami/redis:7"]);
        spellings("quay.io/a/b:latest", &["quay.io/a/b:latest", "quay.io/a/b"]);
        spellings("localhost:5000/a:1", &["localhost:5000/a:1"]);
        // Without its registry it would be another one.
        spellings("docker.io/a.b/c:1", &["docker.io/a.b/c:1"]);
        spellings("docker.io/library/localhost/c:1", &["docker.io/library/localhost/c:1", "library/localhost/c:1"]);
        let digest = format!("docker.io/library/python@sha256:{}", "ab".repeat(32));
        spellings(&digest, &[&digest, digest.strip_prefix("docker.io/library/").unwrap()]);
    }
}
