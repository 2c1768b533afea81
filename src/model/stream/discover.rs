//! Discovered tags: tags of a repository that become tags of a stream without being in its file.
//!
//! Pure: computed from the list of the repository's tags or, if that is unknown, from the pins.

use std::collections::BTreeMap;

use super::{Definitions, Discovery, Tag, TagSource};
use crate::model::image::{ImageRef, StreamName, TagId, TagName};

/// The number of omitted tags that are named.
const NAMED: usize = 5;

/// A stream whose `limit` left out matching tags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TruncatedDiscovery {
    /// The stream's name.
    pub stream: StreamName,
    /// The number of matching tags.
    pub matching: usize,
    /// The number of tags within the limit.
    pub taken: usize,
    /// The first tags that were left out.
    pub omitted: Vec<TagName>,
}

/// Replaces the discovered tags of each stream. `listed` returns the tags of a stream's repository, if they are known
/// in this pass; otherwise the pins in `pinned` decide. Tags in the file take precedence.
///
/// Returns the streams whose limit left out tags.
pub fn expand<'a>(
    definitions: &mut Definitions,
    listed: impl Fn(&StreamName, &Discovery) -> Option<&'a [TagName]>,
    pinned: impl Iterator<Item = (&'a TagId, &'a ImageRef)> + Clone,
) -> Vec<TruncatedDiscovery> {
    let mut cut = Vec::new();
    definitions.tags.retain(|_, tag| !tag.discovered);
    for (stream, discover) in &definitions.discover {
        let tags = match listed(stream, discover) {
            Some(tags) => {
                let fit = discover.select.ranked(tags);
                if let Some(left) = fit.get(discover.limit..).filter(|left| !left.is_empty()) {
                    let omitted = left.iter().take(NAMED).map(|tag| TagName::clone(tag)).collect();
                    let (stream, matching, taken) = (stream.clone(), fit.len(), discover.limit);
                    cut.push(TruncatedDiscovery { stream, matching, taken, omitted });
                }
                fit.into_iter().take(discover.limit).cloned().collect()
            }
            None => discover.pinned(stream, pinned.clone()),
        };
        discover.define(stream, tags, &mut definitions.tags);
    }
    cut
}

/// Adds `proposed` pins to streams whose list is unknown in this pass: only a list shows that one of them no longer
/// exists.
pub fn add_proposed<'a>(
    definitions: &mut Definitions,
    is_unlisted: impl Fn(&StreamName) -> bool,
    proposed: impl Iterator<Item = (&'a TagId, &'a ImageRef)> + Clone,
) {
    for (stream, discover) in definitions.discover.iter().filter(|(stream, _)| is_unlisted(stream)) {
        discover.define(stream, discover.pinned(stream, proposed.clone()), &mut definitions.tags);
    }
}

impl Discovery {
    /// Adds `tags` of the repository to `stream`, unless they are in its file.
    fn define(&self, stream: &StreamName, tags: Vec<TagName>, among: &mut BTreeMap<TagId, Tag>) {
        for tag in tags {
            let id = TagId { stream: stream.clone(), tag };
            let image = ImageRef::tagged(self.repository.clone(), id.tag.clone());
            let source = TagSource::Image { image, platform: None };
            among.entry(id).or_insert_with(|| Tag { discovered: true, ..Tag::new(source, self.import.clone()) });
        }
    }

    /// Returns the tags that were discovered before and still match.
    fn pinned<'a>(&self, stream: &StreamName, pinned: impl Iterator<Item = (&'a TagId, &'a ImageRef)>) -> Vec<TagName> {
        let is_ours = |(id, image): &(&TagId, &ImageRef)| {
            id.stream == *stream
                && *image.repository() == self.repository
                && image.digest().is_none()
                && image.tag() == Some(&id.tag)
                && self.select.admits(&id.tag)
        };
        pinned.filter(is_ours).map(|(id, _)| id.tag.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::RootFiles;
    use crate::model::root::Root;

    /// The tags of the stream `app` as `tag=image` after it discovered what fits.
    #[track_caller]
    fn check(
        stream: &str,
        listed: Option<&str>,
        pinned: &[(&str, &str)],
        expected: &str,
        cut: &[(usize, usize, &str)],
    ) {
        let files: RootFiles = [("pinstream.toml", ""), ("streams/app.toml", stream)]
            .map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()))
            .into();
        let mut definitions = Root::read(&files).unwrap().definitions;
        let listed: Option<Vec<TagName>> =
            listed.map(|names| names.split(' ').map(|name| name.parse().unwrap()).collect());
        let pinned: Vec<(TagId, ImageRef)> =
            pinned.iter().map(|(id, image)| (id.parse().unwrap(), image.parse().unwrap())).collect();
        let pins = pinned.iter().map(|(id, image)| (id, image));
        let found = expand(&mut definitions, |_, _| listed.as_deref(), pins);
        let shown = |(id, tag): (&TagId, &Tag)| match &tag.source {
            TagSource::Image { image, .. } => format!("{}={image}", id.tag),
            other => format!("{}={other:?}", id.tag),
        };
        assert_eq!(definitions.tags.iter().map(shown).collect::<Vec<_>>().join(" "), expected);
        let left = |taken: &TruncatedDiscovery| taken.omitted.iter().map(TagName::as_str).collect::<Vec<_>>().join(" ");
        let found: Vec<_> = found.iter().map(|taken| (taken.taken, taken.matching, left(taken))).collect();
        let cut: Vec<_> = cut.iter().map(|(taken, fit, left)| (*taken, *fit, (*left).to_owned())).collect();
        assert_eq!(found, cut);
    }

    const APP: &str = "[tags]\n\"2.1\" = \"quay.io/acme/other:1\"\n[discover]\nrepository = \"quay.io/acme/app\"\n\
                       semver = \">=2\"\nlimit = 2\n";

    #[test]
    fn the_highest_tags_that_fit_are_taken_and_the_rest_is_said() {
        let written = "2.1=quay.io/acme/other:1";
        check(APP, Some("1.0 2.0 x"), &[], &format!("2.0=quay.io/acme/app:2.0 {written}"), &[]);
        check(APP, Some("2.0 2.1 2.2"), &[], &format!("{written} 2.2=quay.io/acme/app:2.2"), &[(2, 3, "2.0")]);
    }

    #[test]
    fn an_unknown_list_keeps_pinned_tags() {
        let pinned = [
            ("app:1.9", "quay.io/acme/app:1.9"),
            ("app:2.0", "quay.io/acme/app:2.0"),
            ("app:2.1", "quay.io/acme/app:2.1"),
            ("app:2.5", "quay.io/acme/old:2.5"),
            ("other:2.6", "quay.io/acme/app:2.6"),
        ];
        check(APP, None, &pinned, "2.0=quay.io/acme/app:2.0 2.1=quay.io/acme/other:1", &[]);
    }

    #[test]
    fn without_a_rule_all_tags_fit_in_their_usual_order() {
        let all = "[discover]\nrepository = \"quay.io/acme/app\"\nlimit = 5\n";
        let expected = ["3", "3.1", "abc", "other", "v1"].map(|tag| format!("{tag}=quay.io/acme/app:{tag}"));
        check(all, Some("v1 other v2 3 3.1 abc"), &[], &expected.join(" "), &[(5, 6, "v2")]);
    }
}
