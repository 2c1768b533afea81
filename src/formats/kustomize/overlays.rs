//! Kustomizations that rename or retag images in other files of a root (the Kustomize reference, "images" and "resources").
//! Files outside the root are not read.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use regex_lite::Regex;

use super::super::{FileText, ImageSite};
use crate::model::image::written_repository;
use crate::text::diagnostics::SourceFile;
use crate::text::yaml::YamlNode;

use super::super::image_site::given;
use super::super::yaml::tree;
use super::{entries, is_kustomization};

/// Keys of an entry that change an image, by precedence.
const CHANGES: [&str; 4] = ["newTag", "digest", "newName", "tagSuffix"];
/// Lists of the files and directories that a kustomization reads.
const LISTS: [&str; 4] = ["resources", "bases", "components", "patchesStrategicMerge"];

/// Rules of kustomizations by the path of the file that they apply to.
#[derive(Debug, Default)]
pub struct KustomizeOverlays(HashMap<String, Vec<Arc<OverlayRule>>>);

/// An entry of `images` that changes an image.
#[derive(Debug)]
struct OverlayRule {
    /// Path of the kustomization.
    file: String,
    name: String,
    /// Kustomize reads the name as a regular expression.
    pattern: Option<Regex>,
    key: &'static str,
}

/// The rule of a kustomization that changes an image of another file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{file}` sets its `{key}`{note}")]
pub struct ImageOverride {
    file: String,
    key: &'static str,
    note: String,
}

/// A kustomization: its rules, and the paths that it reads.
struct Kustomization {
    path: String,
    rules: Vec<Arc<OverlayRule>>,
    reads: Vec<String>,
}

impl KustomizeOverlays {
    /// Returns whether a file with this path has to be among those of [`Self::new`].
    pub fn reads(path: &str) -> bool {
        is_kustomization(path)
    }

    /// Follows the kustomizations among `files`, whose paths are relative to the root; invalid ones are skipped.
    pub fn new(files: impl IntoIterator<Item = Arc<SourceFile>>) -> Self {
        let by_directory: BTreeMap<String, Kustomization> = files.into_iter().filter_map(kustomization).collect();
        let mut overlays = Self::default();
        for one in by_directory.values().filter(|one| !one.rules.is_empty()) {
            let (mut open, mut seen) = (vec![one], HashSet::from([one.path.as_str()]));
            while let Some(next) = open.pop() {
                for read in &next.reads {
                    let below = by_directory.get(read);
                    let path = below.map_or(read, |below| &below.path);
                    if seen.insert(path) {
                        overlays.0.entry(path.clone()).or_default().extend(one.rules.iter().cloned());
                        open.extend(below);
                    }
                }
            }
        }
        overlays
    }

    /// Returns the rule that changes the image at `site` of a file.
    pub fn of(&self, path: &str, site: &ImageSite) -> Option<ImageOverride> {
        self.0.get(path)?.iter().find_map(|rule| rule.applied(&site.text))
    }
}

impl OverlayRule {
    fn new(file: &str, entry: &YamlNode) -> Option<Self> {
        let key = CHANGES.into_iter().find(|key| given(entry, key).is_some())?;
        let name = given(entry, "name")?.to_owned();
        let pattern = Regex::new(&format!("^{name}(:[a-zA-Z0-9_.{{}}-]*)?(@sha256:[a-zA-Z0-9_.{{}}-]*)?$")).ok();
        Some(Self { file: file.to_owned(), name, pattern, key })
    }

    /// Returns how the rule changes an image.
    fn applied(&self, image: &str) -> Option<ImageOverride> {
        let is_named = written_repository(image) == self.name;
        if !is_named && !self.pattern.as_ref()?.is_match(image) {
            return None;
        }
        let pattern = (!is_named)
            .then(|| format!("; its name `{}` is a regular expression, which matches this image too", self.name));
        let suffix = (self.key == "tagSuffix").then(|| ", which drops the digest".to_owned());
        let note = suffix.into_iter().chain(pattern).collect();
        Some(ImageOverride { file: self.file.clone(), key: self.key, note })
    }
}

