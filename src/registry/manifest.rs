//! Manifests and indexes: bytes that were hashed, and what they say.
//!
//! Nothing unhashed becomes a [`VerifiedManifest`], and nothing that two readers could understand differently is read at
//! all. Sources: OCI Image Specification 1.1 ("Image Manifest", "Image Index"), Docker Image Manifest V2 Schema 2;
//! ambiguity rules after CVE-2021-41190.

mod config;
mod json;

use std::collections::BTreeMap;

use oci_distribution::manifest as oci;

use super::text::plain;
use super::{FailureKind, MANIFEST_MAX, ResolveError};
use crate::model::image::{Digest, Platform};
use crate::signature::{PAYLOAD, PayloadAnnotations};
pub use config::ImageConfig;
pub(crate) use config::short;
use json::{JsonObject, JsonValue};

/// The most children of an index, or layers of an image. A machine mounts a few hundred; a manifest of 4 MiB could name
/// tens of thousands, and many manifests are held at once.
const DESCRIPTORS_MAX: usize = 1024;

/// The four media types that are asked for and pinned.
pub const MEDIA_TYPES: [&str; 4] = [
    oci::OCI_IMAGE_INDEX_MEDIA_TYPE,
    oci::IMAGE_MANIFEST_LIST_MEDIA_TYPE,
    oci::OCI_IMAGE_MEDIA_TYPE,
    oci::IMAGE_MANIFEST_MEDIA_TYPE,
];

/// Points at content by digest (OCI Image Specification 1.1, "Content Descriptors").
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// Its media type.
    pub media_type: String,
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// The platform, where an index names one.
    pub platform: Option<Platform>,
    /// Whether it is an attestation in place of something that runs (BuildKit's `attestation-manifest`).
    pub attestation: bool,
    /// What kind of artifact it is, where an index says so.
    pub artifact_type: Option<String>,
    /// The signature of the content and all that goes with it, where the content is a payload beside which that is kept.
    pub signature: Option<Box<PayloadAnnotations>>,
}

impl Descriptor {
    /// A descriptor that says what each has to, and nothing more.
    pub fn of(media_type: String, digest: Digest, size: u64) -> Self {
        Self { media_type, digest, size, platform: None, attestation: false, artifact_type: None, signature: None }
    }
}

/// What a manifest is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ManifestContent {
    /// One image for one platform.
    Image {
        /// Its configuration.
        config: Descriptor,
        /// Its layers.
        layers: Vec<Descriptor>,
    },
    /// Many images, one a platform.
    Index {
        /// Its children, in its own order.
        children: Vec<Descriptor>,
    },
}

/// A manifest whose bytes were fetched and hashed: the only thing a pin can be made from.
///
/// It cannot be written down, only hashed:
/// ```compile_fail,E0451
/// use pinstream::registry::manifest::{ManifestContent, VerifiedManifest};
/// let digest = format!("sha256:{}", "0".repeat(64)).parse().unwrap();
/// let unseen = VerifiedManifest { digest, content: ManifestContent::Index { children: vec![] }, annotations: Default::default() };
/// ```
/// ```
/// use pinstream::model::image::Digest;
/// use pinstream::registry::manifest::VerifiedManifest;
/// let bytes = br#"{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []}"#;
/// let digest = Digest::sha256(bytes);
/// let seen = VerifiedManifest::hash(&digest, Some("application/vnd.oci.image.index.v1+json"), bytes).unwrap();
/// assert_eq!(*seen.digest(), digest);
/// ```
#[derive(Clone, Debug)]
pub struct VerifiedManifest {
    digest: Digest,
    content: ManifestContent,
    annotations: BTreeMap<String, String>,
}

impl VerifiedManifest {
    /// Hashes `bytes` and reads them.
    ///
    /// # Errors
    /// [`FailureKind::Integrity`] where they do not hash to `digest` or are ambiguous,
    /// [`FailureKind::Unsupported`] where they are of a kind that is not pinned.
    pub fn hash(digest: &Digest, content_type: Option<&str>, bytes: &[u8]) -> Result<Self, ResolveError> {
        if bytes.len() > MANIFEST_MAX {
            let message = format!("the manifest {} is larger than 4 MiB", digest.short());
            return Err(ResolveError::new(FailureKind::Integrity, message));
        }
        if !digest.matches(bytes) {
            let message = format!("what came for `{digest}` hashes to something else");
            return Err(ResolveError::new(FailureKind::Integrity, message));
        }
        let media_type = essence(content_type);
        supported(media_type)?;
        let (content, annotations) = read(media_type, bytes).map_err(|what| {
            ResolveError::new(
                FailureKind::Integrity,
                format!("the manifest {} cannot be read in one way alone: {}", digest.short(), plain(&what)),
            )
        })?;
        Ok(Self { digest: digest.clone(), content, annotations })
    }

    /// The digest that the bytes hash to.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// What it is.
    pub fn content(&self) -> &ManifestContent {
        &self.content
    }

    /// Its annotations.
    pub fn annotations(&self) -> &BTreeMap<String, String> {
        &self.annotations
    }

    /// A manifest that nobody hashed: the fault that the simulator must catch.
    #[cfg(test)]
    pub(crate) fn unhashed(digest: Digest, content: ManifestContent, annotations: BTreeMap<String, String>) -> Self {
        Self { digest, content, annotations }
    }
}

/// A media type without its parameters (RFC 9110, section 8.3.1).
pub(super) fn essence(content_type: Option<&str>) -> &str {
    content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim()
}

