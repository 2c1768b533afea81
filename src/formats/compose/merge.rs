//! Merges compose files: of several, the later one has precedence, as for `docker compose -f a -f b` (Compose file
//! reference, "Merge Compose files"). Included and extended files are not read.
//!
//! A later `image` that is only a digest of the same repository pins the image before it, so that an exported override
//! can be among the files.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::{FileText, ImageSite, NotAnImage};
use crate::text::diagnostics::{Problem, SourceFile};
use crate::text::yaml::YamlNode;

use super::super::yaml::tree;
use super::service_image;

/// A service as defined by all files together.
#[derive(Clone, Debug, Default)]
pub struct MergedService {
    /// True if an image is built for it.
    pub is_built: bool,
    /// Its image.
    pub image: Option<MergedImage>,
    /// The digest of the same repository that a later file sets.
    pub digest: Option<MergedImage>,
}

/// The image that a file sets for a service.
#[derive(Clone, Debug)]
pub struct MergedImage {
    /// The file that sets it.
    pub file: Arc<SourceFile>,
    /// Its place there.
    pub site: ImageSite,
}

/// Returns the services of all files by name.
///
/// # Errors
/// Every file that is not valid YAML.
pub fn merge(files: &[Arc<SourceFile>]) -> Result<BTreeMap<String, MergedService>, Vec<Problem>> {
    let (mut services, mut problems) = (BTreeMap::new(), Vec::new());
    for file in files {
        if let Err(problem) = add(&mut services, file) {
            problems.push(problem);
        }
    }
    if problems.is_empty() { Ok(services) } else { Err(problems) }
}

/// Merges the services of `file` into those of the files before it.
fn add(all: &mut BTreeMap<String, MergedService>, file: &Arc<SourceFile>) -> Result<(), Problem> {
    for document in &tree(&FileText::of(Arc::clone(file)))?.documents {
        let Some(services) = document.get("services") else { continue };
        if replaces(services) {
            all.clear();
        }
        for (name, node) in services.entries() {
            let name = name.text().unwrap_or_default();
            if replaces(node) {
                all.remove(name);
            }
            if is_reset(services) || is_reset(node) {
                continue;
            }
            let merged = all.entry(name.to_owned()).or_default();
            if let Some(build) = node.get("build") {
                merged.is_built = !is_reset(build);
            }
            let image = node.get("image");
            if image.is_some_and(replaces) {
                (merged.image, merged.digest) = (None, None);
            }
            let Some(site) = service_image(file, node, &BTreeMap::new()).filter(|_| !image.is_some_and(is_reset))
            else {
                continue;
            };
            let is_pin = merged.image.as_ref().is_some_and(|before| is_pin_of(&site, &before.site));
            let image = Some(MergedImage { file: Arc::clone(file), site });
            if is_pin {
                merged.digest = image;
            } else {
                (merged.image, merged.digest) = (image, None);
            }
        }
    }
    Ok(())
}

/// Returns whether a value removes that of earlier files without replacing it (Compose file reference, "Merge", "Reset
/// value").
fn is_reset(node: &Arc<YamlNode>) -> bool {
    node.tag.as_deref() == Some("reset")
}

/// Returns whether a value removes that of earlier files ("Replace value" on the same page).
fn replaces(node: &Arc<YamlNode>) -> bool {
    is_reset(node) || node.tag.as_deref() == Some("override")
}

/// Returns whether `image` is only a digest of the repository of `before`, which has a tag.
fn is_pin_of(image: &ImageSite, before: &ImageSite) -> bool {
    let (Ok(image), Ok(before)) = (&image.image, &before.image) else { return false };
    image.tag().is_none() && before.tag().is_some() && image.repository() == before.repository()
}

impl MergedImage {
    /// Returns true if the image contains a variable.
    pub fn has_variable(&self) -> bool {
        self.file.text.get(self.site.span.clone()).is_some_and(|written| written.contains('$'))
    }

    /// Returns true if the image was the name of a build result, until a later file removed `build`.
    pub fn was_built(&self) -> bool {
        matches!(self.site.image, Err(NotAnImage::None(_)))
    }
}
