//! A root: settings, definitions and lock of one directory, read together and consistent.

pub mod coverage;
pub mod rollback;

use std::collections::HashMap;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::model::RootFiles;
use crate::model::image::{ImageRef, RegistryHost, StreamName, TagId, TagName};
use crate::model::lock::{self, Lock};
use crate::model::settings::globs::TagGlobs;
use crate::model::settings::policy::Policy;
use crate::model::settings::schedule::Schedules;
use crate::model::settings::verify::TrustFile;
use crate::model::settings::{self, Settings};
use crate::model::stream::validate::{DIRECTORY, DefinitionsDraft};
use crate::model::stream::{Definitions, Discovery, TagSource, discover};
use crate::text::diagnostics::{Problem, Problems, SourceFile, SourceLocation, did_you_mean};
use crate::text::encoding::hex;
use crate::text::toml::source;

/// The number of problems after which no further file is read.
const PROBLEMS_MAX: usize = 10_000;

/// The remedy for a stream file that is too large.
const SIZE_HELP: &str = "move tags to other streams";

/// The content of a root's files.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Root {
    /// `pinstream.toml`
    pub settings: Settings,
    /// `streams/**/*.toml`
    pub definitions: Definitions,
    /// `pinstream.lock`; empty if the file does not exist.
    pub lock: Lock,
}

/// A hash of all files of a root but its lock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Hashes all `files` but the lock.
    pub fn of(files: &RootFiles) -> Self {
        let mut hash = Sha256::new();
        for (path, bytes) in files.iter().filter(|(path, _)| *path != lock::FILE_NAME) {
            for part in [path.as_bytes(), bytes] {
                hash.update(part.len().to_be_bytes());
                hash.update(part);
            }
        }
        Self(hash.finalize().into())
    }

    /// Returns the first 16 hexadecimal digits, to recognise the files in a later pass.
    pub fn short(&self) -> String {
        hex(&self.0[..8])
    }
}

/// Settings and definitions from an earlier read, with the fingerprint of their files.
#[derive(Debug)]
pub struct CachedDefinitions {
    /// The fingerprint of the files.
    pub fingerprint: Fingerprint,
    /// `pinstream.toml`
    pub settings: Settings,
    /// `streams/**/*.toml`
    pub definitions: Definitions,
}

/// An argument that should name tags, and matches none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no tag named `{name}`")]
pub struct UnknownTag {
    /// The argument.
    pub name: String,
    /// The closest tag.
    pub nearest: Option<TagId>,
}

impl UnknownTag {
    /// Returns the remedy for the user.
    pub fn help(&self) -> String {
        self.nearest.as_ref().map_or_else(|| "run `pinstream list` for all tags".to_owned(), did_you_mean)
    }
}

impl Root {
    /// Checks that each of `patterns` matches a tag.
    ///
    /// # Errors
    /// Returns the first pattern that matches none.
    pub fn check_patterns(&self, patterns: &TagGlobs) -> Result<(), UnknownTag> {
        let unmatched = patterns.unmatched(self.definitions.tags.keys());
        unmatched.first().map_or(Ok(()), |word| Err(self.unknown_tag(word)))
    }

    /// Creates the error for a tag that does not exist.
    pub fn unknown_tag(&self, word: &str) -> UnknownTag {
        UnknownTag { name: word.to_owned(), nearest: self.definitions.nearest(word).cloned() }
    }

    /// Reads a root from its files, by path from the root: `pinstream.toml`, `pinstream.lock` and `streams/**/*.toml`.
    /// Ignores other files.
    ///
    /// # Errors
    /// Returns every problem of every file.
    pub fn read(files: &RootFiles) -> Result<Self, Problems> {
        let mut root = Self::read_all(files)?;
        root.expand(|_, _| None);
        Ok(root)
    }

