//! Converted ImageStreams: files, notes and lock.

use serde_json::json;

use super::*;
use crate::git::RootFiles;
use crate::model::lock::encode::encode;
use crate::model::stream::write::render;

fn digest(number: u8) -> String {
    crate::model::lock::sample::digest(number).to_string()
}

fn root(streams: &[(&str, &str)]) -> Root {
    let mut files: RootFiles = [("pinstream.toml".to_owned(), Vec::new())].into();
    files.extend(streams.iter().map(|(name, text)| (format!("streams/{name}.toml"), text.as_bytes().to_vec())));
    Root::read(&files).unwrap()
}

/// Converts `objects` to files, notes and lock, which must form a valid root without drift.
fn adopted(objects: &[serde_json::Value], root: &Root, options: &AdoptOptions) -> String {
    let object = |value: &serde_json::Value| ImageStreamObject {
        from: "a.yaml".to_owned(),
        fields: value.as_object().unwrap().clone(),
    };
    let adopted = match adopt(objects.iter().map(object).collect(), root, options) {
        Ok(adopted) => adopted,
        Err(problems) => {
            let show = |one: &Problem| format!("{}\nhelp: {}\n", one.message, one.help.as_deref().unwrap_or_default());
            return problems.0.iter().map(show).collect();
        }
    };
    let mut out = String::new();
    let mut files: RootFiles = [("pinstream.toml".to_owned(), Vec::new())].into();
    for (name, stream) in &adopted.streams {
        let text = render(name, stream);
        out.push_str(&format!("--- {name}\n{text}"));
        files.insert(format!("streams/{name}.toml"), text.into_bytes());
    }
    if !adopted.notes.is_empty() {
        out.push_str("--- notes\n");
        out.extend(adopted.notes.rows().iter().map(|[field, of, why]| format!("{field} | {of} | {why}\n")));
    }
    if options.status {
        out.push_str(&format!("--- lock\n{}", encode(&adopted.lock)));
    }
    if root.definitions.tags.is_empty() {
        let read = Root::read(&files).unwrap();
        let drift = crate::model::drift::find_drift(&read.definitions, &adopted.lock);
        let drift = drift.iter().filter(|one| one.kind != crate::model::drift::DriftKind::Missing);
        assert_eq!(drift.map(ToString::to_string).collect::<Vec<_>>(), Vec::<String>::new());
    }
    out
}

fn stream(name: &str, spec: serde_json::Value, status: serde_json::Value) -> serde_json::Value {
    json!({ "kind": "ImageStream", "metadata": { "name": name, "namespace": "ns" }, "spec": spec, "status": status })
}

fn preserve(name: &str, image: &str) -> serde_json::Value {
    let policy = json!({ "importMode": "PreserveOriginal", "scheduled": true });
    json!({ "name": name, "from": { "kind": "DockerImage", "name": image }, "importPolicy": policy })
}

#[track_caller]
fn check(objects: &[serde_json::Value], options: &AdoptOptions, expected: &str) {
    let found = adopted(objects, &root(&[]), options);
    assert_eq!(found.trim(), expected.trim(), "\n{found}");
}

