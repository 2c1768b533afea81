//! First step: reads the root, its lock, certificates and verification keys at the branch tip, and the state of the
//! branch.

use std::collections::BTreeMap;

use crate::effects::{RemoteTips, World};
use crate::git::RootFiles;
use crate::model::image::{RegistryHost, RemoteName};
use crate::model::root::{CachedDefinitions, Fingerprint, Root};
use crate::model::settings::remote::RemoteSettings;
use crate::model::settings::verify::TrustFile;
use crate::model::settings::{self, RegistrySettings, Settings};
use crate::signature::Trust;
use crate::text::diagnostics::{Problem, Problems};

use super::state_store::StateStore;
use super::{Effect, PassError, Request};

/// A root at one commit.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The remote's tips at that time.
    pub tips: RemoteTips,
    /// Settings, definitions and lock.
    pub root: Root,
    /// Keys and trusted roots for `verify`.
    pub trust: Trust,
    /// Access to registries and other repositories.
    pub routes: Routes,
    /// Fingerprint of all files but the lock.
    pub fingerprint: Fingerprint,
}

/// Access to registries and other repositories, according to one commit.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Routes {
    registries: BTreeMap<RegistryHost, RegistrySettings>,
    remotes: BTreeMap<RemoteName, RemoteSettings>,
    /// The PEM files that the settings name.
    authorities: RootFiles,
}

#[cfg(test)]
impl Routes {
    /// Returns routes with one certificate.
    pub(super) fn with_certificate(path: &str) -> Self {
        Self { authorities: [(path.to_owned(), Vec::new())].into(), ..Self::default() }
    }
}

/// Loads the root and its state for a pass; `None` if branch or state moved meanwhile, so that the pass must start over.
/// `cached` definitions of the previous attempt are reused if the files are the same.
///
/// # Errors
/// All problems of the definitions, or a Git failure.
pub async fn load<W: World>(
    world: &W,
    request: &Request,
    cached: &mut Option<CachedDefinitions>,
) -> Result<Option<(Snapshot, StateStore)>, PassError> {
    let snapshot = at_branch(world, request, cached).await?;
    if request.effect != Effect::Land {
        let state = StateStore::none(&snapshot.tips);
        return Ok(Some((snapshot, state)));
    }
    if let Some(sign) = snapshot.root.settings.git.sign {
        world.can_sign(sign).await?;
    }
    let mut state = StateStore::read(world, &snapshot.tips).await?;
    let is_current = state.adopt_hooks(world, &snapshot.root).await?
        && state.note_reverts(world, &snapshot.tips, &snapshot.root.lock).await?;
    Ok(is_current.then_some((snapshot, state)))
}

/// Reads the root at the tip of the requested branch; without one, of the branch that the settings at the remote's `HEAD`
/// name.
async fn at_branch<W: World>(
    world: &W,
    request: &Request,
    cached: &mut Option<CachedDefinitions>,
) -> Result<Snapshot, PassError> {
    let (root, branch) = (&request.root, request.branch.as_deref());
    let snapshot = Snapshot::at(world, root, world.tips(branch).await?, cached).await?;
    match &snapshot.root.settings.git.branch {
        Some(named) if branch.is_none() && *named != snapshot.tips.branch => {
            let tips = world.tips(Some(named)).await?;
            Snapshot::at(world, root, tips, cached).await
        }
        _ => Ok(snapshot),
    }
}

impl Snapshot {
    /// Reads the root in the directory `root` at `tips` and configures its registries.
    ///
    /// # Errors
    /// All problems of the definitions, or a Git failure.
    pub async fn at<W: World>(
        world: &W,
        root: &str,
        tips: RemoteTips,
        cached: &mut Option<CachedDefinitions>,
    ) -> Result<Self, PassError> {
        let files = world.root_files(&tips.tip).await?;
        if !files.contains_key(settings::FILE_NAME) && !tips.branch.is_empty() {
            return Err(PassError::Problems(Problems(vec![no_root(root, &tips.branch)])));
        }
        let fingerprint = Fingerprint::of(&files);
        let root = Root::read_cached(&files, fingerprint, cached)?;
        drop(files);
        Problems::check(unfit_base(&tips.branch, root.settings.branch_prefix()).into_iter().collect())?;
        let authorities = authorities(world, &tips, &root).await?;
        world.prepare(&root.settings, &authorities).map_err(PassError::Registries)?;
        let trust = trust(world, &tips, &root).await?;
        let Settings { registries, remotes, .. } = &root.settings;
        let routes = Routes { registries: registries.clone(), remotes: remotes.clone(), authorities };
        Ok(Self { tips, root, trust, routes, fingerprint })
    }

