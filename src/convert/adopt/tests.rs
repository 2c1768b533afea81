//! Tests of what objects become.

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

/// All that comes of `objects`: files, notes, lock. It is a root without a problem, and its lock agrees with it.
fn adopted(objects: &[serde_json::Value], root: &Root, wishes: &AdoptOptions) -> String {
    let object = |value: &serde_json::Value| ImageStreamObject {
        from: "a.yaml".to_owned(),
        fields: value.as_object().unwrap().clone(),
    };
    let adopted = match adopt(objects.iter().map(object).collect(), root, wishes) {
        Ok(adopted) => adopted,
        Err(problems) => {
            let said = |one: &Problem| format!("{}\nhelp: {}\n", one.message, one.help.as_deref().unwrap_or_default());
            return problems.0.iter().map(said).collect();
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
    if wishes.status {
        out.push_str(&format!("--- lock\n{}", encode(&adopted.lock)));
    }
    if root.definitions.tags.is_empty() {
        let read = Root::read(&files).unwrap();
        let wrong = crate::model::lock::drift::find_drift(&read.definitions, &adopted.lock);
        let wrong = wrong.iter().filter(|one| one.kind != crate::model::lock::drift::DriftKind::Missing);
        assert_eq!(wrong.map(ToString::to_string).collect::<Vec<_>>(), Vec::<String>::new());
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
fn check(objects: &[serde_json::Value], wishes: &AdoptOptions, expected: &str) {
    let found = adopted(objects, &root(&[]), wishes);
    assert_eq!(found.trim(), expected.trim(), "\n{found}");
}

#[test]
fn every_field_is_carried_over_or_named() {
    let object = json!({
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
    });
    check(
        &[object],
        &AdoptOptions::default(),
        r#"
--- web
# not carried: pushed: it exists only by pushes to the cluster's registry
# not carried: odd: `from.kind: Other` is not a kind that is known here
# not carried: -bad: invalid tag name `-bad`
# not carried: upper: upper-case letters in repository `A/b`
# not carried: given: `${IMAGE}` has a parameter without a value
description = "The web"

[annotations]
"acme.example/owner" = "web"

[tags]
latest = { follow = "1.0" }
same = { follow = "1.0" }
arm = { image = "quay.io/a/b:c", platform = "linux/arm64" }

# not carried: importPolicy.insecure: `[registry."docker.io"]` in `pinstream.toml` says `plain-http = true`, or names a `ca`
[tags."1.0"]
image = "docker.io/library/python:latest"
schedule = "*/15 * * * *"
[tags."1.0".annotations]
tags = "builder"

[discover]
repository = "quay.io/acme/web"
limit = 50
--- notes
status.dockerImageRepository | web | an address in the cluster's own registry
metadata.resourceVersion | web | the cluster's own bookkeeping; Git has its own
metadata.uid | web | the cluster's own bookkeeping; Git has its own
metadata.labels | web | streams have `annotations` alone
metadata.annotations: bad | web | it holds characters that cannot be shown
metadata.annotations: openshift.io/image.dockerRepositoryCheck | web | the cluster's own bookkeeping; Git has its own
openshift.io/image.insecureRepository: true | web | `[registry."host"]` in `pinstream.toml` says `plain-http = true`, or names a `ca`
metadata.zone | web | not a field that is known here
lookupPolicy.local: true | web | nothing in the cluster is changed: deployments name the pins
spec.dockerImageRepository | web | carried: OpenShift reads the list once, a pass reads it each time
spec.tags.from.uid | web:1.0 | the cluster's own bookkeeping; Git has its own
spec.tags.importPolicy.later | web:1.0 | not a field that is known here
importPolicy.insecure: true | web:1.0 | `[registry."docker.io"]` in `pinstream.toml` says `plain-http = true`, or names a `ca`
importMode: Legacy | web:1.0 | the index is pinned, with all platforms; `--platform linux/amd64` pins one image of it
referencePolicy: Local | web:1.0 | a pin names its source; the cluster's registry is not in between
spec.tags.generation | web:1.0 | the cluster's own bookkeeping; Git has its own
importPolicy.scheduled: true | web:latest | what it follows has the schedule
reference: true | web:latest | it is imported and pinned as any other tag
importPolicy.scheduled: false | web:arm | each pass imports it, or the `schedule` of `[import]`; `schedule = "never"` waits for a person
the whole tag | web:pushed | it exists only by pushes to the cluster's registry
the whole tag | web:odd | `from.kind: Other` is not a kind that is known here
the whole tag | web:-bad | invalid tag name `-bad`
the whole tag | web:upper | upper-case letters in repository `A/b`
the whole tag | web:given | `${IMAGE}` has a parameter without a value
spec.odd | web | not a field that is known here
"#,
    );
}

#[test]
fn two_tags_of_one_name_are_the_last_one_as_in_openshift() {
    let tags = json!({ "tags": [preserve("1", "quay.io/a/b:1"), preserve("1", "quay.io/a/b:2")] });
    check(
        &[stream("web", tags, json!({}))],
        &AdoptOptions::default(),
        r#"
--- web
[tags]
"1" = { image = "quay.io/a/b:2", schedule = "*/15 * * * *" }
--- notes
the first of two | web:1 | as OpenShift does, the last one is taken
"#,
    );
}

#[test]
fn following_settles_over_streams_and_namespaces() {
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
# not carried: far: it follows `elsewhere/base:1`, which is not here
# not carried: gone: it follows `base:2`, which is not here
# not carried: chain: it follows `web:gone`, which is not here
# not carried: a: it follows itself, over one or more tags
# not carried: b: it follows itself, over one or more tags
# not carried: c: it follows itself, over one or more tags

[tags]
other = { follow = "base:1" }
# not carried: from: it follows `nowhere:1`, which is not here; this is the image that was copied
copied = "quay.io/a/copy@sha256:0707070707070707070707070707070707070707070707070707070707070707"
--- notes
status.tags.items | web:copied | `--with-status` makes the first lock of it
the whole tag | web:far | it follows `elsewhere/base:1`, which is not here
the whole tag | web:gone | it follows `base:2`, which is not here
the whole tag | web:chain | it follows `web:gone`, which is not here
the whole tag | web:a, web:b, web:c | it follows itself, over one or more tags
from | web:copied | it follows `nowhere:1`, which is not here; fixed to the image that the cluster had copied
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
# not carried: far: it follows `elsewhere/base:1`, which is not here
# not carried: gone: it follows `ns/base:2`, which is not here
# not carried: chain: it follows `ns/web:gone`, which is not here
# not carried: a: it follows itself, over one or more tags
# not carried: b: it follows itself, over one or more tags
# not carried: c: it follows itself, over one or more tags

[tags]
other = { follow = "ns/base:1" }
# not carried: from: it follows `ns/nowhere:1`, which is not here; this is the image that was copied
copied = "quay.io/a/copy@sha256:0707070707070707070707070707070707070707070707070707070707070707"
--- notes
status.tags.items | ns/web:copied | `--with-status` makes the first lock of it
the whole tag | ns/web:far | it follows `elsewhere/base:1`, which is not here
the whole tag | ns/web:gone | it follows `ns/base:2`, which is not here
the whole tag | ns/web:chain | it follows `ns/web:gone`, which is not here
the whole tag | ns/web:a, ns/web:b, ns/web:c | it follows itself, over one or more tags
from | ns/web:copied | it follows `ns/nowhere:1`, which is not here; fixed to the image that the cluster had copied
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

#[test]
fn histories_become_the_first_lock() {
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
    let wishes = AdoptOptions { status: true, ..AdoptOptions::default() };
    check(
        &[stream("web", tags, status)],
        &wishes,
        r#"
--- web
# not carried: many: `web@0`: several images of the history begin so
# not carried: lost: `web@sha256:aa`: no history that was given says where this image is

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
status.tags.conditions | web:new | the cluster's last import failed: Unauthorized: you may not
the whole tag | web:many | `web@0`: several images of the history begin so
the whole tag | web:lost | `web@sha256:aa`: no history that was given says where this image is
status.tags | web:push | no tag of the stream's `spec` is carried over for it
status.tags.items | web:1 | a pin remembers five earlier digests
status.tags.items | web:2 | the last image is of another repository
status.tags.items | web:new | there is no history yet
status.tags.items | web:plain | the cluster kept no digest of it
status.tags.items | web:latest | it stands where the tag it follows stands
status.tags.items | web:none | what it follows has no history
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
fn one_platform_is_pinned_where_it_is_asked_for() {
    let tags = json!({ "tags": [
        { "name": "1", "from": { "kind": "DockerImage", "name": "quay.io/a/b:1" }, "importPolicy": { "scheduled": true } },
        preserve("2", "quay.io/a/b:2"),
        { "name": "3", "from": { "kind": "DockerImage", "name": format!("quay.io/a/b@{}", digest(1)) } },
    ] });
    let wishes = AdoptOptions { platform: Some("linux/s390x".parse().unwrap()), ..AdoptOptions::default() };
    check(
        &[stream("web", tags, json!({}))],
        &wishes,
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
fn two_objects_of_one_name_have_to_be_the_same() {
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
`a.yaml` has two ImageStreams `web`, and they differ
help: `--namespaces` keeps streams of several namespaces apart
"#,
    );
}

#[test]
fn a_name_that_no_stream_can_have_is_named() {
    check(
        &[stream("We_b-", json!({}), json!({})), json!({ "kind": "ImageStream" })],
        &AdoptOptions::default(),
        r#"
--- notes
the whole stream | We_b- in a.yaml | invalid stream name `We_b-`
the whole stream |  in a.yaml | invalid stream name ``
"#,
    );
}
