//! First step: what stands at the branch's tip. Reads the root, its lock, and the authorities and keys
//! that it names.

use std::sync::Arc;

use crate::git::Files;
use crate::problem::Problems;
use crate::root::Root;
use crate::settings::NamedFile;
use crate::signature::{KeyFile, Keys};
use crate::world::{Sight, World};

use super::PassError;

/// A root as it stood at one commit.
#[derive(Clone, Debug)]
pub struct Scene {
    /// The tips it was read at.
    pub sight: Sight,
    /// Settings, definitions and lock.
    pub root: Root,
    /// The keys that it trusts.
    pub keys: Keys,
}

/// Reads the root at the tip of `branch`; with none, of the branch that the settings at the remote's `HEAD` name.
///
/// # Errors
/// Every problem of its files, or what stopped the remote.
pub async fn load<W: World>(world: &W, branch: Option<&str>) -> Result<Scene, PassError> {
    let scene = at(world, world.look(branch).await?).await?;
    match &scene.root.settings.git.branch {
        Some(named) if branch.is_none() && *named != scene.sight.branch => {
            let sight = world.look(Some(named)).await?;
            at(world, sight).await
        }
        _ => Ok(scene),
    }
}

/// What a person should know of the branch that was asked for: that it is not the one the settings name.
pub fn note(scene: &Scene, branch: Option<&str>) -> Option<String> {
    let (named, asked) = (scene.root.settings.git.branch.as_ref()?, branch?);
    (named != asked).then(|| format!("this is the branch `{asked}`; `[git] branch` of the settings names `{named}`"))
}

/// Reads the root at the tip of `sight` and makes its registries known to the world.
///
/// # Errors
/// Every problem of its files, or what stopped the remote.
pub async fn at<W: World>(world: &W, sight: Sight) -> Result<Scene, PassError> {
    let files = world.read(&sight.tip).await?;
    let root = Root::read(&files)?;
    drop(files);
    let authorities = authorities(world, &sight, &root).await?;
    world.prepare(&root.settings, &authorities).map_err(PassError::Registries)?;
    let keys = keys(world, &sight, &root).await?;
    Ok(Scene { sight, root, keys })
}

/// The PEM files that the settings name, from the same commit.
async fn authorities<W: World>(world: &W, sight: &Sight, root: &Root) -> Result<Files, PassError> {
    let mut found = Files::new();
    let mut problems = Vec::new();
    for path in root.settings.registries.values().filter_map(|registry| registry.ca.as_ref()) {
        match world.file(&sight.tip, path).await? {
            Some(file) => {
                found.insert(path.clone(), file.bytes);
            }
            None => problems.extend(root.settings.files.iter().find(|file| file.path == *path).map(NamedFile::missing)),
        }
    }
    Problems::none_or(problems)?;
    Ok(found)
}

/// The keys that settings, streams and tags name, from the same commit.
async fn keys<W: World>(world: &W, sight: &Sight, root: &Root) -> Result<Keys, PassError> {
    let mut found = Keys::new();
    let mut problems = Vec::new();
    for named in root.key_files() {
        match world.file(&sight.tip, &named.path).await? {
            Some(file) => match KeyFile::read(&file.bytes) {
                Ok(keys) => drop(found.insert(named.path.clone(), Arc::new(keys))),
                Err(error) => problems.push(named.wrong(&error)),
            },
            None => problems.push(named.missing()),
        }
    }
    Problems::none_or(problems)?;
    Ok(found)
}