    /// Returns a note if the branch is not the one that the settings name, or not that of the checkout.
    pub fn branch_note(&self, request: &Request) -> Option<String> {
        let used = &self.tips.branch;
        let (named, checkout) = (self.root.settings.git.branch.as_ref(), request.checkout_branch.as_ref());
        match (&request.branch, named, checkout) {
            (Some(_), Some(named), _) if named != used => {
                Some(format!("using branch `{used}`; `[git] branch` in the settings is `{named}`"))
            }
            (None, _, Some(checkout)) if checkout != used => {
                Some(format!("using branch `{used}`, not `{checkout}` of the checkout; `--branch` chooses another one"))
            }
            _ => None,
        }
    }
}

/// Returns the problem of a branch that proposals cannot be merged into: one of them, or one that blocks their names.
fn unfit_base(branch: &str, prefix: &str) -> Option<Problem> {
    if branch.starts_with(prefix) {
        let start = if prefix.ends_with('/') { "below" } else { "that start with" };
        let message = format!("cannot work on `{branch}`: branches {start} `{prefix}` are reserved for proposals");
        let help =
            "pass `--branch` with the branch that proposals are merged into, or set `branch-prefix` in `[publish]`";
        return Some(Problem::whole(None, message).help(help));
    }
    let is_blocking = !branch.is_empty() && prefix.strip_prefix(branch).is_some_and(|rest| rest.starts_with('/'));
    is_blocking.then(|| {
        let message = format!(
            "cannot propose to `{branch}`: git cannot create branches `{prefix}…` while a branch `{branch}` exists"
        );
        Problem::whole(None, message).help("set `branch-prefix` in `[publish]` to another prefix")
    })
}

fn no_root(directory: &str, branch: &str) -> Problem {
    let name = settings::FILE_NAME;
    let message = match directory {
        "" => format!("no `{name}` at the top of branch `{branch}`"),
        _ => format!("no `{directory}/{name}` on branch `{branch}`"),
    };
    Problem::whole(None, message).help(format!(
        "set `--root` to the directory that contains `{name}`, choose another branch with `--branch`, or commit an empty `{name}`"
    ))
}

/// Reads the PEM files that the settings name, at the same commit.
async fn authorities<W: World>(world: &W, tips: &RemoteTips, root: &Root) -> Result<RootFiles, PassError> {
    let mut files = RootFiles::new();
    let mut problems = Vec::new();
    for path in root.settings.registries.values().filter_map(|registry| registry.ca.as_ref()) {
        let Some(reference) = root.settings.files.iter().find(|file| file.path == *path) else { continue };
        let bytes = world.file(&tips.tip, path).await?.map(|file| file.bytes);
        match reference.content(bytes) {
            Ok(bytes) => drop(files.insert(path.clone(), bytes)),
            Err(problem) => problems.push(problem),
        }
    }
    Problems::check(problems)?;
    Ok(files)
}

/// Reads the keys and trusted roots of all `verify` rules, at the same commit.
async fn trust<W: World>(world: &W, tips: &RemoteTips, root: &Root) -> Result<Trust, PassError> {
    let mut trust = Trust::default();
    let mut problems = Vec::new();
    for TrustFile { kind, file: reference } in root.trust_files() {
        let bytes = world.file(&tips.tip, &reference.path).await?.map(|file| file.bytes);
        let read =
            |bytes: Vec<u8>| trust.read(*kind, &reference.path, &bytes).map_err(|error| reference.invalid(&error));
        problems.extend(reference.content(bytes).and_then(read).err());
    }
    Problems::check(problems)?;
    Ok(trust)
}
