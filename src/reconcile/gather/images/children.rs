//! Finds the children of an index that can run, and their platforms.
//!
//! An index need not name the platforms of its children, and a child may be an index of its own.

use crate::effects::Registries;
use crate::model::image::{Platform, Repository};
use crate::registry::manifest::{Descriptor, ImageConfig, ManifestContent};
use crate::registry::{FailureKind, ResolveError};

/// Largest number of children that are read because the index names no platform for them, or that are indexes.
const READ_MAX: usize = 8;

/// Returns the runnable children of an index, with those of indexes that it contains in place of these, one level deep.
/// Children without a platform get that of their configuration.
///
/// # Errors
/// A transient failure. A child that does not exist or cannot be read has no platform.
pub(super) async fn runnable<R: Registries>(
    registries: &R,
    repository: &Repository,
    children: &[Descriptor],
) -> Result<Vec<Descriptor>, ResolveError> {
    let mut found = Vec::with_capacity(children.len());
    let mut reads = READ_MAX;
    for child in children.iter().filter(|child| !child.attestation) {
        match child.is_index() && reads > 0 {
            true => {
                reads -= 1;
                found.extend(nested(registries, repository, child).await?);
            }
            false => found.push(child.clone()),
        }
    }
    let unnamed = found.iter_mut().filter(|child| child.platform.is_none() && !child.is_index());
    for child in unnamed.take(READ_MAX) {
        child.platform = platform(registries, repository, child).await?;
    }
    Ok(found)
}

/// Returns the runnable children of the nested index `child`; itself if it cannot be read.
async fn nested<R: Registries>(
    registries: &R,
    repository: &Repository,
    child: &Descriptor,
) -> Result<Vec<Descriptor>, ResolveError> {
    let manifest = if_readable(registries.manifest(repository, &child.digest).await)?;
    Ok(match manifest.as_ref().map(|manifest| manifest.content()) {
        Some(ManifestContent::Index { children }) => {
            children.iter().filter(|child| !child.attestation).cloned().collect()
        }
        Some(ManifestContent::Image { .. }) | None => vec![child.clone()],
    })
}

/// Returns the platform in the configuration of `child`.
async fn platform<R: Registries>(
    registries: &R,
    repository: &Repository,
    child: &Descriptor,
) -> Result<Option<Platform>, ResolveError> {
    let Some(manifest) = if_readable(registries.manifest(repository, &child.digest).await)? else { return Ok(None) };
    let ManifestContent::Image { config, .. } = manifest.content() else { return Ok(None) };
    let bytes = if_readable(registries.blob(repository, config).await)?;
    Ok(bytes.and_then(|bytes| ImageConfig::read(&bytes).ok()?.platform))
}

/// Returns none for content that does not exist or is of another type.
fn if_readable<T>(result: Result<T, ResolveError>) -> Result<Option<T>, ResolveError> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if matches!(error.kind, FailureKind::NotFound | FailureKind::Unsupported) => Ok(None),
        Err(error) => Err(error),
    }
}
