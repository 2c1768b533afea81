//! Finds the images in files for `check --all-images`, `init --from` and `targets add`.
//!
//! Files are read one after another, so that memory does not grow with their number. In a directory, files that Git ignores,
//! nested repositories and symbolic links are skipped.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use globset::GlobSet;

use crate::formats::kustomize::{ImageOverride, KustomizeOverlays};
use crate::formats::{self, FileKind, ImageSite, template};
use crate::git::GitError;
use crate::git::work_tree::WorkTree;
use crate::model::image::{ImageRef, TagName};
use crate::model::settings::{self, SearchRules};
use crate::report::pass::count;
use crate::report::v1::words::UnreadReasonV1;
use crate::text::diagnostics::SourceFile;
use crate::text::toml::source;

use super::support::input;
use super::{CliError, CommandContext};

/// Reason why an image without a tag cannot be tracked.
const NO_TAG: &str = "has a digest but no tag, so there is nothing to track";

/// Reason why a file that a person named is not searched.
const UNKNOWN: &str = "not a known kind of file; add `# pinstream: stream:tag` comments and a `marker` target";

/// The files to search.
#[derive(Default)]
pub struct FileSearch {
    directories: Vec<DirectorySearch>,
    /// Files that a person named, outside any root.
    files: Vec<Arc<SourceFile>>,
}

/// The files of one directory to search.
struct DirectorySearch {
    root: WorkTree,
    /// Path of the directory in messages.
    shown: PathBuf,
    /// Path of the directory from its root, to which the rules refer.
    below: String,
    rules: SearchRules,
    /// Paths from the directory; true if a person named the file.
    paths: Vec<(String, bool)>,
    /// Number of files that `[files] ignore` excludes.
    ignored: usize,
    overlays: KustomizeOverlays,
    /// The files that may give images of other files a meaning.
    companions: BTreeSet<String>,
}

/// A file that names images.
pub struct Manifest {
    /// The file.
    pub file: Arc<SourceFile>,
    /// Kind of the file.
    pub kind: FileKind,
    /// The images, in file order.
    pub sites: Vec<ImageSite>,
    /// For each image, the reason why it is left alone.
    pub exempt: Vec<Option<Exemption>>,
    /// Other files that give the images of this one a meaning.
    pub companions: Vec<Arc<SourceFile>>,
}

/// Reason why an image is left alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exemption {
    /// `[files] ignore-images` excludes it.
    Ignored,
    /// A kustomization changes it.
    Overridden(ImageOverride),
}

/// Files that a search did not read.
#[derive(Default)]
pub struct UnreadFiles {
    /// The files that could not be searched although they should.
    pub skipped: Vec<SkippedFile>,
    /// Number of files by the reason why they were not read.
    pub counts: BTreeMap<UnreadReasonV1, usize>,
}

/// A file that could not be searched.
pub struct SkippedFile {
    /// Path of the file.
    pub path: String,
    /// Line of the problem, from 1.
    pub line: Option<usize>,
    /// Reason for a person.
    pub why: String,
}

impl SkippedFile {
    /// Returns the path with the line.
    pub fn at(&self) -> String {
        self.line.map_or_else(|| self.path.clone(), |line| format!("{}:{line}", self.path))
    }
}

impl Manifest {
    /// Returns the images, each with the reason why it is left alone, if there is one.
    pub fn images(&self) -> impl Iterator<Item = (&ImageSite, Option<&Exemption>)> {
        self.sites.iter().zip(self.exempt.iter().map(Option::as_ref))
    }
}

impl FileSearch {
    /// Searches all files below the root.
    ///
    /// # Errors
    /// A directory cannot be read.
    pub fn below(root: &WorkTree, rules: &SearchRules) -> Result<Self, CliError> {
        let mut directory = DirectorySearch::new(root.clone(), PathBuf::new(), String::new(), rules.clone())?;
        directory.exclude_ignored();
        Ok(Self { directories: vec![directory], files: Vec::new() })
    }

