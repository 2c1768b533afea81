//! An image that a rule found: its site, and the places that receive the pin. Only digests, tags and whole references are
//! written; the name of a repository stays as its author wrote it, if it means the pin's repository.

use std::ops::Range;
use std::sync::Arc;

use super::super::{ImageSite, NotAnImage, ReferencePart, Selector, TargetEdit, TargetError, WriteSpec};
use crate::model::image::ImageRef;
use crate::text::yaml::YamlNode;

use super::super::yaml::write;

/// An image that a rule found.
#[derive(Clone)]
pub(super) struct KnownImage {
    pub(super) site: ImageSite,
    /// The value that a target's `at` selects.
    pub(super) node: Arc<YamlNode>,
    pub(super) form: ImageForm,
    /// Keys and numbers of items on the way to `node`, if a rule leads there.
    pub(super) at: Option<Selector>,
}

/// The form in which a file names an image.
#[derive(Clone)]
pub(super) enum ImageForm {
    /// A value that is the reference and nothing else.
    Value,
    /// A part of a value, at these bytes.
    Within(Range<usize>),
    /// A reference whose tool accepts no tag beside a digest, at these bytes.
    DigestOnly(Range<usize>),
    /// Keys for the tag and the digest; another key names the repository.
    Keys(Vec<ImageKey>),
    /// A map like those in the values of a Helm chart.
    HelmMap,
    /// A form that cannot be written: the problem and its remedy.
    ReadOnly(&'static str, &'static str),
}

/// A key that receives a part of the pin.
#[derive(Clone)]
pub(super) struct ImageKey {
    pub(super) node: Arc<YamlNode>,
    pub(super) part: ReferencePart,
}

impl KnownImage {
    /// Returns whether targets of the file's own kind can write it as well.
    pub(super) fn is_value(&self) -> bool {
        matches!(self.form, ImageForm::Value)
    }

    /// Returns the edits that write the pin.
    pub(super) fn edits(&self, spec: &WriteSpec<'_>) -> Result<Vec<TargetEdit>, TargetError> {
        let text = spec.text;
        if let Some(shared) = &self.site.shared {
            return Err(shared.problem(text).into());
        }
        let within = |span: &Range<usize>, part| {
            Ok(vec![spec.replace(span.clone(), &text.text()[span.clone()], &spec.part_of(part)?)])
        };
        let is_reference = matches!(self.form, ImageForm::Value | ImageForm::Within(_) | ImageForm::DigestOnly(_));
        if let Err(NotAnImage::Open(why)) = &self.site.image
            && is_reference
        {
            return Err(self.invalid(spec, &format!("the image {why}"), "write the image out, or select another one"));
        }
        match &self.form {
            ImageForm::Value => Ok(vec![write(spec, &self.node, &spec.part_of(self.part(spec))?)?]),
            ImageForm::Within(span) => within(span, self.part(spec)),
            ImageForm::DigestOnly(span) => within(span, ReferencePart::RepositoryAtDigest),
            ImageForm::Keys(keys) => self.write_keys(keys, spec),
            ImageForm::HelmMap => Err(self.invalid(
                spec,
                "the image is a map like those in the values of a Helm chart",
                "use `helm = { path = \"…\", at = \"…\" }`",
            )),
            ImageForm::ReadOnly(message, help) => Err(self.invalid(spec, message, help)),
        }
    }

    /// Returns the part to write: a digest without a tag stays one.
    fn part(&self, spec: &WriteSpec<'_>) -> ReferencePart {
        let has_digest_only =
            |image: &ImageRef| image.tag().is_none() && image.repository() == spec.pin.image.repository();
        match &self.site.image {
            Ok(image) if spec.part == ReferencePart::Reference && has_digest_only(image) => {
                ReferencePart::RepositoryAtDigest
            }
            _ => spec.part,
        }
    }

    fn write_keys(&self, keys: &[ImageKey], spec: &WriteSpec<'_>) -> Result<Vec<TargetEdit>, TargetError> {
        let repository = spec.pin.image.repository();
        if let Some(other) = self.site.image.as_ref().ok().filter(|image| image.repository() != repository) {
            let message = format!("the image is from `{}`, but the pin is from `{repository}`", other.repository());
            return Err(self.invalid(spec, &message, "name the pin's repository there"));
        }
        if spec.part != ReferencePart::default() {
            let message = format!(
                "`write = \"{}\"` is not supported here: the image is split over several keys",
                spec.part.name()
            );
            return Err(self.invalid(
                spec,
                &message,
                "remove `write`; the keys for tag and digest are written if they exist",
            ));
        }
        // A merged key lies in another map.
        let is_own = |key: &ImageKey| self.node.entries().is_empty() || self.node.contains(&key.node.span);
        if let Some(key) = keys.iter().find(|key| key.node.is_anchored || !is_own(key)) {
            let message = "an anchor, an alias or a merge key shares a part of the image";
            let help = "write the value out, without `&`, `*` or `<<`";
            return Err(spec.text.invalid(key.node.span.clone(), message, help));
        }
        keys.iter().map(|key| write(spec, &key.node, &spec.part_of(key.part)?)).collect()
    }

    fn invalid(&self, spec: &WriteSpec<'_>, message: &str, help: &str) -> TargetError {
        let start = self.site.span.start;
        spec.text.invalid(start..start, message, help)
    }
}
