//! Selecting one platform of an index, by all its names, and never silently one of several.

use pinstream::model::image::Digest;

use crate::support::registry::http::Answer;
use crate::support::registry::{FakeRegistry, Image};
use crate::support::sandbox::{Ran, Sandbox};

/// Updates a lock with `tag`, a line of a stream; `IMAGE` is replaced by the image.
fn update(fake: &FakeRegistry, tag: &str) -> (Sandbox, Ran) {
    let sandbox = Sandbox::new();
    sandbox.write("pinstream.toml", &format!("[registry.\"{}\"]\nplain-http = true\n", fake.host()));
    let tag = tag.replace("IMAGE", &format!("{}/a:t", fake.host()));
    sandbox.write("streams/s.toml", &format!("[tags]\nx = {tag}\n"));
    let ran = sandbox.run(&["update"]);
    (sandbox, ran)
}

#[test]
fn a_platform_is_found_by_each_of_its_names() {
    // The names in Docker's official images.
    let made = Image::new(1).docker().platforms(&["linux/amd64", "linux/arm/v7", "linux/arm64/v8"]);
    let children: Vec<Digest> = made.build().children.into_iter().map(|child| child.digest).collect();
    let fake = FakeRegistry::start();
    fake.push("a", "t", &made);
    for (platform, child, shown) in [
        ("linux/arm64", 2, "linux/arm64"),
        ("linux/arm64/v8", 2, "linux/arm64"),
        ("linux/arm", 1, "linux/arm/v7"),
        ("linux/amd64/v1", 0, "linux/amd64"),
    ] {
        let (sandbox, ran) = update(&fake, &format!("{{ image = \"IMAGE\", platform = \"{platform}\" }}"));
        assert_eq!(ran.code, Some(0), "{platform} {}{}", ran.stdout, ran.stderr);
        let lock = sandbox.read("pinstream.lock");
        assert!(lock.contains(&format!("digest = \"{}\"", children[child])), "{platform} {lock}");
        assert!(lock.contains(&format!("platforms = [\"{shown}\"]")), "{platform} {lock}");
        // An unchanged pin costs no further request.
        fake.forget();
        assert_eq!(sandbox.run(&["update"]).code, Some(0));
        assert_eq!((fake.counts().head, fake.counts().get), (1, 0), "{platform}");
    }
    let (sandbox, ran) = update(&fake, "{ image = \"IMAGE\", platforms = [\"linux/arm64\", \"linux/arm\"] }");
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    let lock = sandbox.read("pinstream.lock");
    assert!(lock.contains("platforms = [\"linux/amd64\", \"linux/arm/v7\", \"linux/arm64\"]"), "{lock}");
    assert_eq!(sandbox.run(&["check"]).code, Some(0));
}

#[test]
fn several_images_for_one_platform_are_refused_and_listed() {
    let media_type = "application/vnd.oci.image.index.v1+json";
    let children: Vec<Digest> = (1..=2).map(|seed| Image::new(seed).digest()).collect();
    let listed: Vec<_> = ["10.0.17763.1", "10.0.20348.1"]
        .iter()
        .zip(&children)
        .map(|(version, digest)| {
            serde_json::json!({
                "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest.as_str(), "size": 1,
                "platform": {"os": "windows", "architecture": "amd64", "os.version": version},
            })
        })
        .collect();
    let index = serde_json::json!({"schemaVersion": 2, "mediaType": media_type, "manifests": listed}).to_string();
    let digest = Digest::sha256(index.as_bytes());
    let fake = FakeRegistry::start();
    fake.lie(move |request| {
        let answer = Answer::new(200).header("content-type", media_type);
        let is_index = request.path().ends_with("/t") || request.path().ends_with(digest.as_str());
        is_index.then(|| answer.header("docker-content-digest", digest.as_str()).body(index.clone()))
    });
    let (_, ran) = update(&fake, "{ image = \"IMAGE\", platform = \"windows/amd64\" }");
    let text = format!("{}{}", ran.stdout, ran.stderr);
    assert!(ran.code != Some(0) && text.contains("has 2 images for `windows/amd64`"), "{:?} {text}", ran.code);
    assert!(children.iter().all(|child| text.contains(child.as_str())), "{text}");
}
