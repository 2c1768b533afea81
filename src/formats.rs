//! File formats: finds the images in a file of each kind, and edits the places that a `[[target]]` selects.
//!
//! Pure: a file's text and pins become edits of bytes; nothing else in the file is rendered again. All targets of a file
//! are located in its original text and written at once. A kind of file is one line of `kinds!` and a module of its own,
//! which implements `FileFormat`.

pub mod compose;
mod dockerfile;
mod dotenv;
mod edit;
mod env;
mod file_text;
mod helm;
mod image;
mod image_site;
mod json;
pub mod kustomize;
mod marker;
pub mod part;
pub mod path;
mod selector;
mod sops;
pub mod suggest;
pub(crate) mod table;
pub mod template;
mod toml;
mod tree;
mod variables;
mod workflow;
mod writer;
mod yaml;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::sync::Arc;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::model::image::{PinnedRef, TagId};
use crate::text::diagnostics::{At, Problem, SourceFile, SourceLocation};
use crate::text::escape::toml_string;

pub use edit::{TargetEdit, TargetFile};
pub use image_site::{ImageSite, NotAnImage};
pub use writer::{EditedFile, TargetWriter};

use edit::{TargetError, WriteSpec};
use file_text::FileText;
use image_site::ImageSites;
use part::ReferencePart;
use path::{FilePath, GLOB_CHARS};
use selector::{KEEP_ONE, SELECT_ONE, Selector, SharedValue};
use suggest::SiteCandidate;
use table::{PlaceDraft, TargetReader, ValueTable};
use tree::{DocumentTree, NoMatch, SelectorStep};
use yaml::YamlPlace;

/// Maximum number of files that the globs of all targets may match.
pub const FILES_MAX: usize = 5_000;

/// One kind of file. The implementing type is what a target selects in such a file.
trait FileFormat: Sized {
    /// The kind's table in `[[target]]`; it has a field `path`.
    type Table;
    /// Globs over the paths of such files.
    const PATTERNS: &'static [&'static str] = &[];
    /// Names of files in the same directory that give the images of such a file a meaning.
    const COMPANIONS: &'static [&'static str] = &[];
    /// True if the file itself names the tags, so that its target has no `from`.
    const NAMES_TAGS: bool = false;

    /// Reads the table at `reader.span`, without `path`; reports what is invalid.
    fn read(table: &Self::Table, reader: &mut TargetReader<'_, '_>) -> Option<Self>;

    /// Returns the advice for a target with `write = "…"`, if the kind does not support this part.
    fn refuse_part(_: ReferencePart) -> Option<&'static str> {
        None
    }

    /// Returns the keys of the table and their values, without `path`.
    fn keys(&self) -> Vec<(&'static str, &str)>;

    /// Returns the edits of all selected places, including those that already have the requested text. None for a kind
    /// whose places name their tags: they do not have one pin.
    fn edits(&self, spec: &WriteSpec<'_>) -> Result<Vec<TargetEdit>, TargetError>;

    /// Returns the evidence that `file` is of this kind and may name images.
    fn recognize(_: &SourceFile) -> Option<Evidence> {
        None
    }

    /// Returns the images in the file, in any order; a shared value appears once per use.
    fn find(_: &FileText) -> Result<Vec<ImageSite>, Problem> {
        Ok(Vec::new())
    }

    /// Returns, for each of `sites`, the targets that might write it, best first.
    fn suggest(_: &FileText, sites: &[ImageSite]) -> Result<Vec<Vec<SiteCandidate>>, Problem> {
        Ok(vec![Vec::new(); sites.len()])
    }
}

/// Evidence that a file is of a kind, weakest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Evidence {
    /// A line that other files have as well.
    Guess,
    /// A common name or a typical key.
    Hint,
    /// Content that only such files have.
    Content,
    /// The name that the tool requires.
    Name,
}

