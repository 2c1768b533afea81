//! Places of a file that name an image, of which a target means one, or those of its own repository.

use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;

use crate::model::image::{ImageRef, Repository, complete};
use crate::text::yaml::YamlNode;

use super::text::FileText;
use super::way::Selector;
use super::{TargetError, WriteSpec, list};

/// A place that names an image.
pub(super) struct ImageSite {
    /// The bytes of the name.
    pub(super) span: Range<usize>,
    /// The image; a sentence where it is none that can be told, and none where it may be anything.
    pub(super) image: Result<ImageRef, String>,
    /// The value it stands in, in a file that is a tree.
    pub(super) node: Option<Rc<YamlNode>>,
    /// The way to it and where that goes wrong, where others share the value.
    pub(super) shared: Option<(Selector, Range<usize>)>,
}

impl ImageSite {
    /// The place of a value that names an image after `prefix`.
    pub(super) fn of(node: &Rc<YamlNode>, prefix: &str, shared: Option<(Selector, Range<usize>)>) -> Option<Self> {
        let written = node.text()?.strip_prefix(prefix)?;
        let image = match written.contains('$') {
            true => Err("it has a variable".to_owned()),
            false => complete(written).map_err(|error| error.message),
        };
        Some(Self { span: node.span.clone(), image, node: Some(Rc::clone(node)), shared })
    }
}

/// The places of a file, or of a part of it, in their order.
#[derive(Default)]
pub(super) struct ImageSites {
    all: Vec<Rc<ImageSite>>,
    of_repository: HashMap<Repository, Vec<Rc<ImageSite>>>,
}

impl ImageSites {
    pub(super) fn add(&mut self, spot: Rc<ImageSite>) {
        if let Ok(image) = &spot.image {
            self.of_repository.entry(image.repository().clone()).or_default().push(Rc::clone(&spot));
        }
        self.all.push(spot);
    }

    /// Those of the pin's own repository: a target that names no place means them all, if they are at one tag. `apart`
    /// says how one is named where they are not.
    pub(super) fn ours(
        &self,
        text: &FileText,
        writing: &WriteSpec<'_>,
        apart: &str,
    ) -> Result<&[Rc<ImageSite>], TargetError> {
        let repository = writing.pin.image.repository();
        let list =
            |spots: &[Rc<ImageSite>]| {
                list(spots.iter().map(|spot| {
                    format!("`{}` in line {}", &text.text()[spot.span.clone()], text.line(spot.span.start))
                }))
            };
        let ours = self.of_repository.get(repository).map(Vec::as_slice).unwrap_or_default();
        let Some(first) = ours.first() else {
            let start = self.all.first().map_or(0, |spot| spot.span.start);
            let problem = text.problem(&(start..start), format!("`{}` names no image of `{repository}`", text.path()));
            let help = match self.all.as_slice() {
                [] => "it names no image at all".to_owned(),
                all => format!("there are: {}", list(all)),
            };
            return Err(TargetError::Nothing(problem.help(help)));
        };
        let tag = |spot: &ImageSite| spot.image.as_ref().ok().and_then(|image| image.tag().cloned());
        if let Some(other) = ours.iter().find(|spot| tag(spot) != tag(first)) {
            let message = format!("`{}` names `{repository}` at several tags: {}", text.path(), list(ours));
            return Err(TargetError::Wrong(text.problem(&other.span, message).help(apart)));
        }
        if let Some((way, shared)) = ours.iter().find_map(|spot| spot.shared.as_ref()) {
            return Err(TargetError::Wrong(text.shared(shared, way)));
        }
        Ok(ours)
    }
}
