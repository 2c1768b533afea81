//! A read-only registry in this process, so that the demo needs nothing installed.
//!
//! Serves the pull part of the OCI Distribution Specification 1.1 ("Pulling manifests", "Pulling blobs") on loopback from
//! memory. Accepts nothing over the network: images are added with [`DemoRegistry::push`] only.

use std::collections::BTreeMap;
use std::io;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::model::image::{Digest, Platform, RegistryHost};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
/// An empty archive: two zero blocks (POSIX.1, `ustar`).
const EMPTY_TAR: [u8; 1024] = [0; 1024];

/// Metadata of a demo image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DemoImage {
    /// Label `org.opencontainers.image.version`.
    pub version: String,
    /// Label `org.opencontainers.image.revision`.
    pub revision: String,
    /// Creation time, RFC 3339.
    pub created: String,
    /// Platforms, in the order of the index.
    pub platforms: Vec<Platform>,
}

/// A registry that serves until it is dropped.
#[derive(Debug)]
pub struct DemoRegistry {
    host: RegistryHost,
    store: Arc<Mutex<Store>>,
    server: JoinHandle<()>,
}

/// All pushed content, by repository.
#[derive(Debug, Default)]
struct Store {
    repositories: BTreeMap<String, Repository>,
}

#[derive(Debug, Default)]
struct Repository {
    tags: BTreeMap<String, Digest>,
    manifests: BTreeMap<Digest, Content>,
    blobs: BTreeMap<Digest, Content>,
}

#[derive(Clone, Debug)]
struct Content {
    media_type: &'static str,
    bytes: Vec<u8>,
}

impl DemoRegistry {
    /// Starts an empty registry on a free port, in the current runtime.
    ///
    /// # Errors
    /// Fails if no port on the loopback interface can be bound.
    pub async fn start() -> io::Result<Self> {
        #[allow(clippy::disallowed_methods, reason = "the only listener besides `serve`")]
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let host = listener.local_addr()?.to_string().parse().map_err(io::Error::other)?;
        let store = Arc::new(Mutex::new(Store::default()));
        let router = Router::new().fallback(answer).with_state(Arc::clone(&store));
        let server = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::warn!(%error, "the demo registry stopped");
            }
        });
        Ok(Self { host, store, server })
    }

    /// Returns its address for plain HTTP, `127.0.0.1:<port>`.
    pub fn host(&self) -> &RegistryHost {
        &self.host
    }

    /// Stores an image per platform and their index in `repository`, and points `tag` at the index. Digests are
    /// deterministic.
    pub fn push(&self, repository: &str, tag: &str, image: &DemoImage) -> Digest {
        let mut store = lock(&self.store);
        let repository = store.repositories.entry(repository.to_owned()).or_default();
        let layer = repository.put_blob(LAYER, EMPTY_TAR.to_vec());
        let children: Vec<Value> = image.platforms.iter().map(|p| repository.put_image(image, p, &layer)).collect();
        let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": children });
        let digest = repository.put_manifest(INDEX, &index).0;
        repository.tags.insert(tag.to_owned(), digest.clone());
        digest
    }
}

