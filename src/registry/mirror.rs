//! Locations of a repository: its mirrors in order, then its registry.
//!
//! A pin always names the registry; a mirror only answers in its place.

use crate::model::image::{RegistryHost, Repository};
use crate::model::settings::RegistrySettings;

/// Location that may have a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MirrorLocation {
    pub(super) registry: RegistryHost,
    /// The repository's path there.
    pub(super) path: String,
}

/// Lists the locations of `repository` in order of preference.
pub(super) fn locations(repository: &Repository, settings: Option<&RegistrySettings>) -> Vec<MirrorLocation> {
    let mirrors = settings.map_or(&[][..], |settings| &settings.mirrors);
    let mirrored = mirrors.iter().map(|mirror| MirrorLocation {
        registry: mirror.registry.clone(),
        path: match mirror.prefix.trim_matches('/') {
            "" => repository.path().to_owned(),
            prefix => format!("{prefix}/{}", repository.path()),
        },
    });
    let source = MirrorLocation { registry: repository.registry().clone(), path: repository.path().to_owned() };
    mirrored.chain([source]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::settings::Mirror;

    #[test]
    fn mirrors_come_first_with_their_prefix_and_the_registry_last() {
        let mirror = |host: &str, prefix: &str| Mirror { registry: host.parse().unwrap(), prefix: prefix.to_owned() };
        let mirrors = vec![mirror("a.example", "redhat"), mirror("b.example:5000", "")];
        let settings = RegistrySettings { mirrors, ..RegistrySettings::default() };
        let found = locations(&"quay.io/x/y".parse().unwrap(), Some(&settings));
        let found: Vec<String> =
            found.iter().map(|location| format!("{}/{}", location.registry, location.path)).collect();
        assert_eq!(found, ["a.example/redhat/x/y", "b.example:5000/x/y", "quay.io/x/y"]);
        assert_eq!(locations(&"quay.io/x/y".parse().unwrap(), None).len(), 1);
    }
}