/// An object with fields of all sorts.
fn object_with_all_fields() -> serde_json::Value {
    json!({
        "kind": "ImageStream",
        "apiVersion": "image.openshift.io/v1",
        "metadata": {
            "name": "web", "namespace": "ns", "creationTimestamp": null, "uid": "1", "resourceVersion": "2",
            "labels": { "app": "web" }, "zone": "odd",
            "annotations": {
                "description": "The web", "acme.example/owner": "web",
                "openshift.io/image.dockerRepositoryCheck": "2026-01-01T00:00:00Z",
                "openshift.io/image.insecureRepository": "true", "bad": "\u{1b}[31m",
            },
        },
        "spec": {
            "lookupPolicy": { "local": true },
            "dockerImageRepository": "quay.io/acme/web",
            "odd": [1],
            "tags": [
                {
                    "name": "1.0", "generation": 3, "annotations": { "tags": "builder" },
                    "from": { "kind": "DockerImage", "name": "python", "uid": "1" },
                    "importPolicy": { "scheduled": true, "insecure": true, "importMode": "Legacy", "later": 1 },
                    "referencePolicy": { "type": "Local" },
                },
                { "name": "latest", "from": { "kind": "ImageStreamTag", "name": "1.0" }, "reference": true,
                  "importPolicy": { "scheduled": true } },
                { "name": "same", "from": { "kind": "ImageStreamTag", "name": "web:1.0", "namespace": "ns" } },
                { "name": "arm", "from": { "kind": "DockerImage", "name": "quay.io/a/b:c" },
                  "annotations": { "importer.image.openshift.io/prefer-arch": "arm64" } },
                { "name": "pushed" },
                { "name": "odd", "from": { "kind": "Other", "name": "x" } },
                { "name": "-bad", "from": { "kind": "DockerImage", "name": "quay.io/a/b:c" } },
                { "name": "upper", "from": { "kind": "DockerImage", "name": "Quay.io/A/b:c" } },
                { "name": "given", "from": { "kind": "DockerImage", "name": "${IMAGE}" } },
            ],
        },
        "status": { "dockerImageRepository": "image-registry.example:5000/ns/web" },
        "extra": {},
    })
}

#[test]
fn every_field_is_converted_or_noted() {
    check(
        &[object_with_all_fields()],
        &AdoptOptions::default(),
        r#"
--- web
# not converted: pushed: exists only through pushes to the cluster's registry
# not converted: odd: unknown kind `Other` in `from.kind`
# not converted: -bad: invalid tag name `-bad`
# not converted: upper: upper-case letters in repository `A/b`
# not converted: given: `${IMAGE}` contains a parameter without a value
description = "The web"

[annotations]
"acme.example/owner" = "web"

[tags]
latest = { follow = "1.0" }
same = { follow = "1.0" }
arm = { image = "quay.io/a/b:c", platform = "linux/arm64" }

# not converted: importPolicy.insecure: set `plain-http = true` or `ca` in `[registry."docker.io"]` of `pinstream.toml`
[tags."1.0"]
image = "docker.io/library/python:latest"
schedule = "*/15 * * * *"
[tags."1.0".annotations]
tags = "builder"

[discover]
repository = "quay.io/acme/web"
limit = 50
--- notes
status.dockerImageRepository | web | address in the cluster's registry
metadata.resourceVersion | web | internal to the cluster
metadata.uid | web | internal to the cluster
metadata.labels | web | streams have annotations, but no labels
metadata.annotations: bad | web | contains characters that cannot be displayed
metadata.annotations: openshift.io/image.dockerRepositoryCheck | web | internal to the cluster
openshift.io/image.insecureRepository: true | web | set `plain-http = true` or `ca` in `[registry."host"]` of `pinstream.toml`
metadata.zone | web | unknown field
lookupPolicy.local: true | web | not needed: deployments use pinned references
spec.dockerImageRepository | web | converted to `[discover]`; OpenShift lists the tags once, pinstream in every pass
spec.tags.from.uid | web:1.0 | internal to the cluster
spec.tags.importPolicy.later | web:1.0 | unknown field
importPolicy.insecure: true | web:1.0 | set `plain-http = true` or `ca` in `[registry."docker.io"]` of `pinstream.toml`
importMode: Legacy | web:1.0 | the index is pinned with all platforms; `--platform linux/amd64` pins one image
referencePolicy: Local | web:1.0 | pins refer to the source registry
spec.tags.generation | web:1.0 | internal to the cluster
importPolicy.scheduled: true | web:latest | the followed tag has the schedule
reference: true | web:latest | resolved and pinned like any other tag
importPolicy.scheduled: false | web:arm | resolved in every pass, or by the `schedule` in `[import]`; `schedule = "never"` resolves it only on request
whole tag | web:pushed | exists only through pushes to the cluster's registry
whole tag | web:odd | unknown kind `Other` in `from.kind`
whole tag | web:-bad | invalid tag name `-bad`
whole tag | web:upper | upper-case letters in repository `A/b`
whole tag | web:given | `${IMAGE}` contains a parameter without a value
spec.odd | web | unknown field
"#,
    );
}

