//! Stream names for repositories: the shortest unique suffix of the path, with a number if there is none.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::image::{Repository, StreamName};

/// Assigns each repository a stream name that is unique and not `taken`.
pub fn named<'a>(
    repositories: impl Iterator<Item = &'a Repository> + Clone,
    taken: impl Fn(&str) -> bool,
) -> BTreeMap<&'a Repository, StreamName> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for end in repositories.clone().flat_map(|repository| BTreeSet::from(ends(repository))) {
        *counts.entry(end).or_default() += 1;
    }
    let (mut all, mut numbered) = (BTreeMap::new(), BTreeSet::new());
    for repository in repositories {
        let ends = ends(repository);
        let name = match ends.iter().find(|end| counts.get(*end) == Some(&1) && !taken(end)) {
            Some(alone) => alone.clone(),
            // Different repositories can map to the same name, e.g. `h:5000/a` and `h-5000/a`.
            None => {
                let mut names =
                    std::iter::once(ends[2].clone()).chain((2..).map(|number| format!("{}-{number}", ends[2])));
                let is_free = |name: &String| {
                    !taken(name) && !numbered.contains(name) && (*name == ends[2] || !counts.contains_key(name))
                };
                let Some(name) = names.find(is_free) else { continue };
                numbered.insert(name.clone());
                name
            }
        };
        all.extend(name.parse::<StreamName>().ok().map(|name| (repository, name)));
    }
    all
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
    fn a_name_is_the_shortest_unique_suffix() {
        let repositories = ["docker.io/library/redis", "quay.io/a/web", "quay.io/b/web", "h:5000/b/web", "q.io/x/used"];
        let repositories = repositories.map(|text| text.parse::<Repository>().unwrap());
        let named = named(repositories.iter(), |name| name == "used");
        let shown: Vec<String> = repositories.iter().map(|repository| named[repository].to_string()).collect();
        assert_eq!(shown, ["redis", "a/web", "quay.io/b/web", "h-5000/b/web", "x/used"]);
    }

    #[test]
    fn names_are_unique() {
        let all = ["h.x:5000/b/web", "h.x-5000/b/web", "h.x:5000/b/web-2", "h.x-5000/b/web-2", "q.io/a/b"];
        let repositories = all.map(|text| text.parse::<Repository>().unwrap());
        let taken = ["b", "a/b", "q.io/a/b", "q.io/a/b-2"];
        let named = named(repositories.iter(), |name| taken.contains(&name));
        let shown: Vec<String> = repositories.iter().map(|repository| named[repository].to_string()).collect();
        let expected = ["h.x-5000/b/web", "h.x-5000/b/web-3", "h.x-5000/b/web-2", "h.x-5000/b/web-2-2", "q.io/a/b-3"];
        assert_eq!(shown, expected);
    }
}
