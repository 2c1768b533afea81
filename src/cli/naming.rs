//! Names of streams for repositories: the shortest end of a path that no other has.

use std::collections::{BTreeMap, BTreeSet};

use crate::image::{Repository, StreamName};

/// Each of `repositories` with a name for its stream, which none of those that are `taken` has if that can be.
pub fn named<'a>(
    repositories: impl Iterator<Item = &'a Repository> + Clone,
    taken: impl Fn(&str) -> bool,
) -> BTreeMap<&'a Repository, StreamName> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for end in repositories.clone().flat_map(|repository| BTreeSet::from(ends(repository))) {
        *counts.entry(end).or_default() += 1;
    }
    let name = |repository: &Repository| {
        let ends = ends(repository);
        let alone = ends.iter().find(|end| counts.get(*end) == Some(&1) && !taken(end)).unwrap_or(&ends[2]);
        alone.parse::<StreamName>().ok()
    };
    repositories.filter_map(|repository| Some((repository, name(repository)?))).collect()
}

fn ends(repository: &Repository) -> [String; 3] {
    let path = repository.path();
    let last = path.rsplit('/').next().unwrap_or(path).to_owned();
    let host = repository.registry().as_str().replace([':', '[', ']'], "-");
    [last, path.to_owned(), format!("{}/{path}", host.trim_matches('-'))]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_shortest_end_that_is_free() {
        let repositories = ["docker.io/library/redis", "quay.io/a/web", "quay.io/b/web", "h:5000/b/web", "q.io/x/used"];
        let repositories = repositories.map(|text| text.parse::<Repository>().unwrap());
        let named = named(repositories.iter(), |name| name == "used");
        let shown: Vec<String> = repositories.iter().map(|repository| named[repository].to_string()).collect();
        assert_eq!(shown, ["redis", "a/web", "quay.io/b/web", "h-5000/b/web", "x/used"]);
    }
}
