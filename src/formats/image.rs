//! `image = { path, at }`: an image in a file of a tool whose format is known; without `at`, all images from the pin's
//! repository. A kind of file is a declaration in a module of its own: how a file is recognized, and rules that say at which
//! paths the images are and how they are spelled.

mod ansible;
mod argo;
mod bake;
mod bazel;
mod chart;
mod circleci;
mod cloud_build;
mod custom;
mod devcontainer;
mod drone;
mod earthfile;
mod flux;
mod gitlab;
mod hcl;
mod inputs;
mod kind;
mod known;
mod nomad;
mod pre_commit;
mod quadlet;
mod rule;
mod skaffold;
mod spelling;
mod starlark;
mod tekton;
mod woodpecker;

use std::collections::HashSet;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    DocumentTree, Evidence, FileFormat, FileKind, FileText, ImageSite, ImageSites, ReferencePart, SELECT_ONE, Selector,
    SiteCandidate, TargetEdit, TargetError, TargetKind, TargetReader, WriteSpec, available,
};
use crate::text::diagnostics::{At, Problem, SourceFile};
use crate::text::yaml::{YamlNode, visit};

use super::helm::HelmPlace;
use super::suggest::by_selector;
use kind::{KnownFile, KnownKind, RuleScope};
use known::{ImageForm, KnownImage};

/// All kinds; of two with equal evidence for a file, the first one wins.
const KINDS: [&KnownKind; 20] = [
    &flux::KIND,
    &argo::KIND,
    &custom::KIND,
    &tekton::KIND,
    &inputs::KIND,
    &devcontainer::KIND,
    &cloud_build::KIND,
    &gitlab::KIND,
    &woodpecker::KIND,
    &drone::KIND,
    &circleci::KIND,
    &quadlet::KIND,
    &bake::KIND,
    &nomad::KIND,
    &chart::KIND,
    &skaffold::KIND,
    &pre_commit::KIND,
    &bazel::KIND,
    &earthfile::KIND,
    &ansible::KIND,
];

/// The image at this selector, or all images from the pin's repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImagePlace {
    at: Option<Selector>,
}

/// An image in a file of another tool, e.g. `.gitlab-ci.yml`, `devcontainer.json`, `docker-bake.hcl` or `MODULE.bazel`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[schemars(rename = "TargetImage", extend("required" = ["path"]))]
pub(super) struct ImageTable {
    /// A file below the root, or a glob, e.g. `.gitlab-ci.yml`.
    pub(super) path: Option<At<String>>,
    /// Selector of the image; by default all images from the tag's repository.
    at: Option<At<String>>,
}