#[test]
fn of_two_tags_with_one_name_the_last_one_is_used() {
    let tags = json!({ "tags": [preserve("1", "quay.io/a/b:1"), preserve("1", "quay.io/a/b:2")] });
    check(
        &[stream("web", tags, json!({}))],
        &AdoptOptions::default(),
        r#"
--- web
[tags]
"1" = { image = "quay.io/a/b:2", schedule = "*/15 * * * *" }
--- notes
duplicate tag | web:1 | the last one is used, as in OpenShift
"#,
    );
}

#[test]
fn tags_follow_across_streams_and_namespaces() {
    let follow = |name: &str, target: &str, namespace: &str| json!({ "name": name, "from": { "kind": "ImageStreamTag", "name": target, "namespace": namespace } });
    let web = json!({ "tags": [
        follow("other", "base:1", ""), follow("far", "base:1", "elsewhere"), follow("gone", "base:2", "ns"),
        follow("chain", "gone", ""), follow("a", "b", ""), follow("b", "c", ""), follow("c", "a", ""),
        follow("copied", "nowhere:1", ""),
    ] });
    let items = json!([{ "dockerImageReference": format!("quay.io/a/copy@{}", digest(7)), "image": digest(7) }]);
    let status = json!({ "tags": [{ "tag": "copied", "items": items }] });
    let base = stream("base", json!({ "tags": [preserve("1", "quay.io/a/base:1")] }), json!({}));
    let objects = [stream("web", web, status), base];
    check(
        &objects,
        &AdoptOptions::default(),
        r#"
--- base
[tags]
"1" = { image = "quay.io/a/base:1", schedule = "*/15 * * * *" }
--- web
# not converted: far: follows `elsewhere/base:1`, which is not in the input
# not converted: gone: follows `base:2`, which is not in the input
# not converted: chain: follows `web:gone`, which is not in the input
# not converted: a: part of a cycle of followed tags
# not converted: b: part of a cycle of followed tags
# not converted: c: part of a cycle of followed tags

[tags]
other = { follow = "base:1" }
# not converted: from: follows `nowhere:1`, which is not in the input; replaced by the image that the cluster copied
copied = "quay.io/a/copy@sha256:0707070707070707070707070707070707070707070707070707070707070707"
--- notes
status.tags.items | web:copied | use `--with-status` to create the first lock from it
whole tag | web:far | follows `elsewhere/base:1`, which is not in the input
whole tag | web:gone | follows `base:2`, which is not in the input
whole tag | web:chain | follows `web:gone`, which is not in the input
whole tag | web:a, web:b, web:c | part of a cycle of followed tags
from | web:copied | follows `nowhere:1`, which is not in the input; replaced by the image that the cluster copied
"#,
    );
    check(
        &objects,
        &AdoptOptions { namespaces: true, ..AdoptOptions::default() },
        r#"
--- ns/base
[tags]
"1" = { image = "quay.io/a/base:1", schedule = "*/15 * * * *" }
--- ns/web
# not converted: far: follows `elsewhere/base:1`, which is not in the input
# not converted: gone: follows `ns/base:2`, which is not in the input
# not converted: chain: follows `ns/web:gone`, which is not in the input
# not converted: a: part of a cycle of followed tags
# not converted: b: part of a cycle of followed tags
# not converted: c: part of a cycle of followed tags

[tags]
other = { follow = "ns/base:1" }
# not converted: from: follows `ns/nowhere:1`, which is not in the input; replaced by the image that the cluster copied
copied = "quay.io/a/copy@sha256:0707070707070707070707070707070707070707070707070707070707070707"
--- notes
status.tags.items | ns/web:copied | use `--with-status` to create the first lock from it
whole tag | ns/web:far | follows `elsewhere/base:1`, which is not in the input
whole tag | ns/web:gone | follows `ns/base:2`, which is not in the input
whole tag | ns/web:chain | follows `ns/web:gone`, which is not in the input
whole tag | ns/web:a, ns/web:b, ns/web:c | part of a cycle of followed tags
from | ns/web:copied | follows `ns/nowhere:1`, which is not in the input; replaced by the image that the cluster copied
"#,
    );
}

