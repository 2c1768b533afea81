//! Spellings of images that several tools share.

use std::ops::Range;
use std::sync::Arc;

use super::super::{ImageSite, NotAnImage, ReferencePart};
use crate::model::image::{ImageRef, has_tag_or_digest};
use crate::text::yaml::YamlNode;

use super::super::helm;
use super::super::image_site::{given, parse, unquoted};
use super::known::{ImageForm, ImageKey, KnownImage};
use super::rule::RulePlace;

/// Starts of template expressions and variables of the tools, except `$` and `{{`.
const TEMPLATES: [&str; 4] = ["<<", "%", "((", "[["];

/// The value is a reference.
pub(super) fn value(place: &RulePlace<'_>) -> Vec<KnownImage> {
    place
        .node
        .text()
        .filter(|text| !text.is_empty())
        .map(|text| place.image(text, ImageForm::Value))
        .into_iter()
        .collect()
}

/// The value is a reference in a format that does not know quotes.
pub(super) fn unquoted_value(place: &RulePlace<'_>) -> Vec<KnownImage> {
    place.node.text().filter(|text| !text.is_empty()).map(|text| place.within(0..text.len())).into_iter().collect()
}

/// The value is a reference with a tag or a digest; anything else is not taken for an image.
pub(super) fn tagged_value(place: &RulePlace<'_>) -> Vec<KnownImage> {
    value(place).into_iter().filter(is_certain).filter(|image| has_tag_or_digest(&image.site.text)).collect()
}

/// The value is a reference behind `prefix`.
pub(super) fn prefixed(place: &RulePlace<'_>, prefix: &str) -> Vec<KnownImage> {
    let rest = place.node.text().and_then(|text| text.strip_prefix(prefix)).filter(|rest| !rest.is_empty());
    let Some(rest) = rest else { return Vec::new() };
    vec![place.within(prefix.len()..prefix.len() + rest.len())]
}

/// The value contains maps and strings as the values of a Helm chart do.
pub(super) fn helm_values(place: &RulePlace<'_>) -> Vec<KnownImage> {
    let of_site = |site: ImageSite| {
        let form = if site.node.is_some() { ImageForm::Value } else { ImageForm::HelmMap };
        let node = site.node.clone().unwrap_or_else(|| Arc::clone(place.node));
        KnownImage {
            site: ImageSite { shared: site.shared.or_else(|| place.shared.clone()), ..site },
            node,
            form,
            at: None,
        }
    };
    helm::images(place.text, std::slice::from_ref(place.node)).into_iter().map(of_site).filter(is_certain).collect()
}

/// The value is an entry like those of `images` in a kustomization.
pub(super) fn kustomize_entry(place: &RulePlace<'_>) -> Vec<KnownImage> {
    let entry = place.node;
    let Some(name) = given(entry, "newName").or_else(|| given(entry, "name")) else { return Vec::new() };
    let open = "has neither tag nor digest; the manifests set the tag";
    let site = ImageSite::map(entry, name.to_owned(), "newTag", open);
    let form = match keys(entry, "newTag", "digest") {
        keys if keys.is_empty() => {
            ImageForm::ReadOnly("the entry has neither `newTag` nor `digest`", "add a line `digest: \"\"` to it")
        }
        keys => ImageForm::Keys(keys),
    };
    vec![KnownImage {
        site: ImageSite { shared: place.shared.clone(), ..site },
        node: Arc::clone(entry),
        form,
        at: None,
    }]
}

/// Lines of the value assign references to `key`, which ends in its separator, e.g. `image:`.
pub(super) fn lines(place: &RulePlace<'_>, key: &str) -> Vec<KnownImage> {
    let text = place.text.text();
    let value = unquoted(text, place.node.span.clone());
    let (mut found, mut at) = (Vec::new(), value.start);
    for line in text[value].split_inclusive('\n') {
        let start = at;
        at += line.len();
        for (offset, word) in words(line) {
            let Some(rest) = word.strip_prefix(key) else { continue };
            // YAML separates a key and its value by a blank.
            let Some((offset, name)) = (match rest.is_empty() {
                true => words(&line[offset + key.len()..]).next().map(|(next, name)| (offset + key.len() + next, name)),
                false => Some((offset + key.len(), rest)),
            }) else {
                continue;
            };
            let span = unquoted(text, start + offset..start + offset + name.len());
            if !span.is_empty() {
                found.push(place.at_span(span));
            }
        }
    }
    found.retain(is_certain);
    found
}

