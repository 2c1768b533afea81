//! A root: settings, definitions and lock of one folder, read from its files and right together.

pub mod coverage;
pub mod rollback;

use std::collections::HashMap;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::git::{self, RootFiles};
use crate::model::image::{ImageRef, RegistryHost, StreamName, TagId, TagName};
use crate::model::lock::{self, Lock};
use crate::model::settings::globs::TagGlobs;
use crate::model::settings::policy::Policy;
use crate::model::settings::schedule::Schedules;
use crate::model::settings::verify::TrustFile;
use crate::model::settings::{self, Settings};
use crate::model::stream::validate::{DIRECTORY, DefinitionsDraft};
use crate::model::stream::{Definitions, Discovery, TagSource, discover};
use crate::text::diagnostics::{Problem, Problems, SourceFile, SourceLocation};
use crate::text::toml::source;

/// After so many problems no further file is read.
const PROBLEMS_MAX: usize = 10_000;

/// How the file of a stream becomes smaller, where it is larger than a file may be.
const SMALLER: &str = "move tags to other streams: each is a file of its own";

/// How many tags are passed from a follower to its image.
const HOPS_MAX: usize = 1_000;

/// Everything a root's files say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Root {
    /// `pinstream.toml`
    pub settings: Settings,
    /// `streams/**/*.toml`
    pub definitions: Definitions,
    /// `pinstream.lock`; empty where there is none.
    pub lock: Lock,
}

/// What all files of a root but its lock hold, as one number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// That of `files`.
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
}

/// A root without its lock, and which files say so.
#[derive(Debug)]
pub struct CachedDefinitions {
    /// Of the files.
    pub seal: Fingerprint,
    /// `pinstream.toml`
    pub settings: Settings,
    /// `streams/**/*.toml`
    pub definitions: Definitions,
}

/// A word that should name tags and names none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no tag named `{name}`")]
pub struct UnknownTag {
    /// The word.
    pub name: String,
    /// The tag that was most likely meant.
    pub nearest: Option<TagId>,
}

impl UnknownTag {
    /// What a person can do about it.
    pub fn help(&self) -> String {
        match &self.nearest {
            Some(near) => format!("did you mean `{near}`?"),
            None => "`pinstream list` shows all tags".to_owned(),
        }
    }
}

impl Root {
    /// Whether each of `patterns` means a tag.
    ///
    /// # Errors
    /// The first that means none.
    pub fn has(&self, patterns: &TagGlobs) -> Result<(), UnknownTag> {
        match patterns.unmatched(self.definitions.tags.keys()).first() {
            Some(word) => Err(self.unknown_tag(word)),
            None => Ok(()),
        }
    }

    /// The error that no tag is named `word`.
    pub fn unknown_tag(&self, word: &str) -> UnknownTag {
        UnknownTag { name: word.to_owned(), nearest: self.definitions.nearest(word).cloned() }
    }

    /// Reads a root from its files: `pinstream.toml`, `pinstream.lock` and `streams/**/*.toml`, by path from the root.
    /// Other files are not looked at.
    ///
    /// # Errors
    /// Every problem of every file.
    pub fn read(files: &RootFiles) -> Result<Self, Problems> {
        let mut root = Self::read_all(files)?;
        root.expand(|_, _| None);
        Ok(root)
    }

