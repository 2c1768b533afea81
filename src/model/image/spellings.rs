//! Images in the short forms of other tools: without a registry, without a tag.
//!
//! Streams always name an image in full, which is checked here; other programs' files need not.

use super::{ImageRef, NameError, RegistryHost, Repository};
use crate::text::escape::excerpt;

/// The host names of Docker Hub; the first one is used in pins.
pub(super) const HUB: [&str; 3] = ["docker.io", "index.docker.io", "registry-1.docker.io"];

/// Expands a short name like docker and OpenShift: no registry means `docker.io`, no namespace there `library`, no tag
/// `latest`. The first part is a registry if it contains `.` or `:`, or is `localhost`.
///
/// # Errors
/// Returns an error if the result is not a valid image.
pub fn complete(text: &str) -> Result<ImageRef, NameError> {
    let (name, digest) = text.split_once('@').map_or((text, None), |(name, digest)| (name, Some(digest)));
    let repository = written_repository(name);
    let tag = name[repository.len()..].strip_prefix(':');
    let (registry, path) = match repository.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (first, rest),
        _ => (HUB[0], repository),
    };
    let (registry, library) = match (HUB.contains(&registry), path.contains('/')) {
        (true, false) => (HUB[0], "library/"),
        (true, true) => (HUB[0], ""),
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

/// Returns the part of an image's name before its tag and digest; the name may be incomplete.
pub fn written_repository(text: &str) -> &str {
    let name = text.split_once('@').map_or(text, |(name, _)| name);
    match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => repository,
        _ => name,
    }
}

/// Returns whether a name, which may be incomplete, has a tag or a digest.
pub fn has_tag_or_digest(text: &str) -> bool {
    written_repository(text) != text
}

/// Parses an image in a definition, which must have its one spelling: Docker Hub is `docker.io`, and its official images
/// are below `library`.
///
/// # Errors
/// Returns an error that names the right spelling if it is another one, and if it is not a valid image.
pub fn defined_image(text: &str) -> Result<ImageRef, NameError> {
    let image: ImageRef = text.parse()?;
    check_spelling(text, &complete(text)?.to_string())?;
    Ok(image)
}

/// Parses a repository in a definition, like [`defined_image`].
///
/// # Errors
/// Returns an error that names the right spelling if it is another one, and if it is not a valid repository.
pub fn defined_repository(text: &str) -> Result<Repository, NameError> {
    let repository: Repository = text.parse()?;
    check_spelling(text, &complete(text)?.repository().to_string())?;
    Ok(repository)
}

/// Parses a registry in the settings: Docker Hub is `docker.io`.
///
/// # Errors
/// Returns an error that names the right spelling if it is another one, and if it is not a valid registry.
pub fn defined_registry(text: &str) -> Result<RegistryHost, NameError> {
    let registry: RegistryHost = text.parse()?;
    if HUB.contains(&registry.0.as_str()) {
        check_spelling(&registry.0, HUB[0])?;
    }
    Ok(registry)
}

/// Checks that `text` is spelled like `full` as far as the names of Docker Hub are concerned.
fn check_spelling(text: &str, full: &str) -> Result<(), NameError> {
    if text.eq_ignore_ascii_case(full) {
        return Ok(());
    }
    let error = NameError::new(format!("`{}` is not the full name of `{}`", excerpt(text), excerpt(full)));
    Err(error.help(format!("write `{full}`")))
}

/// Returns the spellings of a repository that [`complete`] expands to it, the full one first: on Docker Hub with each
/// of its host names or none, and official images also without `library`.
pub fn repository_spellings(repository: &Repository) -> Vec<String> {
    let full = repository.to_string();
    let Some(path) = full.strip_prefix(HUB[0]).and_then(|rest| rest.strip_prefix('/')) else { return vec![full] };
    let paths = [Some(path), path.strip_prefix("library/")];
    let registries = HUB.map(|registry| format!("{registry}/"));
    let starts = registries.iter().map(String::as_str).chain([""]);
    let all = starts.flat_map(|start| paths.into_iter().flatten().map(move |path| format!("{start}{path}")));
    all.filter(|text| complete(text).is_ok_and(|image| image.repository() == repository)).collect()
}

