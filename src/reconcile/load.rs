//! First step: what stands at the branch's tip. Reads the root, its lock, and the authorities, keys and trusted roots
//! that it names.

use std::collections::BTreeMap;

use crate::effects::{RemoteTips, World};
use crate::git::RootFiles;
use crate::model::image::{RegistryHost, RemoteName};
use crate::model::root::{CachedDefinitions, Fingerprint, Root};
use crate::model::settings::remote::RemoteSettings;
use crate::model::settings::verify::TrustFile;
use crate::model::settings::{self, ReferencedFile, RegistrySettings, Settings};
use crate::signature::Trust;
use crate::text::diagnostics::{Problem, Problems};

use super::PassError;

/// A root as it stood at one commit.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The tips it was read at.
    pub sight: RemoteTips,
    /// Settings, definitions and lock.
    pub root: Root,
    /// What `verify` trusts.
    pub trust: Trust,
    /// How registries and other repositories are reached.
    pub routes: Routes,
    /// Of the files that it was read from.
    pub seal: Fingerprint,
}

/// How registries and other repositories are reached, by one commit.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Routes {
    registries: BTreeMap<RegistryHost, RegistrySettings>,
    remotes: BTreeMap<RemoteName, RemoteSettings>,
    /// The PEM files that the settings name.
    authorities: RootFiles,
}

/// Reads the root in the folder `root` at the tip of `branch`; with none, of the branch that the settings at the remote's
/// `HEAD` name. What is `known` from an earlier try is taken, where that has not changed.
///
/// # Errors
/// Every problem of its files, or what stopped the remote.
pub async fn load<W: World>(
    world: &W,
    root: &str,
    branch: Option<&str>,
    known: &mut Option<CachedDefinitions>,
) -> Result<Snapshot, PassError> {
    let scene = at(world, root, world.look(branch).await?, known).await?;
    match &scene.root.settings.git.branch {
        Some(named) if branch.is_none() && *named != scene.sight.branch => {
            let sight = world.look(Some(named)).await?;
            at(world, root, sight, known).await
        }
        _ => Ok(scene),
    }
}

/// What a person should know of the branch that was asked for: that it is not the one the settings name.
pub fn note(scene: &Snapshot, branch: Option<&str>) -> Option<String> {
    let (named, asked) = (scene.root.settings.git.branch.as_ref()?, branch?);
    (named != asked).then(|| format!("this is the branch `{asked}`; `[git] branch` of the settings names `{named}`"))
}

/// Reads the root in the folder `root` at the tip of `sight` and makes its registries known to the world.
///
/// # Errors
/// Every problem of its files, or what stopped the remote.
pub async fn at<W: World>(
    world: &W,
    root: &str,
    sight: RemoteTips,
    known: &mut Option<CachedDefinitions>,
) -> Result<Snapshot, PassError> {
    let files = world.read(&sight.tip).await?;
    if !files.contains_key(settings::FILE_NAME) && !sight.branch.is_empty() {
        return Err(PassError::Problems(Problems(vec![no_root(root, &sight.branch)])));
    }
    let seal = Fingerprint::of(&files);
    let root = Root::read_cached(&files, seal, known)?;
    drop(files);
    let authorities = authorities(world, &sight, &root).await?;
    world.prepare(&root.settings, &authorities).map_err(PassError::Registries)?;
    let trust = trust(world, &sight, &root).await?;
    let Settings { registries, remotes, .. } = &root.settings;
    let routes = Routes { registries: registries.clone(), remotes: remotes.clone(), authorities };
    Ok(Snapshot { sight, root, trust, routes, seal })
}

/// The problem that a folder of a branch is not a root.
fn no_root(folder: &str, branch: &str) -> Problem {
    let name = settings::FILE_NAME;
    let message = match folder {
        "" => format!("there is no `{name}` at the top of the branch `{branch}`, so it is not a root"),
        _ => format!("there is no `{folder}/{name}` on the branch `{branch}`, so the folder `{folder}` is not a root"),
    };
    Problem::whole(None, message).help("name the folder that has one with `--root`, or commit an empty one")
}

/// The PEM files that the settings name, from the same commit.
async fn authorities<W: World>(world: &W, sight: &RemoteTips, root: &Root) -> Result<RootFiles, PassError> {
    let mut found = RootFiles::new();
    let mut problems = Vec::new();
    for path in root.settings.registries.values().filter_map(|registry| registry.ca.as_ref()) {
        match world.file(&sight.tip, path).await? {
            Some(file) => {
                found.insert(path.clone(), file.bytes);
            }
            None => {
                problems.extend(root.settings.files.iter().find(|file| file.path == *path).map(ReferencedFile::missing))
            }
        }
    }
    Problems::check(problems)?;
    Ok(found)
}

/// What `verify` of settings, streams and tags trusts, from the same commit.
async fn trust<W: World>(world: &W, sight: &RemoteTips, root: &Root) -> Result<Trust, PassError> {
    let mut found = Trust::default();
    let mut problems = Vec::new();
    for TrustFile { kind, file: named } in root.trust_files() {
        match world.file(&sight.tip, &named.path).await? {
            Some(file) => {
                let read = found.read(*kind, &named.path, &file.bytes);
                problems.extend(read.err().map(|error| named.invalid(&error)));
            }
            None => problems.push(named.missing()),
        }
    }
    Problems::check(problems)?;
    Ok(found)
}