/// Defines everything that lists all kinds. Of two kinds with equal evidence for a file, the first one wins.
macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $Kind:ident = $module:ident::$Place:ident;)+) => {
        /// The kinds of files.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum FileKind { $($(#[doc = $doc])+ $Kind,)+ }

        /// Selection of a target in its files, per kind of file.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum TargetKind { $($(#[doc = $doc])+ $Kind($module::$Place),)+ }

        /// A place in files of the repository that receives a pinned reference, in the commit of the lock.
        #[derive(Debug, Default, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
        #[schemars(rename = "Target")]
        pub(crate) struct TargetTable {
            /// The tag whose pin is written, e.g. `python:3.12`. Not with `marker`: each comment names its tag.
            from: Option<At<String>>,
            /// The part to write: `reference` (default, `repository:tag@digest`), `repository@digest`, `repository:tag`,
            /// `repository`, `tag@digest`, `tag`, `digest` or `digest-hex` (without `sha256:`). A repository that means the same
            /// one keeps its spelling.
            write: Option<At<String>>,
            $($(#[doc = $doc])+ $module: Option<At<<$module::$Place as FileFormat>::Table>>,)+
        }

        impl FileKind {
            /// All kinds, in order of precedence.
            pub const ALL: &'static [Self] = &[$(Self::$Kind),+];

            /// Returns the key of the kind in `[[target]]`.
            pub fn key(self) -> &'static str {
                match self { $(Self::$Kind => stringify!($module),)+ }
            }

            /// Returns globs over the paths of such files.
            pub fn patterns(self) -> &'static [&'static str] {
                match self { $(Self::$Kind => $module::$Place::PATTERNS,)+ }
            }

            /// Returns the names of files in the same directory that give the images of such a file a meaning.
            pub fn companions(self) -> &'static [&'static str] {
                match self { $(Self::$Kind => $module::$Place::COMPANIONS,)+ }
            }

            fn names_tags(self) -> bool {
                match self { $(Self::$Kind => $module::$Place::NAMES_TAGS,)+ }
            }

            fn refuse_part(self, part: ReferencePart) -> Option<&'static str> {
                match self { $(Self::$Kind => $module::$Place::refuse_part(part),)+ }
            }

            fn recognize(self, file: &SourceFile) -> Option<Evidence> {
                match self { $(Self::$Kind => $module::$Place::recognize(file),)+ }
            }

            fn sites(self, text: &FileText) -> Result<Vec<ImageSite>, Problem> {
                match self { $(Self::$Kind => $module::$Place::find(text),)+ }
            }

            fn suggest(self, text: &FileText, sites: &[ImageSite]) -> Result<Vec<Vec<SiteCandidate>>, Problem> {
                match self { $(Self::$Kind => $module::$Place::suggest(text, sites),)+ }
            }
        }

        impl TargetKind {
            /// Returns the kind of file.
            pub fn kind(&self) -> FileKind {
                match self { $(Self::$Kind(_) => FileKind::$Kind,)+ }
            }

            /// Returns the keys of the kind's table and their values, without `path`.
            pub fn keys(&self) -> Vec<(&'static str, &str)> {
                match self { $(Self::$Kind(place) => place.keys(),)+ }
            }

            fn edits(&self, spec: &WriteSpec<'_>) -> Result<Vec<TargetEdit>, TargetError> {
                match self { $(Self::$Kind(place) => place.edits(spec),)+ }
            }
        }

        impl TargetTable {
            /// Reads the table of each kind; a valid target has one.
            fn places(&self, reader: &mut TargetReader<'_, '_>) -> Vec<PlaceDraft> {
                let mut found = Vec::new();
                $(if let Some(At { value, span }) = &self.$module {
                    let mut reader = reader.within(span);
                    let place = $module::$Place::read(value, &mut reader).map(TargetKind::$Kind);
                    let path = reader.path(value.path.as_ref());
                    found.push(PlaceDraft { kind: FileKind::$Kind, span: span.clone(), path, place });
                })+
                found
            }
        }
    };
}

kinds! {
    /// Images of a Dockerfile or Containerfile.
    Dockerfile = dockerfile::DockerfilePlace;
    /// An entry of `images` in a kustomization.
    Kustomize = kustomize::KustomizePlace;
    /// Images of a workflow or an action of GitHub, Gitea or Forgejo.
    Workflow = workflow::WorkflowPlace;
    /// An image in the values of a Helm chart.
    Helm = helm::HelmPlace;
    /// Images of services in a compose file.
    Compose = compose::ComposePlace;
    /// An image in a file of another tool, e.g. `.gitlab-ci.yml`.
    Image = image::ImagePlace;
    /// A variable in the `.env` file of a compose project.
    Env = env::EnvPlace;
    /// A value in a JSON file; comments are allowed.
    Json = json::JsonPlace;
    /// A value in a YAML file, e.g. a Kubernetes object.
    Yaml = yaml::YamlPlace;
    /// A value in a TOML file.
    Toml = toml::TomlPlace;
    /// Lines with a comment `# pinstream: python:3.12`, in any text file.
    Marker = marker::MarkerPlace;
}

impl FileKind {
    /// Recognizes a file by its name or content; none for files in which no images can be found.
    pub fn of(file: &SourceFile) -> Option<Self> {
        let known = Self::ALL.iter().rev().filter_map(|kind| Some((kind.recognize(file)?, *kind)));
        known.max_by_key(|(evidence, _)| *evidence).map(|(_, kind)| kind)
    }

    /// Returns the images that a file names, in file order.
    ///
    /// # Errors
    /// The file is not valid.
    pub fn find(self, file: &Arc<SourceFile>) -> Result<Vec<ImageSite>, Problem> {
        self.find_with(file, &[])
    }

    /// Returns the images that a file names, given those of its companions that exist, by name.
    ///
    /// # Errors
    /// The file is not valid.
    pub fn find_with(self, file: &Arc<SourceFile>, companions: &[Arc<SourceFile>]) -> Result<Vec<ImageSite>, Problem> {
        let text = FileText::of(Arc::clone(file)).with(companions);
        let mut found = self.sites(&text)?;
        found.extend(image::additional_sites(&text));
        found.sort_by_key(|site| site.span.start);
        // An aliased value is one place.
        found.dedup_by_key(|site| site.span.start);
        Ok(found)
    }