#[test]
fn a_stream_of_the_root_can_be_followed() {
    let tags = json!({ "tags": [{ "name": "1", "from": { "kind": "ImageStreamTag", "name": "base:1" } }] });
    let root = root(&[("base", "tags.\"1\" = \"quay.io/a/b:1\"")]);
    let found = adopted(&[stream("web", tags, json!({}))], &root, &AdoptOptions::default());
    assert_eq!(found, "--- web\n[tags]\n\"1\" = { follow = \"base:1\" }\n");
}

/// A stream with the histories of its tags.
fn stream_with_histories() -> serde_json::Value {
    let item = |number: u8, repository: &str| {
        json!({ "created": "2026-01-01T00:00:00Z", "generation": 2, "image": digest(number),
                "dockerImageReference": format!("{repository}@{}", digest(number)) })
    };
    let many: Vec<_> = [9, 8, 7, 8, 6, 5, 4, 3].iter().map(|number| item(*number, "quay.io/a/b")).collect();
    let status = json!({ "tags": [
        { "tag": "1", "items": many },
        { "tag": "2", "items": [item(1, "quay.io/other/b")] },
        { "tag": "latest", "items": [item(8, "quay.io/a/b"), item(7, "quay.io/a/b")] },
        { "tag": "push", "items": [item(2, "registry.example:5000/ns/web")] },
        { "tag": "new", "conditions": [
            { "type": "ImportSuccess", "status": "False", "reason": "Unauthorized", "message": "you may not" }] },
        { "tag": "plain", "items": [{ "dockerImageReference": "quay.io/a/b:plain", "image": "" }] },
    ] });
    let tags = json!({ "tags": [
        preserve("1", "quay.io/a/b:1"), preserve("2", "quay.io/a/b:2"), preserve("new", "quay.io/a/b:new"),
        preserve("plain", "quay.io/a/b:plain"),
        { "name": "latest", "from": { "kind": "ImageStreamTag", "name": "1" } },
        { "name": "none", "from": { "kind": "ImageStreamTag", "name": "new" } },
        { "name": "fixed", "from": { "kind": "ImageStreamImage", "name": "web@sha256:0707" } },
        { "name": "short", "from": { "kind": "ImageStreamImage", "name": "web@0606" } },
        { "name": "many", "from": { "kind": "ImageStreamImage", "name": "web@0" } },
        { "name": "lost", "from": { "kind": "ImageStreamImage", "name": "web@sha256:aa" } },
    ] });
    stream("web", tags, status)
}