/// Returns the words of a line with their offsets; commas separate words too.
fn words(line: &str) -> impl Iterator<Item = (usize, &str)> {
    let words = line.split(|c: char| c.is_whitespace() || c == ',').filter(|word| !word.is_empty());
    words.map(|word| (word.as_ptr() as usize - line.as_ptr() as usize, word))
}

/// Returns the keys of a map that receive a pin: the digest if there is one, and the tag.
pub(super) fn keys(map: &YamlNode, tag: &str, digest: &str) -> Vec<ImageKey> {
    let key = |name: &str, part| map.get(name).map(|node| ImageKey { node: Arc::clone(node), part });
    match key(digest, ReferencePart::Digest) {
        Some(digest) => key(tag, ReferencePart::Tag).into_iter().chain([digest]).collect(),
        None => key(tag, ReferencePart::TagAtDigest).into_iter().collect(),
    }
}

/// Returns whether a value is certainly an image, or may be one once its variables are known.
fn is_certain(image: &KnownImage) -> bool {
    !matches!(image.site.image, Err(NotAnImage::Invalid(_)))
}

impl<'a> RulePlace<'a> {
    /// Returns the place of a value below this one.
    pub(super) fn below(&self, node: &'a Arc<YamlNode>) -> Self {
        Self { text: self.text, node, shared: self.shared.clone() }
    }

    /// Returns the image that the whole value names as `text`.
    pub(super) fn image(&self, text: &str, form: ImageForm) -> KnownImage {
        let site = ImageSite::scalar(&self.text.file, self.node, text.to_owned());
        self.finish(ImageSite { image: image(text), ..site }, form)
    }

    /// Returns the image that the bytes `range` of the value name.
    pub(super) fn within(&self, range: Range<usize>) -> KnownImage {
        let value = self.node.text().unwrap_or_default();
        let written = unquoted(self.text.text(), self.node.span.clone());
        if self.text.text()[written.clone()] == *value {
            return self.at_span(written.start + range.start..written.start + range.end);
        }
        let form = ImageForm::ReadOnly(
            "the value is written with escapes or on several lines",
            "write it plainly on one line",
        );
        self.image(&value[range], form)
    }

    /// Returns the image that the bytes `range` of the value name, for a tool that accepts no tag beside a digest.
    pub(super) fn digest_only(&self, range: Range<usize>) -> KnownImage {
        let image = self.within(range);
        match image.form {
            ImageForm::Within(span) => KnownImage { form: ImageForm::DigestOnly(span), ..image },
            _ => image,
        }
    }

    /// Returns the image that these bytes of the file name.
    pub(super) fn at_span(&self, span: Range<usize>) -> KnownImage {
        let text = self.text.text()[span.clone()].to_owned();
        let site = ImageSite {
            decided: span.clone(),
            span: span.clone(),
            image: image(&text),
            text,
            node: Some(Arc::clone(self.node)),
            shared: None,
        };
        self.finish(site, ImageForm::Within(span))
    }

    fn finish(&self, site: ImageSite, form: ImageForm) -> KnownImage {
        let shared = self.shared.clone().or(site.shared);
        KnownImage { site: ImageSite { shared, ..site }, node: Arc::clone(self.node), form, at: None }
    }
}

/// Parses a reference that may contain a template expression of any of the tools.
fn image(text: &str) -> Result<ImageRef, NotAnImage> {
    match TEMPLATES.iter().any(|start| text.contains(start)) {
        true => Err(NotAnImage::Open("contains a template expression")),
        false => parse(text),
    }
}