    /// Returns, for each of `sites`, the targets that might write it, best first.
    fn candidates(self, text: &FileText, sites: &[ImageSite]) -> Result<Vec<Vec<SiteCandidate>>, Problem> {
        let mut all = self.suggest(text, sites)?;
        image::amend(text, sites, &mut all);
        Ok(all)
    }
}

/// One `[[target]]`: the places that receive the pin of a tag.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// The tag whose pin is written; none if markers name the tags.
    pub from: Option<TagId>,
    /// A file or a glob.
    pub path: FilePath,
    /// The selected places.
    pub kind: TargetKind,
    /// The part of the reference to write.
    pub write: ReferencePart,
    /// Position of the definition.
    pub place: SourceLocation,
}

/// Result of looking up the pin of a tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetPin {
    /// The pin to write.
    At(PinnedRef),
    /// The tag has no pin yet, or was not selected: its places remain unchanged.
    Elsewhere,
    /// No such tag; the nearest existing one.
    Unknown(Option<TagId>),
}

/// Looks up the pin of a tag.
pub type PinLookup<'a> = &'a dyn Fn(&TagId) -> TargetPin;

impl Target {
    /// Returns the edits of this target in a text file.
    fn edits_in(&self, text: &FileText, pins: PinLookup<'_>) -> Result<Vec<TargetEdit>, TargetError> {
        let Some(from) = &self.from else { return marker::edits(text, self.write, pins) };
        match pins(from) {
            TargetPin::At(pin) => self.kind.edits(&WriteSpec { text, from, pin, part: self.write }),
            TargetPin::Elsewhere | TargetPin::Unknown(_) => Ok(Vec::new()),
        }
    }

    /// Returns the kind's table as TOML, e.g. `yaml = { path = "a.yaml", at = "image" }`.
    pub fn place_toml(&self) -> String {
        let path = [("path", self.path.as_str())];
        let pairs: Vec<String> = path
            .into_iter()
            .chain(self.kind.keys())
            .map(|(key, value)| format!("{key} = {}", toml_string(value)))
            .collect();
        format!("{} = {{ {} }}", self.kind.kind().key(), pairs.join(", "))
    }

    /// Returns the whole `[[target]]` table as TOML with the line ending `eol`.
    pub fn to_toml(&self, eol: &str) -> String {
        let from = self.from.iter().map(|from| format!("from = {}", toml_string(&from.to_string())));
        let write =
            (self.write != ReferencePart::default()).then(|| format!("write = {}", toml_string(self.write.name())));
        let lines = std::iter::once("[[target]]".to_owned()).chain(from).chain(write).chain([self.place_toml()]);
        lines.map(|line| line + eol).collect()
    }
}

/// Returns the paths of files that may name images, of all kinds.
pub fn search_patterns() -> GlobSet {
    let mut patterns = GlobSetBuilder::new();
    for pattern in FileKind::ALL.iter().flat_map(|kind| kind.patterns()) {
        if let Ok(glob) = GlobBuilder::new(pattern).literal_separator(true).build() {
            patterns.add(glob);
        }
    }
    patterns.build().unwrap_or_default()
}

/// Returns why no target may write a file, whatever it selects.
fn refusal(text: &FileText) -> Option<Problem> {
    sops::refusal_of_file(text)
}

/// Returns the files that `targets` name, whatever their pins; globs select from `listed`.
pub fn target_files(targets: &[Target], listed: &[String]) -> BTreeSet<String> {
    files(targets.iter().enumerate(), listed).into_keys().collect()
}

/// Returns the files that numbered targets name, each with the numbers of its targets; globs select from `listed`.
pub fn files<'a>(
    targets: impl Iterator<Item = (usize, &'a Target)>,
    listed: &[String],
) -> BTreeMap<String, Vec<usize>> {
    let mut files: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (number, target) in targets {
        if target.path.is_glob() {
            for path in listed.iter().filter(|path| target.path.matches(path)) {
                files.entry(path.clone()).or_default().push(number);
            }
        } else {
            files.entry(target.path.as_str().to_owned()).or_default().push(number);
        }
    }
    files
}

/// Lists what a file has instead of a missing place, or says that it has no `what`.
pub(crate) fn available<Items>(what: &str, items: Items) -> String
where
    Items: IntoIterator<IntoIter: ExactSizeIterator, Item: Display>,
{
    let items = items.into_iter();
    if items.len() == 0 { format!("it has no {what}") } else { format!("it has: {}", list(items)) }
}

/// Joins up to ten items with commas and counts the rest.
pub(crate) fn list<Items>(items: Items) -> String
where
    Items: IntoIterator<IntoIter: ExactSizeIterator, Item: Display>,
{
    const SHOWN: usize = 10;
    let items = items.into_iter();
    let more = items.len().saturating_sub(SHOWN);
    let shown: Vec<String> = items.take(SHOWN).map(|item| item.to_string()).collect();
    if more == 0 { shown.join(", ") } else { format!("{} and {more} more", shown.join(", ")) }
}

#[cfg(test)]
mod tests;