    /// The same where some of it may have been read before: what is `known` is taken, if it is of the same `seal`, which
    /// is that of `files`.
    ///
    /// # Errors
    /// Every problem of every file.
    pub fn read_cached(
        files: &RootFiles,
        seal: Fingerprint,
        known: &mut Option<CachedDefinitions>,
    ) -> Result<Self, Problems> {
        let mut root = match known.take_if(|known| known.seal == seal) {
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
        // What could not be read may define what is not there.
        if found.is_empty() {
            problems.extend(unknown_tags_of_targets(&settings, &definitions));
        }
        problems.extend(found);
        let lock = read_lock(files).map_err(|found| problems.extend(found)).unwrap_or_default();
        Problems::check(problems)?;
        Ok(Self { settings, definitions, lock })
    }

    /// Replaces the tags that streams discover by those of the repositories that `listed` knows, and of the lock for
    /// all others; where not all that fit could be taken.
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

    /// What of this root, and of the remote it is on, the operator's policy forbids.
    pub fn policy_problems(&self, policy: &Policy, remote: Option<&str>) -> Vec<Problem> {
        let mut refused: Vec<Problem> = remote.and_then(|remote| policy.forbids_remote(remote)).into_iter().collect();
        refused.extend(self.settings.hooks.iter().filter_map(|hook| policy.forbids_hook(hook)));
        let remotes = self.settings.remotes.values();
        refused.extend(remotes.filter_map(|remote| policy.forbids_remote(&git::shown(&remote.url))));
        refused.extend(self.registries().into_iter().filter_map(|registry| policy.forbids_registry(registry)));
        refused
    }

    /// The files that `verify` names anywhere, whether they are there or not.
    pub fn trust_files(&self) -> impl Iterator<Item = &TrustFile> {
        self.settings.trust_files.iter().chain(&self.definitions.trust_files)
    }

    /// The image of a tag: as it is defined or, where that does not tell, as it is pinned.
    pub fn image(&self, id: &TagId) -> Option<&ImageRef> {
        let mut at = id;
        for _ in 0..HOPS_MAX {
            at = match &self.definitions.tags.get(at)?.source {
                TagSource::Image { image, .. } => return Some(image),
                TagSource::Follow(followed) => followed,
                TagSource::Select { .. } | TagSource::Remote(_) => break,
            };
        }
        self.lock.pins.get(at).map(|pin| &pin.image)
    }

    /// The registries that its tags name, and their mirrors.
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

/// Targets that write tags which no stream defines. What a stream discovers is not known before it is listed.
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
        let problem = Problem::at(file, span.clone(), format!("a target writes `{from}`, which no stream defines"));
        Some(problem.help(match definitions.nearest(&from.to_string()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("define it in `{DIRECTORY}{}.toml`", from.stream),
        }))
    })
}

fn read_settings(files: &RootFiles, schedules: &mut Schedules) -> (Settings, Vec<Problem>) {
    let Some(bytes) = files.get(settings::FILE_NAME) else {
        let problem =
            Problem::whole(None, format!("there is no `{}`, so this folder is not a root", settings::FILE_NAME));
        return (Settings::default(), vec![problem.help("name the folder that has one, or write an empty one")]);
    };
    let (file, problems) = source::definitions(settings::FILE_NAME, bytes, settings::SIZE_HELP);
    if problems.is_empty() {
        return settings::validate::settings(&file, schedules);
    }
    (Settings::default(), problems)
}

/// `whole` says that nothing of the settings was left unread.
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
        let (file, unfit) = source::definitions(path, bytes, SMALLER);
        if unfit.is_empty() {
            problems.extend(draft.stream(&file, name, &settings.import, schedules));
        } else {
            draft.unread(name);
            problems.extend(unfit);
        }
    }
    let (definitions, between) = draft.finish(whole.then_some(&settings.remotes));
    problems.extend(between);
    (definitions, problems)
}

/// Whether the file or a folder it is in begins with a dot: what editors and file managers leave behind, no stream.
fn is_hidden(path: &str) -> bool {
    path.split('/').any(|part| part.starts_with('.'))
}

/// The name of the stream in the file `path`; `twin` is an earlier file whose name differs in case alone.
fn stream_name(path: &str, name: &str, twin: Option<&str>) -> Result<StreamName, Problem> {
    let file = || Arc::new(SourceFile { path: path.escape_default().to_string(), text: String::new() });
    if let Some(twin) = twin {
        let message = format!("`{path}` and `{twin}` differ only in upper and lower case");
        return Err(Problem::whole(Some(&file()), message).help("rename one: not every file system can hold both"));
    }
    name.parse().map_err(|error: crate::model::image::NameError| {
        let lower = name.to_lowercase();
        let help = match lower.parse::<StreamName>() {
            Ok(lower) => Some(format!("rename the file to `{DIRECTORY}{lower}.toml`")),
            Err(_) => error.help,
        };
        Problem::whole(Some(&file()), error.message).help(help.unwrap_or_default())
    })
}

fn read_lock(files: &RootFiles) -> Result<Lock, Vec<Problem>> {
    files.get(lock::FILE_NAME).map_or_else(|| Ok(Lock::default()), |bytes| decode_lock(bytes))
}

/// Reads the bytes of a lock.
///
/// # Errors
/// Every problem of it.
pub fn decode_lock(bytes: &[u8]) -> Result<Lock, Vec<Problem>> {
    if let Some(lock) = lock::read::read_canonical(bytes) {
        return Ok(lock);
    }
    let (file, problems) = source::source(lock::FILE_NAME, bytes);
    if problems.is_empty() { lock::read::read(&file) } else { Err(problems) }
}

#[cfg(test)]
mod tests;