    /// Searches the files `named` of a root, and all files in the directories among them.
    ///
    /// # Errors
    /// A path does not exist, is outside the root, or cannot be read.
    pub fn within(
        context: &CommandContext,
        root: &WorkTree,
        rules: &SearchRules,
        named: &[PathBuf],
    ) -> Result<Self, CliError> {
        let mut directory = DirectorySearch::new(root.clone(), PathBuf::new(), String::new(), rules.clone())?;
        let mut chosen = Vec::new();
        for path in named {
            let shown = path.display();
            let whole = context.directory.join(path).canonicalize();
            let whole = whole.map_err(|error| CliError::new(format!("cannot read `{shown}`: {error}")))?;
            let top = root.0.canonicalize().unwrap_or_else(|_| root.0.clone());
            let inside = whole.strip_prefix(&top).ok().and_then(Path::to_str);
            let inside = inside.ok_or_else(|| {
                CliError::usage(format!("`{shown}` is outside the root"))
                    .help("name files below the directory of `pinstream.toml`")
            })?;
            let below = if inside.is_empty() { String::new() } else { format!("{inside}/") };
            match whole.is_dir() {
                true => chosen.extend(directory.paths.iter().filter(|(path, _)| path.starts_with(&below)).cloned()),
                false => chosen.push((inside.to_owned(), true)),
            }
        }
        // A named file comes before the same one of a directory.
        chosen.sort_by(|a, b| (&a.0, b.1).cmp(&(&b.0, a.1)));
        chosen.dedup_by(|again, first| again.0 == first.0);
        directory.paths = chosen;
        directory.exclude_ignored();
        Ok(Self { directories: vec![directory], files: Vec::new() })
    }

    /// Searches files and directories anywhere on disk, by the rules of the roots that contain the directories.
    ///
    /// # Errors
    /// A file cannot be read, or is not text.
    pub fn anywhere(context: &CommandContext, named: &[PathBuf]) -> Result<Self, CliError> {
        let (mut search, mut files) = (Self::default(), Vec::new());
        for path in named {
            let directory = WorkTree(context.directory.join(path));
            if *path != *"-" && directory.0.is_dir() {
                let (rules, below) = rules_of(&directory);
                let mut directory = DirectorySearch::new(directory, path.clone(), below, rules)?;
                directory.exclude_ignored();
                search.directories.push(directory);
            } else {
                files.push(path.clone());
            }
        }
        search.files = input::read(context, &files, |_| true)?;
        Ok(search)
    }

    /// Reads the files and calls `visit` for each that names images.
    ///
    /// # Errors
    /// A file cannot be read; returns the first error of `visit`.
    pub fn each(&self, visit: &mut dyn FnMut(Manifest) -> Result<(), CliError>) -> Result<UnreadFiles, CliError> {
        let mut unread = UnreadFiles::default();
        for directory in &self.directories {
            unread.count(UnreadReasonV1::Ignored, directory.ignored);
            for (path, is_named) in &directory.paths {
                let Some(file) = directory.read(path, &mut unread)? else { continue };
                let kind = FileKind::of(&file);
                if kind.is_none() && *is_named {
                    unread.skip(
                        UnreadReasonV1::UnknownKind,
                        SkippedFile { path: file.path.clone(), line: None, why: UNKNOWN.to_owned() },
                    );
                } else if let Some(manifest) = directory.search(path, file, kind, &mut unread) {
                    visit(manifest)?;
                }
            }
        }
        for file in &self.files {
            if let Some((kind, sites)) = images(file, FileKind::of(file), &[], &mut unread) {
                let exempt = vec![None; sites.len()];
                visit(Manifest { file: Arc::clone(file), kind, sites, exempt, companions: Vec::new() })?;
            }
        }
        Ok(unread)
    }
}