/// Reads a kustomization, with its directory.
fn kustomization(file: Arc<SourceFile>) -> Option<(String, Kustomization)> {
    let path = file.path.clone();
    let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory).to_owned();
    let tree = tree(&FileText::of(file)).ok()?;
    let rules = entries(&tree).filter_map(|entry| OverlayRule::new(&path, entry).map(Arc::new)).collect();
    let mut reads = Vec::new();
    for document in &tree.documents {
        let items = |key: &str| document.get(key).map(|list| list.items()).unwrap_or_default().iter();
        let listed = LISTS.iter().flat_map(|key| items(key)).filter_map(|item| item.text());
        let patches = items("patches").filter_map(|patch| given(patch, "path"));
        reads.extend(listed.chain(patches).filter_map(|read| joined(&directory, read)));
    }
    Some((directory, Kustomization { path, rules, reads }))
}

/// Returns the path of `relative` from the root; none if it is outside.
fn joined(directory: &str, relative: &str) -> Option<String> {
    let mut parts: Vec<&str> = directory.split('/').filter(|part| !part.is_empty()).collect();
    if relative.starts_with('/') || relative.contains("://") {
        return None;
    }
    for part in relative.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::super::super::FileKind;
    use super::*;

    fn file(path: &str, text: &str) -> Arc<SourceFile> {
        Arc::new(SourceFile { path: path.to_owned(), text: text.to_owned() })
    }

    /// Checks what a kustomization in `overlays/prod` makes of the images `base/a.yaml` and `base/kustomization.yaml`.
    #[track_caller]
    fn check(images: &str, expected: &[&str]) {
        let base = file("base/kustomization.yaml", "resources: [a.yaml]\nimages: [{name: c, newTag: '3'}]\n");
        let a = file(
            "base/a.yaml",
            "kind: Pod\nspec: {containers: [{image: nginx}, {image: 'a.b/c:1'}, {image: 'aXb/c:1'}]}\n",
        );
        let prod = file("overlays/prod/kustomization.yaml", &format!("resources: [../../base]\nimages: {images}\n"));
        let overlays = KustomizeOverlays::new([Arc::clone(&base), prod]);
        let found = |file: &Arc<SourceFile>| {
            let sites = FileKind::of(file).unwrap().find(file).unwrap();
            let found = |site: &ImageSite| Some(format!("{}: {}", site.text, overlays.of(&file.path, site)?));
            sites.iter().filter_map(found).collect::<Vec<_>>()
        };
        assert_eq!([found(&a), found(&base)].concat(), expected, "{images}");
    }

    #[test]
    fn f01_an_image_that_a_kustomization_renames_or_retags_is_known() {
        const PROD: &str = "`overlays/prod/kustomization.yaml` sets its";
        check("[{name: nginx, newTag: '1.25'}]", &[&format!("nginx: {PROD} `newTag`")]);
        check("[{name: nginx, newName: quay.io/a/b}]", &[&format!("nginx: {PROD} `newName`")]);
        check("[{name: c, digest: 'sha256:00'}]", &[&format!("c:3: {PROD} `digest`")]);
        check("[{name: nginx}, {name: docker.io/nginx, newTag: '1'}]", &[]);
    }

    #[test]
    fn f21_a_tag_suffix_and_a_name_that_is_a_pattern_are_reported() {
        const PROD: &str = "`overlays/prod/kustomization.yaml` sets its";
        check("[{name: nginx, tagSuffix: -x}]", &[&format!("nginx: {PROD} `tagSuffix`, which drops the digest")]);
        check(
            "[{name: a.b/c, newTag: '2'}]",
            &[
                &format!("a.b/c:1: {PROD} `newTag`"),
                &format!(
                    "aXb/c:1: {PROD} `newTag`; its name `a.b/c` is a regular expression, which matches this image too"
                ),
            ],
        );
        check("[{name: '(', newTag: '2'}]", &[]);
    }

    #[test]
    fn paths_are_relative_to_the_kustomization() {
        let path = |directory: &str, relative: &str| joined(directory, relative).unwrap_or_else(|| "-".to_owned());
        assert_eq!(path("a/b", "../c/./d.yaml"), "a/c/d.yaml");
        assert_eq!(path("", "a/"), "a");
        for relative in ["../../../x", "/etc/x", "https://git.example/a"] {
            assert_eq!(path("a", relative), "-", "{relative}");
        }
    }
}
