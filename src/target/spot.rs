//! Places of a file that name an image, of which a target means one, or those of its own repository.

use std::ops::Range;
use std::rc::Rc;

use crate::image::{ImageRef, complete};
use crate::yaml::Node;

use super::text::Text;
use super::{Unfit, Writing, list};

/// A place that names an image.
pub(super) struct Spot {
    /// The bytes of the name.
    pub(super) span: Range<usize>,
    /// The image; a sentence where it is none that can be told, and none where it may be anything.
    pub(super) image: Result<ImageRef, String>,
    /// The value it stands in, in a file that is a tree.
    pub(super) node: Option<Rc<Node>>,
    /// Where others share the value.
    pub(super) shared: Option<Range<usize>>,
}

impl Spot {
    /// The place of a value that names an image after `prefix`.
    pub(super) fn of(node: &Rc<Node>, prefix: &str, shared: Option<Range<usize>>) -> Option<Self> {
        let written = node.text()?.strip_prefix(prefix)?;
        let image = match written.contains('$') {
            true => Err("it has a variable".to_owned()),
            false => complete(written).map_err(|error| error.message),
        };
        Some(Self { span: node.span.clone(), image, node: Some(Rc::clone(node)), shared })
    }
}

/// Of `spots`, those of the pin's own repository: a target that names no place means them all, if they are at one tag.
/// `apart` says how one is named where they are not.
pub(super) fn of_repository(
    spots: Vec<Spot>,
    text: &Text,
    writing: &Writing<'_>,
    apart: &str,
) -> Result<Vec<Spot>, Unfit> {
    let repository = writing.pin.image.repository();
    let is_ours = |spot: &Spot| spot.image.as_ref().is_ok_and(|image| image.repository() == repository);
    let shown = |spot: &Spot| format!("`{}` in line {}", &text.text()[spot.span.clone()], text.line(spot.span.start));
    let (ours, others): (Vec<Spot>, Vec<Spot>) = spots.into_iter().partition(is_ours);
    let Some(first) = ours.first() else {
        let start = others.first().map_or(0, |spot| spot.span.start);
        let problem = text.problem(&(start..start), format!("`{}` names no image of `{repository}`", text.path()));
        let there: Vec<String> = others.iter().map(shown).collect();
        let help = if there.is_empty() {
            "it names no image at all".to_owned()
        } else {
            format!("there are: {}", list(&there))
        };
        return Err(Unfit::Nothing(problem.help(help)));
    };
    let tag = |spot: &Spot| spot.image.as_ref().ok().and_then(|image| image.tag().cloned());
    if let Some(other) = ours.iter().find(|spot| tag(spot) != tag(first)) {
        let there: Vec<String> = ours.iter().map(shown).collect();
        let message = format!("`{}` names `{repository}` at several tags: {}", text.path(), list(&there));
        return Err(Unfit::Wrong(text.problem(&other.span, message).help(apart)));
    }
    if let Some(shared) = ours.iter().find_map(|spot| spot.shared.clone()) {
        return Err(Unfit::Wrong(text.shared(&shared, "to the image")));
    }
    Ok(ours)
}