    /// Reads a root, reusing settings and definitions that were `known` for the same fingerprint, which is that of
    /// `files`.
    ///
    /// # Errors
    /// Returns every problem of every file.
    pub fn read_cached(
        files: &RootFiles,
        fingerprint: Fingerprint,
        known: &mut Option<CachedDefinitions>,
    ) -> Result<Self, Problems> {
        let mut root = match known.take_if(|known| known.fingerprint == fingerprint) {
            Some(CachedDefinitions { settings, definitions, .. }) => {
                let lock = read_lock(files).map_err(Problems)?;
                Self { settings, definitions, lock }
            }
            None => Self::read_all(files)?,
        };
        root.expand(|_, _| None);
        Ok(root)
    }

    fn read_all(files: &RootFiles) -> Result<Self, Problems> {
        let mut schedules = Schedules::default();
        let (settings, mut problems) = read_settings(files, &mut schedules);
        let whole = problems.is_empty();
        let (definitions, found) = read_streams(files, &settings, whole, &mut schedules);
        // A stream that could not be read may define the missing tag.
        if found.is_empty() {
            problems.extend(unknown_tags_of_targets(&settings, &definitions));
        }
        problems.extend(found);
        let lock = read_lock(files).map_err(|found| problems.extend(found)).unwrap_or_default();
        Problems::check(problems)?;
        Ok(Self { settings, definitions, lock })
    }

    /// Replaces discovered tags: by those in the repositories that `listed` has, and by pinned ones for all others.
    /// Returns the streams whose limit left tags out.
    pub fn expand<'a>(
        &'a mut self,
        listed: impl Fn(&StreamName, &Discovery) -> Option<&'a [TagName]>,
    ) -> Vec<discover::TruncatedDiscovery> {
        if self.definitions.discover.is_empty() {
            return Vec::new();
        }
        let pinned = self.lock.pins.iter().filter(|(_, pin)| pin.follow.is_none()).map(|(id, pin)| (id, &pin.image));
        discover::expand(&mut self.definitions, listed, pinned)
    }

    /// Checks this root and its remote against the operator's policy.
    pub fn policy_problems(
        &self,
        policy: &Policy,
        remote: Option<&str>,
        display_url: impl Fn(&str) -> String,
    ) -> Vec<Problem> {
        let mut refused: Vec<Problem> = remote.and_then(|remote| policy.forbids_remote(remote)).into_iter().collect();
        refused.extend(self.settings.hooks.iter().filter_map(|hook| policy.forbids_hook(hook)));
        let remotes = self.settings.remotes.values();
        refused.extend(remotes.filter_map(|remote| policy.forbids_remote(&display_url(&remote.url))));
        refused.extend(self.registries().into_iter().filter_map(|registry| policy.forbids_registry(registry)));
        refused
    }

    /// Iterates over the files named by `verify`, existing or not.
    pub fn trust_files(&self) -> impl Iterator<Item = &TrustFile> {
        self.settings.trust_files.iter().chain(&self.definitions.trust_files)
    }

    /// Returns the image of a tag: from its definition or, if that names none, from its pin.
    pub fn image(&self, id: &TagId) -> Option<&ImageRef> {
        let (id, _) = self.definitions.tags.get_key_value(id)?;
        let (end, tag) = self.definitions.end_of(id);
        match &tag?.source {
            TagSource::Image { image, .. } => Some(image),
            _ => self.lock.pins.get(end).map(|pin| &pin.image),
        }
    }

    /// Returns the registries of its tags, and their mirrors.
    fn registries(&self) -> std::collections::BTreeSet<&RegistryHost> {
        let images = self.definitions.tags.values().filter_map(|tag| match &tag.source {
            TagSource::Image { image, .. } => Some(image.repository().registry()),
            TagSource::Select { repository, .. } => Some(repository.registry()),
            TagSource::Follow(_) | TagSource::Remote(_) => None,
        });
        let discovered = self.definitions.discover.values().map(|found| found.repository.registry());
        let mirrors = self.settings.registries.values().flat_map(|registry| &registry.mirrors);
        images.chain(discovered).chain(mirrors.map(|mirror| &mirror.registry)).collect()
    }
}

