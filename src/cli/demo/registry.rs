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
use tokio::task::JoinSet;

use crate::model::image::{Digest, RegistryHost};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
/// An empty archive: two zero blocks (POSIX.1, `ustar`).
const EMPTY_TAR: [u8; 1024] = [0; 1024];

/// Label `org.opencontainers.image.revision` of all images.
const REVISION: &str = "0f1c2d3e4f5061728394a5b6c7d8e9f001122334";
/// Architectures of all images, in the order of the index; the system is Linux.
const ARCHITECTURES: [&str; 2] = ["amd64", "arm64"];

/// A registry that serves until it is dropped.
#[derive(Debug)]
pub struct DemoRegistry {
    host: RegistryHost,
    store: Arc<Mutex<Store>>,
    _server: JoinSet<()>,
}

/// All pushed content, by repository.
type Store = BTreeMap<String, Repository>;

/// Content by its path below the repository, e.g. `manifests/latest`.
#[derive(Debug, Default)]
struct Repository(BTreeMap<String, Content>);

#[derive(Clone, Debug)]
struct Content {
    media_type: &'static str,
    digest: Digest,
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
        let mut server = JoinSet::new();
        server.spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::warn!(%error, "the demo registry stopped");
            }
        });
        Ok(Self { host, store, _server: server })
    }

    /// Returns its address for plain HTTP, `127.0.0.1:<port>`.
    pub fn host(&self) -> &RegistryHost {
        &self.host
    }

    /// Stores an image of `version` per architecture and their index in `repository`, and points `tag` at the index. Digests
    /// are deterministic; `created` is RFC 3339.
    pub fn push(&self, repository: &str, tag: &str, version: &str, created: &str) -> Digest {
        let mut store = lock(&self.store);
        let repository = store.entry(repository.to_owned()).or_default();
        let children = ARCHITECTURES.map(|architecture| repository.put_image(architecture, version, created));
        let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": children });
        let index = repository.put("manifests", INDEX, text(&index));
        repository.0.insert(format!("manifests/{tag}"), index.clone());
        index.digest
    }
}

impl Repository {
    /// Stores the image of one architecture and returns its descriptor for an index.
    fn put_image(&mut self, architecture: &str, version: &str, created: &str) -> Value {
        let config = json!({
            "os": "linux",
            "architecture": architecture,
            "created": created,
            "config": { "Labels": {
                "org.opencontainers.image.version": version,
                "org.opencontainers.image.revision": REVISION,
            } },
            "rootfs": { "type": "layers", "diff_ids": [Digest::sha256(&EMPTY_TAR)] },
        });
        let (layer, config) = (self.put_blob(LAYER, EMPTY_TAR.to_vec()), self.put_blob(CONFIG, text(&config)));
        let manifest = json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer] });
        let Content { digest, bytes, .. } = self.put("manifests", MANIFEST, text(&manifest));
        let platform = json!({ "os": "linux", "architecture": architecture });
        json!({ "mediaType": MANIFEST, "digest": digest, "size": bytes.len(), "platform": platform })
    }

    /// Stores a blob and returns its descriptor.
    fn put_blob(&mut self, media_type: &str, bytes: Vec<u8>) -> Value {
        let Content { digest, bytes, .. } = self.put("blobs", "application/octet-stream", bytes);
        json!({ "mediaType": media_type, "digest": digest, "size": bytes.len() })
    }

    /// Stores a manifest or a blob by its digest.
    fn put(&mut self, kind: &str, media_type: &'static str, bytes: Vec<u8>) -> Content {
        let content = Content { media_type, digest: Digest::sha256(&bytes), bytes };
        self.0.insert(format!("{kind}/{}", content.digest), content.clone());
        content
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
    let Some(repository) = store.get(name.trim_start_matches('/')) else {
        return refusal(StatusCode::NOT_FOUND, "NAME_UNKNOWN", "repository name not known to registry");
    };
    match (repository.0.get(&format!("{kind}/{reference}")).cloned(), kind) {
        (Some(Content { media_type, digest, bytes }), _) => {
            let digest = [("docker-content-digest", digest.to_string())];
            ([(header::CONTENT_TYPE, media_type)], digest, bytes).into_response()
        }
        (None, "manifests") => refusal(StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN", "manifest unknown"),
        (None, "blobs") => refusal(StatusCode::NOT_FOUND, "BLOB_UNKNOWN", "blob unknown to registry"),
        (None, _) => refusal(StatusCode::NOT_FOUND, "UNSUPPORTED", "unknown path"),
    }
}

/// Builds an error response (OCI Distribution 1.1, "Error Codes").
fn refusal(status: StatusCode, code: &str, message: &str) -> Response {
    let body = json!({ "errors": [{ "code": code, "message": message, "detail": null }] });
    (status, [(header::CONTENT_TYPE, "application/json")], text(&body)).into_response()
}
