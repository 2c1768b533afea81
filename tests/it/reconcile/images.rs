//! Images with missing metadata are pinned, and images without a required platform are not.

use pinstream::model::image::Digest;
use serde_json::{Value, json};

use super::stage::Stage;
use crate::support::registry::Image;
use crate::support::registry::image::{Built, Content};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const OCI: &str = "application/vnd.oci.image.manifest.v1+json";

/// A root with one tag at `app:1` with `rules`.
fn stage(rules: &str) -> Stage {
    let stage = Stage::new("");
    stage.commit("streams/app.toml", &format!("[tags.one]\nimage = \"REGISTRY/app:1\"\n{rules}\n"));
    stage
}

/// Replaces the rules of the tag.
fn rules(stage: &Stage, rules: &str) {
    stage.commit("streams/app.toml", &format!("[tags.one]\nimage = \"REGISTRY/app:1\"\n{rules}\n"));
}

fn put(stage: &Stage, tag: Option<&str>, media_type: &str, value: &Value) -> Content {
    let content = Content::new(media_type, value.to_string().into_bytes());
    stage.registry.put("app", tag, content.clone());
    content
}

/// Stores everything of an image but its tag, and returns the descriptor of its manifest.
fn child(stage: &Stage, image: &Image) -> Value {
    let Built { top, children, blobs } = image.build();
    let descriptor = json!({"mediaType": top.media_type, "digest": top.digest.as_str(), "size": top.bytes.len()});
    for content in children.into_iter().chain(blobs).chain([top]) {
        stage.registry.put("app", None, content);
    }
    descriptor
}

fn index(stage: &Stage, tag: Option<&str>, children: &[Value]) -> Content {
    put(stage, tag, INDEX, &json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": children}))
}

fn descriptor(content: &Content) -> Value {
    json!({"mediaType": content.media_type, "digest": content.digest.as_str(), "size": content.bytes.len()})
}

#[test]
fn r09_an_artifact_without_a_readable_configuration_is_pinned_unless_a_rule_needs_it() {
    let stage = stage("");
    let artifact = |seed: u64, config: &[u8]| {
        let config = Content::new("application/vnd.oci.empty.v1+json", config.to_vec());
        let layer = Content::new("application/octet-stream", format!("{seed}").into_bytes());
        let manifest = json!({
            "schemaVersion": 2, "mediaType": OCI, "config": descriptor(&config), "layers": [descriptor(&layer)],
        });
        stage.registry.put("app", None, config);
        put(&stage, Some("1"), OCI, &manifest).digest.to_string()
    };
    for (seed, config) in [b"".as_slice(), b"not JSON", b"[]"].into_iter().enumerate() {
        let digest = artifact(seed as u64, config);
        let said = stage.ends(0, &[]);
        assert_eq!(stage.pin("app:one"), Some(digest));
        assert!(said.contains("no metadata: invalid image configuration"), "{said}");
    }
    let before = stage.lock();
    for rule in
        ["platforms = [\"linux/amd64\"]", "platform = \"linux/amd64\"", "allow = \"minor\"", "ignore = [\"config\"]"]
    {
        rules(&stage, rule);
        artifact(10, b"");
        stage.ends(4, &[]);
        assert_eq!(stage.lock(), before, "{rule}");
    }
    rules(&stage, "ignore = [\"attestation\"]");
    let digest = artifact(11, b"");
    stage.ends(0, &[]);
    assert_eq!(stage.pin("app:one"), Some(digest));
}

#[test]
fn r10_children_without_a_platform_are_known_by_their_configuration_also_in_a_nested_index() {
    let stage = stage("platform = \"linux/amd64\"");
    let (first, second) = (Image::new(1), Image::new(2));
    index(&stage, Some("1"), &[child(&stage, &first)]);
    stage.ends(0, &[]);
    assert_eq!(stage.pin("app:one"), Some(first.digest().to_string()));
    // Nested by one level.
    let inner = index(&stage, None, &[child(&stage, &second)]);
    let outer = index(&stage, Some("1"), &[descriptor(&inner)]);
    stage.ends(0, &[]);
    assert_eq!(stage.pin("app:one"), Some(second.digest().to_string()));
    assert!(stage.lock().contains(&format!("index = \"{}\"", outer.digest)), "{}", stage.lock());
    rules(&stage, "platforms = [\"linux/amd64\"]");
    stage.ends(0, &[]);
    assert_eq!(stage.pin("app:one"), Some(outer.digest.to_string()));
    // A few children are read, not all.
    let many: Vec<Value> = (10..30).map(|seed| child(&stage, &Image::new(seed))).collect();
    index(&stage, Some("1"), &many);
    rules(&stage, "");
    stage.registry.forget();
    stage.ends(0, &[]);
    assert!(stage.registry.counts().get < 30, "{:?}", stage.registry.counts());
}

#[test]
fn r20_the_manifest_of_a_required_platform_must_exist() {
    let image = |seed: u64| Image::new(seed).platforms(&["linux/amd64", "linux/arm64"]);
    let children =
        |seed: u64| -> Vec<Digest> { image(seed).build().children.into_iter().map(|one| one.digest).collect() };
    for (rule, gone) in [
        ("platforms = [\"linux/arm64\"]", 1),
        ("platforms = [\"linux/amd64\", \"linux/arm64\"]", 0),
        ("platform = \"linux/arm64\"", 1),
    ] {
        let stage = stage(rule);
        stage.registry.push("app", "1", &image(1));
        stage.ends(0, &[]);
        let before = stage.lock();
        stage.registry.push("app", "1", &image(2));
        stage.registry.fail(children(2)[gone].as_str(), 404);
        let said = stage.ends(3, &["app"]);
        assert!(said.contains("not-found: "), "{rule} {said}");
        assert_eq!(stage.lock(), before, "{rule}");
        stage.registry.clear_lies();
        stage.ends(0, &["app"]);
        assert_ne!(stage.lock(), before, "{rule}");
    }
}

#[test]
fn r02_annotations_of_an_entry_of_an_index_describe_the_image() {
    let stage = stage("");
    let mut entry = child(&stage, &Image::new(1).version("24.04"));
    entry["platform"] = json!({"os": "linux", "architecture": "amd64"});
    entry["annotations"] = json!({
        "org.opencontainers.image.version": "3.12.4", "org.opencontainers.image.revision": "0f1c2d",
    });
    index(&stage, Some("1"), &[entry]);
    stage.ends(0, &[]);
    let lock = stage.lock();
    assert!(lock.contains("version = \"3.12.4\"") && lock.contains("revision = \"0f1c2d\""), "{lock}");
}