impl Drop for DemoRegistry {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Repository {
    /// Stores the image of one platform and returns its descriptor for an index.
    fn put_image(&mut self, image: &DemoImage, platform: &Platform, layer: &Value) -> Value {
        let mut platform_value = json!({ "os": platform.os, "architecture": platform.architecture });
        let mut config = json!({
            "os": platform.os,
            "architecture": platform.architecture,
            "created": image.created,
            "config": { "Labels": {
                "org.opencontainers.image.version": image.version,
                "org.opencontainers.image.revision": image.revision,
            } },
            "rootfs": { "type": "layers", "diff_ids": [Digest::sha256(&EMPTY_TAR)] },
        });
        if let Some(variant) = &platform.variant {
            platform_value["variant"] = json!(variant);
            config["variant"] = json!(variant);
        }
        let config = self.put_blob(CONFIG, text(&config));
        let manifest = json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer] });
        let (digest, size) = self.put_manifest(MANIFEST, &manifest);
        json!({ "mediaType": MANIFEST, "digest": digest, "size": size, "platform": platform_value })
    }

    /// Stores a blob and returns its descriptor.
    fn put_blob(&mut self, media_type: &'static str, bytes: Vec<u8>) -> Value {
        let digest = Digest::sha256(&bytes);
        let descriptor = json!({ "mediaType": media_type, "digest": digest, "size": bytes.len() });
        self.blobs.insert(digest, Content { media_type: "application/octet-stream", bytes });
        descriptor
    }

    /// Stores a manifest and returns its digest and size in bytes.
    fn put_manifest(&mut self, media_type: &'static str, manifest: &Value) -> (Digest, usize) {
        let bytes = text(manifest);
        let (digest, size) = (Digest::sha256(&bytes), bytes.len());
        self.manifests.insert(digest.clone(), Content { media_type, bytes });
        (digest, size)
    }

    /// Looks up a manifest by tag or digest.
    fn manifest(&self, reference: &str) -> Option<(Digest, Content)> {
        let digest = self.tags.get(reference).cloned().or_else(|| reference.parse().ok())?;
        let content = self.manifests.get(&digest)?.clone();
        Some((digest, content))
    }

    fn blob(&self, digest: &str) -> Option<(Digest, Content)> {
        let digest: Digest = digest.parse().ok()?;
        let content = self.blobs.get(&digest)?.clone();
        Some((digest, content))
    }
}

/// Encodes compact JSON with sorted keys.
fn text(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

fn lock(store: &Mutex<Store>) -> MutexGuard<'_, Store> {
    store.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Handles one request. `HEAD` is handled like `GET`; the server omits the body.
async fn answer(State(store): State<Arc<Mutex<Store>>>, method: Method, uri: Uri) -> Response {
    if method != Method::GET && method != Method::HEAD {
        return refusal(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED", "this registry is read-only");
    }
    let Some(path) = uri.path().strip_prefix("/v2") else {
        return refusal(StatusCode::NOT_FOUND, "UNSUPPORTED", "only `/v2/` is served");
    };
    if matches!(path, "" | "/") {
        return ([(header::CONTENT_TYPE, "application/json")], "{}").into_response();
    }
    // Repository names contain slashes and may contain `manifests` or `blobs`, so split from the right.
    let parts: Vec<&str> = path.rsplitn(3, '/').collect();
    let [reference, kind, name] = parts[..] else {
        return refusal(StatusCode::NOT_FOUND, "UNSUPPORTED", "unknown path");
    };
    let store = lock(&store);
    let repository = store.repositories.get(name.trim_start_matches('/'));
    let (found, code, message) = match kind {
        "manifests" => (repository.and_then(|r| r.manifest(reference)), "MANIFEST_UNKNOWN", "manifest unknown"),
        "blobs" => (repository.and_then(|r| r.blob(reference)), "BLOB_UNKNOWN", "blob unknown to registry"),
        _ => (None, "UNSUPPORTED", "unknown path"),
    };
    match (found, repository) {
        (Some((digest, content)), _) => {
            let digest = [("docker-content-digest", digest.to_string())];
            ([(header::CONTENT_TYPE, content.media_type)], digest, content.bytes).into_response()
        }
        (None, None) => refusal(StatusCode::NOT_FOUND, "NAME_UNKNOWN", "repository name not known to registry"),
        (None, Some(_)) => refusal(StatusCode::NOT_FOUND, code, message),
    }
}

/// Builds an error response (OCI Distribution 1.1, "Error Codes").
fn refusal(status: StatusCode, code: &str, message: &str) -> Response {
    let body = json!({ "errors": [{ "code": code, "message": message, "detail": null }] });
    (status, [(header::CONTENT_TYPE, "application/json")], text(&body)).into_response()
}
