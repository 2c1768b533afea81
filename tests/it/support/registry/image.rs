//! Images generated from a seed, so that the digest is known before the push.

use pinstream::model::image::Digest;
use serde_json::{Map, Value, json};

const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
const OCI_IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const DOCKER_IMAGE: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";

/// Builder of an image; by default OCI for linux/amd64.
#[derive(Clone, Debug)]
pub(crate) struct Image {
    seed: u64,
    labels: Map<String, Value>,
    /// Other runtime settings.
    runs: Map<String, Value>,
    created: Option<String>,
    platforms: Vec<String>,
    is_index: bool,
    is_docker: bool,
    /// Seed of an attestation.
    attestation: Option<u64>,
}

/// Bytes with their media type and digest.
#[derive(Clone, Debug)]
pub(crate) struct Content {
    pub(crate) media_type: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) digest: Digest,
}

/// All content of an image.
#[derive(Clone, Debug)]
pub(crate) struct Built {
    /// The manifest of the tag.
    pub(crate) top: Content,
    /// Manifests of an index.
    pub(crate) children: Vec<Content>,
    /// Configurations and layers.
    pub(crate) blobs: Vec<Content>,
}

impl Image {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            seed,
            labels: Map::new(),
            runs: Map::new(),
            created: None,
            platforms: vec!["linux/amd64".to_owned()],
            is_index: false,
            is_docker: false,
            attestation: None,
        }
    }

    /// Sets the version label.
    pub(crate) fn version(self, version: &str) -> Self {
        self.label("org.opencontainers.image.version", version)
    }

    /// Sets the revision label.
    pub(crate) fn revision(self, revision: &str) -> Self {
        self.label("org.opencontainers.image.revision", revision)
    }

    pub(crate) fn label(mut self, name: &str, value: &str) -> Self {
        self.labels.insert(name.to_owned(), json!(value));
        self
    }

    /// Sets a key of `config`, such as `User` or `Env`.
    pub(crate) fn runs(mut self, key: &str, value: Value) -> Self {
        self.runs.insert(key.to_owned(), value);
        self
    }

    /// Sets the creation time, in RFC 3339.
    pub(crate) fn created(mut self, created: &str) -> Self {
        self.created = Some(created.to_owned());
        self
    }

    /// Makes it an index with one child per platform.
    pub(crate) fn platforms(mut self, platforms: &[&str]) -> Self {
        self.platforms = platforms.iter().map(|platform| (*platform).to_owned()).collect();
        self.is_index = true;
        self
    }

    /// Adds BuildKit's attestation to an index; another seed changes nothing else.
    pub(crate) fn attestation(mut self, seed: u64) -> Self {
        self.attestation = Some(seed);
        self.is_index = true;
        self
    }

    /// Uses Docker's media types.
    pub(crate) fn docker(mut self) -> Self {
        self.is_docker = true;
        self
    }

    /// Returns the digest of its tag.
    pub(crate) fn digest(&self) -> Digest {
        self.build().top.digest
    }

    pub(crate) fn build(&self) -> Built {
        let mut blobs = Vec::new();
        let mut children: Vec<(Content, Value)> = Vec::new();
        for platform in &self.platforms {
            let mut parts = platform.split('/');
            let (os, architecture, variant) = (parts.next().unwrap(), parts.next().unwrap(), parts.next());
            let mut named = json!({"os": os, "architecture": architecture});
            if let Some(variant) = variant {
                named["variant"] = json!(variant);
            }
            let mut config = named.clone();
            let mut runs = self.runs.clone();
            runs.insert("Labels".to_owned(), json!(self.labels));
            config["config"] = json!(runs);
            config["rootfs"] = json!({"type": "layers", "diff_ids": []});
            if let Some(created) = &self.created {
                config["created"] = json!(created);
            }
            let config = Content::json(if self.is_docker { DOCKER_CONFIG } else { OCI_CONFIG }, &config);
            let layer = format!("layer {} {platform}", self.seed).into_bytes();
            let layer = Content::new(if self.is_docker { DOCKER_LAYER } else { OCI_LAYER }, layer);
            let child = self.manifest(&config, &layer);
            blobs.extend([config, layer]);
            children.push((child, json!({"platform": named})));
        }
        if !self.is_index {
            let (top, _) = children.remove(0);
            return Built { top, children: Vec::new(), blobs };
        }
        if let Some(seed) = self.attestation {
            let config = Content::json(OCI_CONFIG, &json!({"os": "unknown", "architecture": "unknown"}));
            let layer = Content::new("application/vnd.in-toto+json", format!("attestation {seed}").into_bytes());
            let child = self.manifest(&config, &layer);
            blobs.extend([config, layer]);
            let subject = children[0].0.digest.to_string();
            let extra = json!({
                "platform": {"os": "unknown", "architecture": "unknown"},
                "annotations": {
                    "vnd.docker.reference.type": "attestation-manifest",
                    "vnd.docker.reference.digest": subject,
                },
            });
            children.push((child, extra));
        }
        let listed: Vec<Value> = children
            .iter()
            .map(|(child, extra)| {
                let mut entry = child.descriptor();
                entry.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
                entry
            })
            .collect();
        let media_type = if self.is_docker { DOCKER_LIST } else { OCI_INDEX };
        let top = json!({"schemaVersion": 2, "mediaType": media_type, "manifests": listed});
        let children = children.into_iter().map(|(child, _)| child).collect();
        Built { top: Content::json(media_type, &top), children, blobs }
    }

    fn manifest(&self, config: &Content, layer: &Content) -> Content {
        let media_type = if self.is_docker { DOCKER_IMAGE } else { OCI_IMAGE };
        Content::json(
            media_type,
            &json!({
                "schemaVersion": 2,
                "mediaType": media_type,
                "config": config.descriptor(),
                "layers": [layer.descriptor()],
            }),
        )
    }
}

impl Content {
    pub(crate) fn new(media_type: &str, bytes: Vec<u8>) -> Self {
        Self { media_type: media_type.to_owned(), digest: Digest::sha256(&bytes), bytes }
    }

    fn json(media_type: &str, value: &Value) -> Self {
        Self::new(media_type, serde_json::to_vec(value).unwrap())
    }

    fn descriptor(&self) -> Value {
        json!({"mediaType": self.media_type, "digest": self.digest.as_str(), "size": self.bytes.len()})
    }
}