#[test]
fn histories_become_the_first_lock() {
    let options = AdoptOptions { status: true, ..AdoptOptions::default() };
    check(
        &[stream_with_histories()],
        &options,
        r#"
--- web
# not converted: many: `web@0`: matches several images in the history
# not converted: lost: `web@sha256:aa`: not found in the given histories

[tags]
"1" = { image = "quay.io/a/b:1", schedule = "*/15 * * * *" }
"2" = { image = "quay.io/a/b:2", schedule = "*/15 * * * *" }
new = { image = "quay.io/a/b:new", schedule = "*/15 * * * *" }
plain = { image = "quay.io/a/b:plain", schedule = "*/15 * * * *" }
latest = { follow = "1" }
none = { follow = "new" }
fixed = "quay.io/a/b@sha256:0707070707070707070707070707070707070707070707070707070707070707"
short = "quay.io/a/b@sha256:0606060606060606060606060606060606060606060606060606060606060606"
--- notes
status.tags.conditions | web:new | last import in the cluster failed: Unauthorized: you may not
whole tag | web:many | `web@0`: matches several images in the history
whole tag | web:lost | `web@sha256:aa`: not found in the given histories
status.tags | web:push | no converted tag in `spec`
status.tags.items | web:1 | a pin has at most five earlier digests
status.tags.items | web:2 | the last image is from another repository
status.tags.items | web:new | no history yet
status.tags.items | web:plain | no digest recorded
status.tags.items | web:latest | differs from the followed tag, whose digest is used
status.tags.items | web:none | the followed tag has no history
--- lock
# Pinned by pinstream. Review it; don't edit it. Conflict? Run: pinstream update
version = 1

[[pin]]
stream = "web"
tag = "1"
image = "quay.io/a/b:1"
digest = "sha256:0909090909090909090909090909090909090909090909090909090909090909"
previous = ["sha256:0808080808080808080808080808080808080808080808080808080808080808", "sha256:0707070707070707070707070707070707070707070707070707070707070707", "sha256:0606060606060606060606060606060606060606060606060606060606060606", "sha256:0505050505050505050505050505050505050505050505050505050505050505", "sha256:0404040404040404040404040404040404040404040404040404040404040404"]

[[pin]]
stream = "web"
tag = "fixed"
image = "quay.io/a/b@sha256:0707070707070707070707070707070707070707070707070707070707070707"
digest = "sha256:0707070707070707070707070707070707070707070707070707070707070707"

[[pin]]
stream = "web"
tag = "latest"
follow = "web:1"
image = "quay.io/a/b:1"
digest = "sha256:0909090909090909090909090909090909090909090909090909090909090909"
previous = ["sha256:0808080808080808080808080808080808080808080808080808080808080808", "sha256:0707070707070707070707070707070707070707070707070707070707070707"]

[[pin]]
stream = "web"
tag = "short"
image = "quay.io/a/b@sha256:0606060606060606060606060606060606060606060606060606060606060606"
digest = "sha256:0606060606060606060606060606060606060606060606060606060606060606"
"#,
    );
}

#[test]
fn one_platform_is_pinned_on_request() {
    let tags = json!({ "tags": [
        { "name": "1", "from": { "kind": "DockerImage", "name": "quay.io/a/b:1" }, "importPolicy": { "scheduled": true } },
        preserve("2", "quay.io/a/b:2"),
        { "name": "3", "from": { "kind": "DockerImage", "name": format!("quay.io/a/b@{}", digest(1)) } },
    ] });
    let options = AdoptOptions { platform: Some("linux/s390x".parse().unwrap()), ..AdoptOptions::default() };
    check(
        &[stream("web", tags, json!({}))],
        &options,
        r#"
--- web
[tags]
"1" = { image = "quay.io/a/b:1", platform = "linux/s390x", schedule = "*/15 * * * *" }
"2" = { image = "quay.io/a/b:2", schedule = "*/15 * * * *" }
"3" = "quay.io/a/b@sha256:0101010101010101010101010101010101010101010101010101010101010101"
"#,
    );
}

#[test]
fn two_objects_with_one_name_must_be_equal() {
    let one = stream("web", json!({ "tags": [preserve("1", "quay.io/a/b:1")] }), json!({}));
    let mut other = one.clone();
    check(
        &[one.clone(), other.clone()],
        &AdoptOptions::default(),
        r#"
--- web
[tags]
"1" = { image = "quay.io/a/b:1", schedule = "*/15 * * * *" }
"#,
    );
    other["metadata"]["namespace"] = json!("other");
    other["spec"]["tags"][0]["from"]["name"] = json!("quay.io/a/b:2");
    check(
        &[one, other],
        &AdoptOptions::default(),
        r#"
`a.yaml` contains two different ImageStreams named `web`
help: use `--namespaces` to keep streams of different namespaces apart
"#,
    );
}

#[test]
fn a_name_that_no_stream_can_have_is_noted() {
    check(
        &[stream("We_b-", json!({}), json!({})), json!({ "kind": "ImageStream" })],
        &AdoptOptions::default(),
        r#"
--- notes
whole stream | We_b- in a.yaml | invalid stream name `We_b-`
whole stream |  in a.yaml | invalid stream name ``
"#,
    );
}