/// The descriptors of a page of referrers: an index made for the answer, which has no digest and vouches for nothing.
///
/// # Errors
/// [`FailureKind::Integrity`] where it cannot be read in one way alone.
pub(super) fn referrers(bytes: &[u8], registry: &str) -> Result<Vec<Descriptor>, ResolveError> {
    match read(oci::OCI_IMAGE_INDEX_MEDIA_TYPE, bytes) {
        Ok((ManifestContent::Index { children }, _)) => Ok(children),
        Ok(_) | Err(_) => {
            let message = format!("`{registry}` sent a list of referrers that cannot be read");
            Err(ResolveError::new(FailureKind::Integrity, message))
        }
    }
}

/// Whether `media_type` is one of the four.
///
/// # Errors
/// [`FailureKind::Unsupported`], naming what it is in their place.
pub(super) fn supported(media_type: &str) -> Result<(), ResolveError> {
    if MEDIA_TYPES.contains(&media_type) {
        return Ok(());
    }
    let message = match media_type {
        "application/vnd.docker.distribution.manifest.v1+json"
        | "application/vnd.docker.distribution.manifest.v1+prettyjws"
        | "application/json" => "the image is a schema 1 manifest, whose digest is not that of its bytes".to_owned(),
        "" => "the registry does not say of what type the manifest is".to_owned(),
        other => format!("`{}` is not a type of image that is pinned", plain(other)),
    };
    Err(ResolveError::new(FailureKind::Unsupported, message))
}

fn read(media_type: &str, bytes: &[u8]) -> Result<(ManifestContent, BTreeMap<String, String>), String> {
    let object = JsonValue::read_object(bytes)?;
    object.fields(&[
        "schemaVersion",
        "mediaType",
        "config",
        "layers",
        "manifests",
        "annotations",
        "artifactType",
        "subject",
        "fsLayers",
        "signatures",
    ])?;
    if object.get("schemaVersion") != Some(&JsonValue::Whole(2)) {
        return Err("`schemaVersion` is not 2".to_owned());
    }
    if object.get("fsLayers").is_some() || object.get("signatures").is_some() {
        return Err("it has keys of schema 1".to_owned());
    }
    match object.text("mediaType")? {
        Some(own) if own != media_type => {
            return Err(format!("it says it is `{own}`, and the registry says `{media_type}`"));
        }
        None if media_type.starts_with("application/vnd.docker.") => return Err("it has no `mediaType`".to_owned()),
        _ => {}
    }
    let has = |key| object.get(key).is_some();
    if has("manifests") && (has("layers") || has("config")) {
        return Err("it has both `manifests` and `layers` or `config`".to_owned());
    }
    let is_index = matches!(media_type, oci::OCI_IMAGE_INDEX_MEDIA_TYPE | oci::IMAGE_MANIFEST_LIST_MEDIA_TYPE);
    let list = |key: &str| -> Result<Vec<Descriptor>, String> {
        let objects = object.objects(key)?.ok_or_else(|| format!("it has no `{key}`"))?;
        if objects.len() > DESCRIPTORS_MAX {
            return Err(format!("its `{key}` are more than {DESCRIPTORS_MAX}"));
        }
        objects.into_iter().map(descriptor).collect()
    };
    let content = if is_index {
        ManifestContent::Index { children: list("manifests")? }
    } else {
        let config = object.object("config")?.ok_or("it has no `config`")?;
        ManifestContent::Image { config: descriptor(config)?, layers: list("layers")? }
    };
    Ok((content, object.texts("annotations")?))
}

fn descriptor(object: &JsonObject) -> Result<Descriptor, String> {
    object.fields(&["mediaType", "digest", "size", "platform", "annotations", "urls", "data", "artifactType"])?;
    let media_type = object.text("mediaType")?.ok_or("a descriptor has no `mediaType`")?.to_owned();
    let digest = object.text("digest")?.ok_or("a descriptor has no `digest`")?;
    let digest = digest.parse().map_err(|_| "a descriptor's `digest` is none")?;
    let Some(JsonValue::Whole(size)) = object.get("size") else {
        return Err("a descriptor's `size` is no whole number".to_owned());
    };
    let annotations = object.texts("annotations")?;
    let mut attestation =
        annotations.get("vnd.docker.reference.type").is_some_and(|kind| kind == "attestation-manifest");
    let signature = (media_type == PAYLOAD).then(|| PayloadAnnotations::of(&annotations)).flatten().map(Box::new);
    let artifact_type = object.text("artifactType")?.map(str::to_owned);
    let mut named = None;
    if let Some(platform_object) = object.object("platform")? {
        platform_object.fields(&["os", "architecture", "variant", "os.version", "os.features", "features"])?;
        let os = platform_object.text("os")?.unwrap_or_default();
        let architecture = platform_object.text("architecture")?.unwrap_or_default();
        attestation |= (os, architecture) == ("unknown", "unknown");
        if !os.is_empty() && !architecture.is_empty() {
            let variant = platform_object.text("variant")?;
            named = Some(platform(os, architecture, variant).ok_or("a descriptor's `platform` is none")?);
        }
    }
    Ok(Descriptor {
        platform: named,
        attestation,
        artifact_type,
        signature,
        ..Descriptor::of(media_type, digest, *size)
    })
}

/// A platform of these parts, if they are the words of one.
fn platform(os: &str, architecture: &str, variant: Option<&str>) -> Option<Platform> {
    let text = match variant.filter(|variant| !variant.is_empty()) {
        Some(variant) => format!("{os}/{architecture}/{variant}"),
        None => format!("{os}/{architecture}"),
    };
    text.parse().ok()
}

#[cfg(test)]
mod tests;
