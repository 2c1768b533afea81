//! Kinds of files in which rules find images.

use std::sync::Arc;

use super::super::{DocumentTree, Evidence, FileText, json, yaml};
use crate::text::diagnostics::{Problem, SourceFile};

use super::known::KnownImage;
use super::rule::{self, ImageRule};

/// A kind of file and the rules for its images.
pub(super) struct KnownKind {
    /// Globs over paths of such files that no other kind of file has.
    pub(super) patterns: &'static [&'static str],
    /// Returns the evidence that a file is of this kind.
    pub(super) recognize: fn(&SourceFile) -> Option<Evidence>,
    pub(super) scope: RuleScope,
    /// Parses a file into a tree.
    pub(super) tree: fn(&FileText) -> Result<Arc<DocumentTree>, Problem>,
    pub(super) rules: &'static [ImageRule],
}

/// Images that the rules of a kind find.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum RuleScope {
    /// All images of the file.
    All,
    /// Images that another kind of file does not find in the same file.
    Additional,
}

/// The images of a file, and the tree that selectors apply to.
pub(super) struct KnownFile {
    pub(super) tree: Option<Arc<DocumentTree>>,
    /// In file order, each place once.
    pub(super) images: Vec<KnownImage>,
}

impl KnownFile {
    /// Finds the images of a file of all `kinds`.
    pub(super) fn read(text: &FileText, kinds: &[&KnownKind]) -> Result<Self, Problem> {
        let mut file = Self { tree: None, images: Vec::new() };
        for kind in kinds {
            let tree = (kind.tree)(text)?;
            for document in &tree.documents {
                file.images.extend(kind.rules.iter().flat_map(|one| rule::images(one, text, document)));
            }
            file.tree.get_or_insert(tree);
        }
        file.images.sort_by_key(|image| image.site.span.start);
        file.images.dedup_by_key(|image| image.site.span.start);
        Ok(file)
    }

    /// Returns the image whose site starts at byte `start`.
    pub(super) fn image_at(&self, start: usize) -> Option<&KnownImage> {
        let number = self.images.binary_search_by_key(&start, |image| image.site.span.start);
        number.ok().map(|number| &self.images[number])
    }
}

/// Parses YAML, or JSON if the name of the file ends so.
pub(super) fn yaml_or_json(text: &FileText) -> Result<Arc<DocumentTree>, Problem> {
    if text.path().ends_with(".json") { json::tree(text) } else { yaml::tree(text) }
}

/// Returns the name of a file without its directory.
pub(super) fn file_name(file: &SourceFile) -> &str {
    file.path.rsplit('/').next().unwrap_or_default()
}

/// Returns the evidence of a file that is named `stem` with an extension of YAML.
pub(super) fn named_yaml(file: &SourceFile, stem: &str) -> Option<Evidence> {
    let extension = file_name(file).strip_prefix(stem);
    extension.is_some_and(|extension| is_yaml(extension) && extension.len() < 6).then_some(Evidence::Name)
}

/// Returns whether a name ends as those of YAML files do.
pub(super) fn is_yaml(name: &str) -> bool {
    name.ends_with(".yaml") || name.ends_with(".yml")
}

/// Returns whether a file lies in a directory of this name, at any depth.
pub(super) fn is_below(file: &SourceFile, directory: &str) -> bool {
    file.path.rsplit('/').skip(1).any(|part| part == directory)
}