impl FileFormat for ImagePlace {
    type Table = ImageTable;
    const PATTERNS: &'static [&'static str] = &PATTERNS;

    fn read(table: &ImageTable, reader: &mut TargetReader<'_, '_>) -> Option<Self> {
        let Some(at) = &table.at else { return Some(Self { at: None }) };
        reader.parse(at).map(|at| Self { at: Some(at) })
    }

    fn refuse_part(part: ReferencePart) -> Option<&'static str> {
        (!part.is_reference()).then_some("remove it; separate keys for tag and digest are recognized")
    }

    fn keys(&self) -> Vec<(&'static str, &str)> {
        self.at.iter().map(|at| ("at", at.as_str())).collect()
    }

    fn edits(&self, spec: &WriteSpec<'_>) -> Result<Vec<TargetEdit>, TargetError> {
        let text = spec.text;
        let file = text.parsed("image", || KnownFile::read(text, &kinds(&text.file)))?;
        let Some(tree) = &file.tree else {
            let message = format!("`{}` is not a known kind of file", text.path());
            return Err(text.invalid(0..0, message, "use `yaml`, `json`, `toml` or `marker`"));
        };
        let Some(at) = &self.at else {
            let ours = of_pin(file.images.iter(), spec, "select one with `at = \"…\"`")?;
            refuse_shared(text, tree, &ours)?;
            return edits(&ours, spec);
        };
        let mut chosen = Vec::new();
        for node in at.select(text, tree, SELECT_ONE)? {
            let here: Vec<&KnownImage> = file.images.iter().filter(|image| Arc::ptr_eq(&image.node, &node)).collect();
            match here.as_slice() {
                [] => {
                    let shown = file
                        .images
                        .iter()
                        .map(|image| format!("`{}` (line {})", image.site.text, text.line(image.site.span.start)));
                    let message = format!("`{}` selects no image in `{}`", at.as_str(), text.path());
                    return Err(text.invalid(
                        node.span.start..node.span.start,
                        message,
                        available("images", shown.collect::<Vec<_>>()),
                    ));
                }
                [only] => chosen.push(*only),
                several => chosen.extend(of_pin(several.iter().copied(), spec, "write the images in separate values")?),
            }
        }
        edits(&chosen, spec)
    }

    fn recognize(file: &SourceFile) -> Option<Evidence> {
        own_kind(file).map(|(evidence, _)| evidence)
    }

    fn find(text: &FileText) -> Result<Vec<ImageSite>, Problem> {
        Ok(sites(own_images(text)?))
    }

    fn suggest(text: &FileText, sites: &[ImageSite]) -> Result<Vec<Vec<SiteCandidate>>, Problem> {
        Ok(candidates(&own_images(text)?, sites))
    }
}

/// Globs of all kinds.
const PATTERNS: [&str; PATTERN_COUNT] = {
    let (mut all, mut length, mut kind) = ([""; PATTERN_COUNT], 0, 0);
    while kind < KINDS.len() {
        let mut pattern = 0;
        while pattern < KINDS[kind].patterns.len() {
            all[length] = KINDS[kind].patterns[pattern];
            length += 1;
            pattern += 1;
        }
        kind += 1;
    }
    all
};

/// Number of globs of all kinds.
const PATTERN_COUNT: usize = {
    let (mut count, mut kind) = (0, 0);
    while kind < KINDS.len() {
        count += KINDS[kind].patterns.len();
        kind += 1;
    }
    count
};

/// Returns the images that a file of another kind names besides those that its kind finds.
pub(super) fn additional_sites(text: &FileText) -> Vec<ImageSite> {
    sites(additional_images(text))
}

/// Replaces the candidates for images that only this kind of target can write.
pub(super) fn amend(text: &FileText, sites: &[ImageSite], all: &mut [Vec<SiteCandidate>]) {
    let file = additional_images(text);
    for ((site, candidates), own) in sites.iter().zip(all).zip(candidates(&file, sites)) {
        if file.image_at(site.span.start).is_some_and(|image| !image.is_value()) {
            *candidates = own;
        }
    }
}

/// Returns the kind of a file for which the rules find all images.
fn own_kind(file: &SourceFile) -> Option<(Evidence, &'static KnownKind)> {
    let own = KINDS.iter().rev().filter(|kind| kind.scope == RuleScope::All);
    own.filter_map(|kind| Some(((kind.recognize)(file)?, *kind))).max_by_key(|(evidence, _)| *evidence)
}

/// Returns the kinds whose rules add images to those of another kind of file.
fn additional_kinds(file: &SourceFile) -> Vec<&'static KnownKind> {
    let additional = KINDS.iter().filter(|kind| kind.scope == RuleScope::Additional);
    let is_own = || FileKind::of(file) == Some(FileKind::Image);
    let found: Vec<_> = additional.copied().filter(|kind| (kind.recognize)(file).is_some()).collect();
    if found.is_empty() || is_own() { Vec::new() } else { found }
}

fn kinds(file: &SourceFile) -> Vec<&'static KnownKind> {
    match additional_kinds(file) {
        kinds if kinds.is_empty() => own_kind(file).map(|(_, kind)| kind).into_iter().collect(),
        kinds => kinds,
    }
}