impl DirectorySearch {
    fn new(root: WorkTree, shown: PathBuf, below: String, rules: SearchRules) -> Result<Self, CliError> {
        let patterns: GlobSet = formats::search_patterns();
        let paths = root.search(&|path| patterns.is_match(path))?;
        let names: BTreeSet<&str> = FileKind::ALL.iter().flat_map(|kind| kind.companions()).copied().collect();
        let is_companion = |path: &&String| names.contains(path.rsplit('/').next().unwrap_or_default());
        let companions = paths.iter().filter(is_companion).cloned().collect();
        let mut search = Self {
            root,
            shown,
            below,
            rules,
            paths: paths.into_iter().map(|path| (path, false)).collect(),
            ignored: 0,
            overlays: KustomizeOverlays::default(),
            companions,
        };
        let mut kustomizations = Vec::new();
        let is_excluded = |path: &str| search.rules.ignores(&format!("{}{path}", search.below));
        let overlays = search.paths.iter().map(|(path, _)| path);
        for path in overlays.filter(|path| KustomizeOverlays::reads(path) && !is_excluded(path)) {
            // The search itself reports a file that cannot be read.
            let bytes = search.root.file(path).ok().flatten().map(|file| file.bytes).unwrap_or_default();
            kustomizations.push(source::decode(path, &bytes).0);
        }
        search.overlays = KustomizeOverlays::new(kustomizations);
        Ok(search)
    }

    /// Removes the files that the rules exclude, unless a person named them.
    fn exclude_ignored(&mut self) {
        let before = self.paths.len();
        let (rules, below) = (&self.rules, &self.below);
        self.paths.retain(|(path, is_named)| {
            let is_searched = *is_named || !rules.ignores(&format!("{below}{path}"));
            if !is_searched {
                tracing::debug!("`{path}` not searched: excluded by `[files] ignore`");
            }
            is_searched
        });
        self.ignored = before - self.paths.len();
    }