/// Returns the spellings of an image: with each one of its repository, and `latest` also without its tag.
pub fn image_spellings(image: &ImageRef) -> Vec<String> {
    let full = image.to_string();
    let rest = full.strip_prefix(&image.repository().to_string()).unwrap_or_default();
    let short = (rest == ":latest").then_some("");
    let names = repository_spellings(image.repository());
    names.iter().flat_map(|name| [rest].into_iter().chain(short).map(move |rest| format!("{name}{rest}"))).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::{ProptestConfig, proptest};

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let found = complete(text).map_or_else(|error| format!("! {error}"), |image| image.to_string());
        assert_eq!(found, expected);
    }

    #[test]
    fn short_names_are_completed_as_by_docker_and_openshift() {
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
    fn r12_definitions_have_one_spelling_and_the_error_gives_the_full_name() {
        let image = |text: &str| defined_image(text).map(|image| image.to_string()).map_err(|error| error.to_string());
        for right in ["docker.io/library/python:3", "docker.io/a/b:c", "localhost:5000/a:1", "Quay.io/a:1"] {
            assert!(image(right).is_ok(), "{right}");
        }
        for (wrong, full) in [
            ("docker.io/python:3", "docker.io/library/python:3"),
            ("index.docker.io/library/python:3", "docker.io/library/python:3"),
            ("index.docker.io/python:3", "docker.io/library/python:3"),
            ("registry-1.docker.io/a/b:c", "docker.io/a/b:c"),
        ] {
            assert_eq!(image(wrong), Err(format!("`{wrong}` is not the full name of `{full}`")));
            let (wrong, full) = (wrong.rsplit_once(':').unwrap().0, full.rsplit_once(':').unwrap().0);
            let error = defined_repository(wrong).unwrap_err();
            assert_eq!(error.help, Some(format!("write `{full}`")), "{wrong}");
        }
        assert!(defined_registry("index.docker.io").is_err() && defined_registry("docker.io").is_ok());
        let hub: RegistryHost = "docker.io".parse().unwrap();
        assert_eq!(hub.names().collect::<Vec<_>>(), HUB);
    }

    #[test]
    fn an_invalid_image_is_not_completed() {
        check("", "! invalid repository path `library/`");
        check("Python:3", "! upper-case letters in repository `library/Python`");
        check("python:3 12", "! invalid tag name `3 12`");
        check("python@sha256:12", "! invalid digest `sha256:12`");
    }

    #[test]
    fn an_image_is_known_by_each_of_its_spellings() {
        let spellings = |text: &str, expected: &[&str]| {
            let image: ImageRef = text.parse().unwrap();
            let found = image_spellings(&image);
            assert_eq!(found, expected);
            assert!(found.iter().all(|text| complete(text).as_ref() == Ok(&image)), "{found:?}");
        };
        spellings(
            "docker.io/library/python:3.12",
            &[
                "docker.io/library/python:3.12",
                "docker.io/python:3.12",
                "index.docker.io/library/python:3.12",
                "index.docker.io/python:3.12",
                "registry-1.docker.io/library/python:3.12",
                "registry-1.docker.io/python:3.12",
                "library/python:3.12",
                "python:3.12",
            ],
        );
        spellings(
            "docker.io/bitnami/redis:latest",
            &[
                "docker.io/bitnami/redis:latest",
                "docker.io/bitnami/redis",
                "index.docker.io/bitnami/redis:latest",
                "index.docker.io/bitnami/redis",
                "registry-1.docker.io/bitnami/redis:latest",
                "registry-1.docker.io/bitnami/redis",
                "bitnami/redis:latest",
                "bitnami/redis",
            ],
        );
        spellings("quay.io/a/b:latest", &["quay.io/a/b:latest", "quay.io/a/b"]);
        spellings("localhost:5000/a:1", &["localhost:5000/a:1"]);
        // Without its registry it would be another one.
        spellings(
            "docker.io/a.b/c:1",
            &["docker.io/a.b/c:1", "index.docker.io/a.b/c:1", "registry-1.docker.io/a.b/c:1"],
        );
        spellings(
            "docker.io/library/localhost/c:1",
            &[
                "docker.io/library/localhost/c:1",
                "index.docker.io/library/localhost/c:1",
                "registry-1.docker.io/library/localhost/c:1",
                "library/localhost/c:1",
            ],
        );
        let digest = format!("quay.io/a/b@sha256:{}", "ab".repeat(32));
        spellings(&digest, &[&digest]);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn spellings_complete_to_the_image_and_nothing_else(
            host in "(docker\\.io/|index\\.docker\\.io/|registry-1\\.docker\\.io/|quay\\.io/|localhost/)?",
            path in "(library/)?(localhost/|a\\.b/|[a-c]/)?[a-c]",
            rest in "(:latest|:1)?",
        ) {
            let written = format!("{host}{path}{rest}");
            let image = complete(&written).unwrap();
            let spellings = image_spellings(&image);
            assert!(spellings.contains(&written), "{written}: {spellings:?}");
            assert_eq!(spellings[0], image.to_string());
            assert_eq!(spellings.iter().collect::<BTreeSet<_>>().len(), spellings.len(), "{spellings:?}");
            for spelling in spellings {
                assert_eq!(complete(&spelling).as_ref(), Ok(&image), "{spelling}");
            }
        }
    }
}
