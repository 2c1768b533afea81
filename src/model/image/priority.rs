//! Display order of tags: `latest`, then minor versions, then full ones, then the rest alphabetically.
//!
//! This is the order in which OpenShift imports and shows the tags of a repository (openshift/library-go,
//! `imageutil.PrioritizeTags`).

use std::cmp::Reverse;

use semver::Version;

use super::version::TagVersion;

/// The sort key of a tag name in display order: its group, within versions the highest first, then the name.
pub type PriorityKey<'t> = (u8, Option<Reverse<Version>>, &'t str);

/// Returns the key by which `name` is sorted in display order.
pub fn key(name: &str) -> PriorityKey<'_> {
    match TagVersion::read(name) {
        _ if name == "latest" => (0, None, name),
        Some(TagVersion { version, parts: 2 }) => (1, Some(Reverse(version)), name),
        Some(TagVersion { version, parts: 3 }) => (2, Some(Reverse(version)), name),
        _ => (3, None, name),
    }
}

#[cfg(test)]
mod tests {
    #[track_caller]
    fn check(names: &str, expected: &str) {
        let mut sorted: Vec<&str> = names.split(' ').collect();
        sorted.sort_by_key(|name| super::key(name));
        assert_eq!(sorted.join(" "), expected);
    }

    // Cases of openshift/library-go, `TestPrioritizeTags`, and of `TestImport` in openshift-apiserver.
    #[test]
    fn tags_stand_in_the_order_of_openshift() {
        check(
            "other latest v5.5 5.2.3 5.5 v5.3.6-bother 5.3.6-abba 5.6",
            "latest 5.6 5.5 v5.5 v5.3.6-bother 5.3.6-abba 5.2.3 other",
        );
        check(
            "1.1-beta1 1.2-rc1 1.1-rc1 1.1-beta2 1.2-beta1 1.2-alpha1 1.2-beta4 latest",
            "latest 1.2-rc1 1.2-beta4 1.2-beta1 1.2-alpha1 1.1-rc1 1.1-beta2 1.1-beta1",
        );
        for names in ["7.1 v7.1 7.1.0", "7.1.0 v7.1 7.1"] {
            check(names, "7.1 v7.1 7.1.0");
        }
        check("v1 other v2 3 3.1 abc", "3.1 3 abc other v1 v2");
    }

    #[test]
    fn an_incomplete_version_is_sorted_by_name() {
        check("v 3.9 1.2- 1.2.3.4 3.10 v1 1.0.0 3 1.0.0-rc.9", "3.10 3.9 1.0.0 1.0.0-rc.9 1.2- 1.2.3.4 3 v v1");
    }
}