    fn read(&self, path: &str, unread: &mut UnreadFiles) -> Result<Option<Arc<SourceFile>>, CliError> {
        let shown = self.shown.join(path).display().to_string();
        let bytes = match self.root.file(path) {
            Ok(file) => file.map(|file| file.bytes).unwrap_or_default(),
            Err(GitError::Tree { reason, .. }) => {
                unread.skip(UnreadReasonV1::Unreadable, SkippedFile { path: shown, line: None, why: reason });
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        let (file, problems) = source::decode(&shown, &bytes);
        let Some(problem) = problems.into_iter().next() else { return Ok(Some(file)) };
        unread.skip(UnreadReasonV1::Unreadable, SkippedFile { path: shown, line: None, why: problem.message });
        Ok(None)
    }

    fn search(
        &self,
        path: &str,
        file: Arc<SourceFile>,
        kind: Option<FileKind>,
        unread: &mut UnreadFiles,
    ) -> Option<Manifest> {
        let companions = self.companions(path, kind);
        let (kind, sites) = images(&file, kind, &companions, unread)?;
        let exempt = |site: &ImageSite| match self.rules.ignores_image(&site.text, site.image.as_ref().ok()) {
            true => Some(Exemption::Ignored),
            false => self.overlays.of(path, site).map(Exemption::Overridden),
        };
        let exempt = sites.iter().map(exempt).collect();
        Some(Manifest { file, kind, sites, exempt, companions })
    }

    /// Reads the files next to `path` that give its images a meaning.
    fn companions(&self, path: &str, kind: Option<FileKind>) -> Vec<Arc<SourceFile>> {
        let names = kind.map(FileKind::companions).unwrap_or_default();
        let directory = path.rsplit_once('/').map(|(directory, _)| format!("{directory}/")).unwrap_or_default();
        // A file that Git ignores is missing elsewhere.
        let read = |name: &&str| {
            let path = self.companions.get(&format!("{directory}{name}"))?;
            Some(source::decode(name, &self.root.file(path).ok().flatten()?.bytes).0)
        };
        names.iter().filter_map(read).collect()
    }
}

impl UnreadFiles {
    /// Returns the number of files that were not read, by reason.
    pub fn note(&self) -> Option<String> {
        let reason = |(reason, files): (&UnreadReasonV1, &usize)| match reason {
            UnreadReasonV1::UnknownKind => format!("{files} of unknown kind"),
            UnreadReasonV1::Template => format!("{} (literal images only)", count(*files, "template")),
            UnreadReasonV1::Invalid => format!("{files} invalid"),
            UnreadReasonV1::Unreadable => format!("{files} unreadable"),
            UnreadReasonV1::Ignored => format!("{files} excluded by `[files] ignore`"),
        };
        let reasons: Vec<String> = self.counts.iter().map(reason).collect();
        let files = count(self.counts.values().sum(), "file");
        (!reasons.is_empty()).then(|| format!("{files} not read: {}; `-v` lists them", reasons.join(", ")))
    }

    /// Returns the note for a command that lists the skipped files, if there are others.
    pub fn note_beyond_skipped(&self) -> Option<String> {
        self.note().filter(|_| self.counts.values().sum::<usize>() > self.skipped.len())
    }

    fn count(&mut self, reason: UnreadReasonV1, files: usize) {
        if files > 0 {
            *self.counts.entry(reason).or_default() += files;
        }
    }

    fn skip(&mut self, reason: UnreadReasonV1, file: SkippedFile) {
        tracing::debug!("`{}` not searched: {}", file.at(), file.why);
        self.count(reason, 1);
        self.skipped.push(file);
    }
}

/// Returns the images of a file, with its kind.
fn images(
    file: &Arc<SourceFile>,
    kind: Option<FileKind>,
    companions: &[Arc<SourceFile>],
    unread: &mut UnreadFiles,
) -> Option<(FileKind, Vec<ImageSite>)> {
    let path = file.path.clone();
    let Some(kind) = kind else {
        tracing::debug!("`{path}` not searched: unknown kind of file");
        unread.count(UnreadReasonV1::UnknownKind, 1);
        return None;
    };
    match kind.find_with(file, companions) {
        Ok(sites) => Some((kind, sites)),
        Err(problem) if template::is_template(file) => {
            tracing::debug!("`{path}` is a template, searched for literal images only: {}", problem.message);
            unread.count(UnreadReasonV1::Template, 1);
            Some((kind, template::literal_images(file)))
        }
        Err(problem) => {
            let line = problem.position().map(|(line, _)| line);
            unread.skip(UnreadReasonV1::Invalid, SkippedFile { path, line, why: problem.message });
            None
        }
    }
}

/// Returns the rules of the root that contains a directory, and the path from there with a slash at its end.
fn rules_of(directory: &WorkTree) -> (SearchRules, String) {
    let none = || (SearchRules::default(), String::new());
    let Ok(whole) = directory.0.canonicalize() else { return none() };
    let is_root = |top: &&Path| top.join(settings::FILE_NAME).is_file();
    let Some(top) = whole.ancestors().find(is_root) else { return none() };
    let Some(inside) = whole.strip_prefix(top).ok().and_then(Path::to_str) else { return none() };
    // A file that cannot be read has no rules; other commands report it.
    let bytes = WorkTree(top.to_owned()).file(settings::FILE_NAME).ok().flatten().map(|file| file.bytes);
    let (settings, _) = settings::read(&bytes.unwrap_or_default());
    (settings.search, if inside.is_empty() { String::new() } else { format!("{inside}/") })
}

/// Returns the tag of an image.
///
/// # Errors
/// The reason why the image cannot be tracked.
pub fn tracked_tag(image: &ImageRef) -> Result<&TagName, &'static str> {
    image.tag().ok_or(NO_TAG)
}
