//! Places in files that name an image.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use super::{FileText, SharedValue, TargetError, WriteSpec, available, list};
use crate::model::image::{ImageRef, Repository, complete};
use crate::text::diagnostics::SourceFile;
use crate::text::diagnostics::lines::LineIndex;
use crate::text::yaml::YamlNode;

use super::part::is_digest_hex;
use super::variables::{after_prefix, repository_length};

/// A place in a file that names an image.
#[derive(Clone, Debug)]
pub struct ImageSite {
    /// Bytes of the name, without quotes; of an image in several keys, those of their map.
    pub span: Range<usize>,
    /// Bytes that decide the image: `span`, or the default of the `ARG` that ends it.
    pub decided: Range<usize>,
    /// The name as one string, with variables replaced if their value is given in the file.
    pub text: String,
    /// The image, or why there is none.
    pub image: Result<ImageRef, NotAnImage>,
    /// The value that contains the name, in formats with a tree.
    pub(super) node: Option<Arc<YamlNode>>,
    /// Set if an anchor, an alias or a merge key shares the value.
    pub(super) shared: Option<SharedValue>,
}

/// Reason why a place names no image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAnImage {
    /// Intentionally none.
    #[error("{0}")]
    None(&'static str),
    /// Decided outside the file.
    #[error("{0}")]
    Open(&'static str),
    /// Not a valid reference.
    #[error("{0}")]
    Invalid(String),
}

impl ImageSite {
    /// The image at `span`; `text` is its name with variables replaced.
    pub(super) fn literal(span: Range<usize>, text: &str, image: Result<ImageRef, NotAnImage>) -> Self {
        Self { decided: span.clone(), span, text: text.to_owned(), image, node: None, shared: None }
    }

    /// The image that a scalar names; `text` is its value without a prefix and with variables replaced.
    pub(super) fn scalar(file: &SourceFile, node: &Arc<YamlNode>, text: String) -> Self {
        let span = unquoted(&file.text, node.span.clone());
        let image = parse(&text);
        Self { decided: span.clone(), span, image, text, node: Some(Arc::clone(node)), shared: None }
    }

    /// The image `name` with the tag at `tag_key` and the digest of `map`; without both, `open` is the reason that it is
    /// none.
    pub(super) fn map(map: &YamlNode, name: String, tag_key: &str, open: &'static str) -> Self {
        let sha = given(map, "sha").filter(|sha| is_digest_hex(sha));
        let (tag, digest) = (given(map, tag_key), given(map, "digest").or(sha));
        let is_complete = tag.is_some() || digest.is_some();
        let mut text = name;
        text.extend(tag.map(|tag| format!(":{tag}")));
        // The tag may already include the digest.
        if let Some(digest) = digest.filter(|_| !text.contains('@')) {
            let algorithm = if is_digest_hex(digest) { "sha256:" } else { "" };
            text.push_str(&format!("@{algorithm}{digest}"));
        }
        let image = if is_complete { parse(&text) } else { Err(NotAnImage::None(open)) };
        Self { span: map.span.clone(), decided: map.span.clone(), text, image, node: None, shared: None }
    }

    /// Returns the line on which it starts, from 1.
    pub fn line(&self, lines: &LineIndex) -> usize {
        lines.line_number(self.span.start)
    }

    /// Returns the image if `text` has its tag and digest without variables.
    fn editable_image(&self, text: &str) -> Option<&ImageRef> {
        self.image.as_ref().ok().filter(|_| repository_length(&text[self.span.clone()]).is_some())
    }
}

/// Returns the string of a key, unless it is empty.
pub(super) fn given<'a>(map: &'a YamlNode, key: &str) -> Option<&'a str> {
    map.get(key).and_then(|node| node.text()).filter(|text| !text.is_empty())
}

/// Parses an image name after all variables with a known value were replaced. A prefix without a value is empty.
pub(super) fn parse(text: &str) -> Result<ImageRef, NotAnImage> {
    if text.contains("{{") {
        return Err(NotAnImage::Open("contains a template expression"));
    }
    let text = after_prefix(text).unwrap_or(text);
    if text.contains('$') {
        return Err(NotAnImage::Open("contains a variable without a value"));
    }
    complete(text).map_err(|error| NotAnImage::Invalid(error.message))
}

/// Returns `span` without the quotes around it.
pub(super) fn unquoted(text: &str, span: Range<usize>) -> Range<usize> {
    let written = text.get(span.clone()).unwrap_or_default();
    let is_quoted = |quote| written.len() >= 2 && written.starts_with(quote) && written.ends_with(quote);
    if is_quoted('"') || is_quoted('\'') { span.start + 1..span.end - 1 } else { span }
}

/// The image sites of a file or a part of it, indexed by repository.
#[derive(Default)]
pub(super) struct ImageSites {
    all: Vec<Arc<ImageSite>>,
    of_repository: HashMap<Repository, Vec<Arc<ImageSite>>>,
}

impl ImageSites {
    pub(super) fn new(text: &FileText, sites: impl IntoIterator<Item = ImageSite>) -> Self {
        let mut all = Self::default();
        sites.into_iter().for_each(|site| all.add(text, &Arc::new(site)));
        all
    }

    pub(super) fn add(&mut self, text: &FileText, site: &Arc<ImageSite>) {
        if let Some(image) = site.editable_image(text.text()) {
            self.of_repository.entry(image.repository().clone()).or_default().push(Arc::clone(site));
        }
        self.all.push(Arc::clone(site));
    }

    /// Returns the sites with an image from the pin's repository, which must all have the same tag; `help` says how to
    /// select one of several.
    pub(super) fn of_pin(&self, spec: &WriteSpec<'_>, help: &str) -> Result<&[Arc<ImageSite>], TargetError> {
        let text = spec.text;
        let (path, repository) = (text.path(), spec.pin.image.repository());
        let show = |site: &Arc<ImageSite>| {
            format!("`{}` (line {})", &text.text()[site.span.clone()], text.line(site.span.start))
        };
        let ours = self.of_repository.get(repository).map(Vec::as_slice).unwrap_or_default();
        let Some(first) = ours.first() else {
            let start = self.all.first().map_or(0, |site| site.span.start);
            let message = format!("`{path}` has no image from `{repository}`");
            return Err(text.missing(start, message, available("images", self.all.iter().map(show))));
        };
        let tag = |site: &ImageSite| site.image.as_ref().ok().and_then(|image| image.tag().cloned());
        if let Some(other) = ours.iter().find(|site| tag(site) != tag(first)) {
            let all = list(ours.iter().map(show));
            let message = format!("`{path}` has images from `{repository}` with different tags: {all}");
            return Err(text.invalid(other.span.clone(), message, help));
        }
        match ours.iter().find_map(|site| site.shared.as_ref()) {
            Some(shared) => Err(shared.problem(text).into()),
            None => Ok(ours),
        }
    }
}
