//! The registry of the demo.

use oci_distribution::client::{Client, ClientConfig, ClientProtocol};
use oci_distribution::manifest::OciManifest;
use oci_distribution::secrets::RegistryAuth;
use pinstream::cli::demo::registry::DemoRegistry;
use pinstream::model::image::Digest;
use reqwest::{Method, StatusCode};
use serde_json::Value;

const CREATED: &str = "2026-10-01T08:12:44Z";

/// Runs a client, whose library needs to know a provider of cryptography even without TLS.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    // It fails if another test was first.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

struct Answer {
    status: StatusCode,
    media_type: String,
    digest: String,
    length: String,
    body: Vec<u8>,
}

async fn ask(registry: &DemoRegistry, method: Method, path: &str) -> Answer {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client.request(method, format!("http://{}{path}", registry.host())).send().await.unwrap();
    let header = |name: &str| answer.headers().get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
    let (media_type, digest) = (header("content-type"), header("docker-content-digest"));
    let (status, length) = (answer.status(), header("content-length"));
    Answer { status, media_type, digest, length, body: answer.bytes().await.unwrap().to_vec() }
}

#[test]
fn every_manifest_and_blob_hashes_to_its_digest() {
    block_on(async {
        let registry = DemoRegistry::start().await.unwrap();
        let pushed = registry.push("library/python", "3.12", "3.12.4", CREATED);
        let head = ask(&registry, Method::HEAD, "/v2/library/python/manifests/3.12").await;
        assert_eq!(
            (head.status, head.media_type.as_str()),
            (StatusCode::OK, "application/vnd.oci.image.index.v1+json")
        );
        assert_eq!((head.digest.as_str(), head.body.len()), (pushed.as_str(), 0));
        let index = ask(&registry, Method::GET, &format!("/v2/library/python/manifests/{pushed}")).await;
        assert!(pushed.matches(&index.body));
        assert_eq!(head.length, index.body.len().to_string());
        let index: Value = serde_json::from_slice(&index.body).unwrap();
        for (child, architecture) in index["manifests"].as_array().unwrap().iter().zip(["amd64", "arm64"]) {
            assert_eq!(child["platform"]["architecture"], architecture);
            let manifest = fetch(&registry, "manifests", child).await;
            let manifest: Value = serde_json::from_slice(&manifest).unwrap();
            fetch(&registry, "blobs", &manifest["layers"][0]).await;
            let config = fetch(&registry, "blobs", &manifest["config"]).await;
            let config: Value = serde_json::from_slice(&config).unwrap();
            assert_eq!(config["config"]["Labels"]["org.opencontainers.image.version"], "3.12.4");
            assert_eq!(config["created"], "2026-10-01T08:12:44Z");
        }
    });
}

/// Fetches what a descriptor points to and verifies size and digest.
async fn fetch(registry: &DemoRegistry, kind: &str, descriptor: &Value) -> Vec<u8> {
    let digest: Digest = descriptor["digest"].as_str().unwrap().parse().unwrap();
    let answer = ask(registry, Method::GET, &format!("/v2/library/python/{kind}/{digest}")).await;
    assert_eq!((answer.status, answer.digest.as_str()), (StatusCode::OK, digest.as_str()));
    assert!(digest.matches(&answer.body));
    assert_eq!(descriptor["size"], answer.body.len());
    answer.body
}

#[test]
fn a_tag_can_change_and_the_old_image_remains() {
    block_on(async {
        let registry = DemoRegistry::start().await.unwrap();
        let first = registry.push("web", "1", "1.0", CREATED);
        let again = registry.push("web", "1", "1.0", CREATED);
        let second = registry.push("web", "1", "1.1", CREATED);
        assert_eq!(first, again);
        assert_ne!(first, second);
        assert_eq!(ask(&registry, Method::HEAD, "/v2/web/manifests/1").await.digest, second.as_str());
        let old = ask(&registry, Method::GET, &format!("/v2/web/manifests/{first}")).await;
        assert!(first.matches(&old.body));
    });
}

#[test]
fn missing_content_is_reported_as_registries_do() {
    block_on(async {
        let registry = DemoRegistry::start().await.unwrap();
        registry.push("a/b", "1", "1", CREATED);
        let unknown = format!("/v2/a/b/blobs/sha256:{}", "0".repeat(64));
        for (method, path, status, code) in [
            (Method::GET, "/v2/a/b/manifests/2", 404, "MANIFEST_UNKNOWN"),
            (Method::GET, "/v2/b/manifests/1", 404, "NAME_UNKNOWN"),
            (Method::GET, unknown.as_str(), 404, "BLOB_UNKNOWN"),
            (Method::GET, "/v2/a/b/blobs/x", 404, "BLOB_UNKNOWN"),
            (Method::GET, "/v2/x", 404, "UNSUPPORTED"),
            (Method::GET, "/", 404, "UNSUPPORTED"),
            (Method::PUT, "/v2/a/b/manifests/1", 405, "UNSUPPORTED"),
            (Method::DELETE, "/v2/a/b/manifests/1", 405, "UNSUPPORTED"),
        ] {
            let answer = ask(&registry, method, path).await;
            let body: Value = serde_json::from_slice(&answer.body).unwrap();
            assert_eq!((answer.status.as_u16(), &body["errors"][0]["code"]), (status, &code.into()), "{path}");
        }
        for path in ["/v2", "/v2/"] {
            assert_eq!(ask(&registry, Method::GET, path).await.status, StatusCode::OK);
        }
    });
}

#[test]
fn an_independent_client_can_pull_from_it() {
    block_on(async {
        let registry = DemoRegistry::start().await.unwrap();
        let pushed = registry.push("library/python", "3.12", "3.12.4", CREATED);
        let client = Client::new(ClientConfig { protocol: ClientProtocol::Http, no_proxy: None, ..Default::default() });
        let reference = format!("{}/library/python:3.12", registry.host()).parse().unwrap();
        let (manifest, digest) = client.pull_manifest(&reference, &RegistryAuth::Anonymous).await.unwrap();
        assert_eq!(digest, pushed.as_str());
        let OciManifest::ImageIndex(index) = manifest else { panic!("not an index") };
        assert_eq!(index.manifests.len(), 2);
    });
}