fn own_images(text: &FileText) -> Result<KnownFile, Problem> {
    let kind = own_kind(&text.file).map(|(_, kind)| kind);
    KnownFile::read(text, kind.as_slice())
}

/// Returns the additional images; none if only the file's own kind can parse it, e.g. a Dockerfile that contains YAML.
fn additional_images(text: &FileText) -> KnownFile {
    KnownFile::read(text, &additional_kinds(&text.file)).unwrap_or(KnownFile { tree: None, images: Vec::new() })
}

fn sites(file: KnownFile) -> Vec<ImageSite> {
    file.images.into_iter().map(|image| image.site).collect()
}

/// Returns the images from the pin's repository, which must all have the same tag.
fn of_pin<'a>(
    images: impl Iterator<Item = &'a KnownImage> + Clone,
    spec: &WriteSpec<'_>,
    help: &str,
) -> Result<Vec<&'a KnownImage>, TargetError> {
    let sites = ImageSites::new(spec.text, images.clone().map(|image| image.site.clone()));
    let starts: HashSet<usize> = sites.of_pin(spec, help)?.iter().map(|site| site.span.start).collect();
    Ok(images.filter(|image| starts.contains(&image.site.span.start)).collect())
}

/// Refuses images within a value that an anchor may share.
fn refuse_shared(text: &FileText, tree: &DocumentTree, images: &[&KnownImage]) -> Result<(), TargetError> {
    let mut shared = None;
    visit(&tree.documents, &mut |node: &YamlNode| {
        if node.is_anchored && shared.is_none() {
            shared = images.iter().find(|image| node.contains(&image.site.decided));
        }
    });
    // Rules know the paths of most of them.
    let Some(image) = shared.filter(|image| image.site.shared.is_none()) else { return Ok(()) };
    let message = "an anchor, an alias or a merge key shares the image";
    Err(text.invalid(image.site.span.clone(), message, "write the value out, without `&`, `*` or `<<`"))
}

fn edits(images: &[&KnownImage], spec: &WriteSpec<'_>) -> Result<Vec<TargetEdit>, TargetError> {
    let edits: Result<Vec<Vec<TargetEdit>>, TargetError> = images.iter().map(|image| image.edits(spec)).collect();
    Ok(edits?.concat())
}

/// Returns candidates for each of `sites`: by selector, then all images from the pin's repository.
fn candidates(file: &KnownFile, sites: &[ImageSite]) -> Vec<Vec<SiteCandidate>> {
    let Some(tree) = &file.tree else { return vec![Vec::new(); sites.len()] };
    let places = by_selector(tree, sites, |at| TargetKind::Image(ImagePlace { at: Some(at) }));
    let maps = by_selector(tree, sites, |at| TargetKind::Helm(HelmPlace(at)));
    let candidates = |((site, places), maps): ((&ImageSite, Vec<SiteCandidate>), Vec<SiteCandidate>)| {
        let Some(image) = file.image_at(site.span.start) else { return Vec::new() };
        if matches!(image.form, ImageForm::HelmMap) {
            return maps;
        }
        let by_number = image
            .at
            .clone()
            .map(|at| SiteCandidate { kind: TargetKind::Image(ImagePlace { at: Some(at) }), part: None });
        let all = SiteCandidate { kind: TargetKind::Image(ImagePlace { at: None }), part: None };
        // A selector must not depend on the text that it selects.
        let is_stable = |candidate: &SiteCandidate| {
            candidate.kind.keys().iter().all(|(_, at)| !at.contains(&format!("={}", site.text)))
        };
        // The form of each image decides whether it has a tag.
        let part = Some(ReferencePart::Reference);
        let candidates = places.into_iter().chain(by_number).filter(is_stable).chain([all]);
        candidates.map(|candidate| SiteCandidate { part, ..candidate }).collect()
    };
    sites.iter().zip(places).zip(maps).map(candidates).collect()
}

#[cfg(test)]
mod tests;