/// Reports targets that write undefined tags, unless the stream may discover them.
fn unknown_tags_of_targets<'a>(
    settings: &'a Settings,
    definitions: &'a Definitions,
) -> impl Iterator<Item = Problem> + 'a {
    settings.targets.iter().filter_map(|target| {
        let from = target.from.as_ref()?;
        if definitions.tags.contains_key(from) || definitions.discover.contains_key(&from.stream) {
            return None;
        }
        let SourceLocation { file, span } = &target.place;
        let problem = Problem::at(file, span.clone(), format!("the target writes `{from}`, which is not defined"));
        let define = || format!("define it in `{DIRECTORY}{}.toml`", from.stream);
        Some(problem.help(definitions.nearest(&from.to_string()).map_or_else(define, did_you_mean)))
    })
}

fn read_settings(files: &RootFiles, schedules: &mut Schedules) -> (Settings, Vec<Problem>) {
    if let Some(bytes) = files.get(settings::FILE_NAME) {
        return settings::read_with(bytes, schedules);
    }
    let problem = Problem::whole(None, format!("no `{}` in this directory", settings::FILE_NAME));
    let problem = problem.help("change to a directory that has one, or run `pinstream init`");
    (Settings::default(), vec![problem])
}

/// `whole` means that the settings were read completely.
fn read_streams(
    files: &RootFiles,
    settings: &Settings,
    whole: bool,
    schedules: &mut Schedules,
) -> (Definitions, Vec<Problem>) {
    let mut draft = DefinitionsDraft::default();
    let mut problems = Vec::new();
    let mut names: HashMap<String, &str> = HashMap::new();
    for (path, bytes) in files {
        let Some(name) = path.strip_prefix(DIRECTORY).and_then(|rest| rest.strip_suffix(".toml")) else { continue };
        if is_hidden(path) {
            continue;
        }
        if problems.len() > PROBLEMS_MAX {
            break;
        }
        let twin = names.insert(name.to_lowercase(), path);
        let name = match stream_name(path, name, twin) {
            Ok(name) => name,
            Err(problem) => {
                problems.push(problem);
                continue;
            }
        };
        let (file, unfit) = source::definition_file(path, bytes, SIZE_HELP);
        if unfit.is_empty() {
            problems.extend(draft.add_stream(&file, name, &settings.import, schedules));
        } else {
            draft.unread.insert(name);
            problems.extend(unfit);
        }
    }
    let (definitions, between) = draft.finish(whole.then_some(&settings.remotes));
    problems.extend(between);
    (definitions, problems)
}

/// Returns true if the file or one of its directories is hidden, i.e. left by an editor or file manager.
fn is_hidden(path: &str) -> bool {
    path.split('/').any(|part| part.starts_with('.'))
}

/// Parses the stream name of the file `path`; `twin` is an earlier file whose name differs only in case.
fn stream_name(path: &str, name: &str, twin: Option<&str>) -> Result<StreamName, Problem> {
    let problem = |message: String| {
        let file = Arc::new(SourceFile { path: path.escape_default().to_string(), text: String::new() });
        Problem::whole(Some(&file), message)
    };
    if let Some(twin) = twin {
        let problem = problem(format!("`{path}` and `{twin}` differ only in case"));
        return Err(problem.help("rename one of them: some file systems cannot store both"));
    }
    name.parse().map_err(|error: crate::model::image::NameError| {
        let lower = name.to_lowercase();
        let help = match lower.parse::<StreamName>() {
            Ok(lower) => Some(format!("rename the file to `{DIRECTORY}{lower}.toml`")),
            Err(_) => error.help,
        };
        problem(error.message).help(help.unwrap_or_default())
    })
}

fn read_lock(files: &RootFiles) -> Result<Lock, Vec<Problem>> {
    files.get(lock::FILE_NAME).map_or_else(|| Ok(Lock::default()), |bytes| decode_lock(bytes))
}

/// Decodes a lock.
///
/// # Errors
/// Returns every problem of the lock.
pub fn decode_lock(bytes: &[u8]) -> Result<Lock, Vec<Problem>> {
    if let Some(lock) = lock::read::read_canonical(bytes) {
        return Ok(lock);
    }
    let (file, problems) = source::decode(lock::FILE_NAME, bytes);
    if problems.is_empty() { lock::read::read(&file) } else { Err(problems) }
}

#[cfg(test)]
mod tests;
