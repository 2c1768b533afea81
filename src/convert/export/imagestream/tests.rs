//! Exported streams as other programs read them: a YAML parser, and `adopt`.

use proptest::prelude::{ProptestConfig, any, proptest};
use serde_json::{Value, json};

use super::*;
use crate::convert::adopt::object::ImageStreamObjects;
use crate::convert::adopt::{AdoptOptions, adopt};
use crate::convert::export::tests::{Image, exported, fails, lock, root, yaml};
use crate::convert::export::{ExportFormat, export};
use crate::model::lock::sample::{self, digest};
use crate::model::root::Root;
use crate::model::settings::globs::TagGlobs;
use crate::model::stream::write::render as stream_text;
use crate::text::diagnostics::SourceFile;
use crate::text::escape::toml_string;

const PYTHON: &str = "docker.io/library/python:3.12";

fn export_of(root: &Root) -> Value {
    let text = export(ExportFormat::ImageStream, root, &TagGlobs::all()).unwrap().text;
    serde_yaml_ng::from_str(&text).unwrap()
}

/// Adopts an export of `exported`.
fn adopted(exported: &Root) -> Root {
    let text = export(ExportFormat::ImageStream, exported, &TagGlobs::all()).unwrap().text;
    let mut found = ImageStreamObjects::default();
    found.read(&SourceFile { path: "is.yaml".to_owned(), text }.into()).unwrap();
    let options = AdoptOptions { namespaces: true, status: true, platform: None };
    let adopted = adopt(found.objects, &root(&[], ""), &options).unwrap();
    assert_eq!(adopted.notes.rows(), Vec::<[String; 3]>::new());
    let streams: Vec<_> =
        adopted.streams.iter().map(|(name, stream)| (name.as_str(), stream_text(name, stream))).collect();
    let streams: Vec<(&str, &str)> = streams.iter().map(|(name, text)| (*name, text.as_str())).collect();
    Root { lock: adopted.lock, ..root(&streams, "") }
}

fn history(tag: &str, repository: &str, numbers: &[u8]) -> Value {
    let item = |number: &u8| {
        let image = digest(*number).to_string();
        json!({ "created": null, "dockerImageReference": format!("{repository}@{image}"), "image": image, "generation": 0 })
    };
    json!({ "tag": tag, "items": numbers.iter().map(item).collect::<Vec<_>>() })
}

#[test]
fn a_stream_is_an_object_with_its_history() {
    let tags = format!(
        "description = \"yes\"\n[annotations]\n\"acme.example/owner\" = \"1.0\"\n[tags]\n\"3.12\" = \"{PYTHON}\"\nlatest = {{ \
         follow = \"3.12\" }}\narm = {{ image = \"{PYTHON}\", platform = \"linux/arm64\", annotations = {{ arch = \"0x1f\" }} }}\n"
    );
    let mut root = root(&[("python", &tags)], "");
    root.lock = sample::python();
    let arm = root.lock.pins.get_mut(&"python:arm".parse().unwrap()).unwrap();
    arm.details.platforms = vec!["linux/arm64".parse().unwrap()];
    let repository = "docker.io/library/python";
    let image = |number| json!({ "kind": "DockerImage", "name": format!("{repository}@{}", digest(number)) });
    let [policy, source] = [json!({ "importMode": "PreserveOriginal" }), json!({ "type": "Source" })];
    assert_eq!(
        export_of(&root),
        json!({
            "apiVersion": "image.openshift.io/v1",
            "kind": "ImageStream",
            "metadata": { "name": "python", "annotations": { "acme.example/owner": "1.0", "description": "yes" } },
            "spec": {
                "lookupPolicy": { "local": false },
                "tags": [
                    { "name": "3.12", "from": image(3), "importPolicy": policy, "referencePolicy": source },
                    { "name": "arm", "annotations": { "arch": "0x1f" }, "from": image(4), "importPolicy": policy,
                      "referencePolicy": source },
                    { "name": "latest", "from": { "kind": "ImageStreamTag", "name": "3.12" }, "referencePolicy": source },
                ],
            },
            "status": {
                "dockerImageRepository": "",
                "tags": [
                    history("3.12", repository, &[3, 2, 1]),
                    history("arm", repository, &[4]),
                    history("latest", repository, &[3]),
                ],
            },
        })
    );
}

/// Followers over several hops, across streams, and with rules of their own.
const FOLLOWERS: [(&str, &str); 2] = [
    (
        "python",
        "description = \"Python: 3\"\n[annotations]\n\"a/b\" = \"- x\"\n[tags]\n\"3.12\" = \
         \"docker.io/library/python:3.12\"\nlatest = { follow = \"3.12\" }\nprod = { follow = \"latest\" }\nslow = { follow = \
         \"3.12\", soak = \"3d\" }\nafter = { follow = \"slow\" }\n",
    ),
    (
        "team-a/web",
        "[tags]\nnext = { follow = \"python:prod\" }\nlast = { follow = \"next\" }\n[tags.main]\nimage = \
         \"quay.io/acme/web:main\"\nannotations = { tags = \"builder, web\" }\n",
    ),
];

fn followers() -> Root {
    let image = "quay.io/acme/web:main";
    let python = ["python:3.12", "python:after", "python:latest", "python:prod", "python:slow"];
    let mut images: Vec<Image<'_>> = python.iter().map(|tag| (*tag, PYTHON, 1)).collect();
    images.extend([("team-a/web:last", PYTHON, 1), ("team-a/web:next", PYTHON, 1), ("team-a/web:main", image, 2)]);
    let mut root = root(&FOLLOWERS, &lock(&images));
    for (id, tag) in &root.definitions.tags {
        let pin = root.lock.pins.get_mut(id).unwrap();
        pin.follow = tag.source.followed();
        pin.previous = if id.tag.as_str() == "main" { vec![digest(4), digest(3)] } else { Vec::new() };
    }
    root
}

#[test]
fn a_tag_follows_if_a_cluster_would() {
    let list = export_of(&followers());
    assert_eq!((&list["apiVersion"], &list["kind"]), (&json!("v1"), &json!("List")));
    let from = |item: &Value| {
        let from = |tag: &Value| {
            let [name, kind, from] =
                [&tag["name"], &tag["from"]["kind"], &tag["from"]["name"]].map(|x| x.as_str().unwrap());
            format!("{name} {kind} {}", if kind == "DockerImage" { "" } else { from })
        };
        let place = format!("{}/{}", item["metadata"]["namespace"].as_str().unwrap_or("-"), item["metadata"]["name"]);
        let tags = item["spec"]["tags"].as_array().unwrap().iter().map(from);
        std::iter::once(place).chain(tags).collect::<Vec<_>>()
    };
    assert_eq!(
        list["items"].as_array().unwrap().iter().flat_map(from).collect::<Vec<_>>(),
        [
            "-/\"python\"",
            "3.12 DockerImage ",
            "after ImageStreamTag slow",
            "latest ImageStreamTag 3.12",
            "prod ImageStreamTag 3.12",
            "slow DockerImage ",
            "team-a/\"web\"",
            "last ImageStreamTag next",
            "main DockerImage ",
            "next DockerImage ",
        ]
    );
    // The followed tag must be exported as well.
    let only = TagGlobs::new(["python:prod", "python:latest"]).unwrap();
    let text = export(ExportFormat::ImageStream, &followers(), &only).unwrap().text;
    let object: Value = serde_yaml_ng::from_str(&text).unwrap();
    assert_eq!(object["spec"]["tags"][0]["from"]["kind"], "DockerImage");
    assert_eq!(object["spec"]["tags"][1]["from"], json!({ "kind": "ImageStreamTag", "name": "latest" }));
}

#[test]
fn adopting_an_export_gives_the_same_definitions_and_lock() {
    let [python, web] = [("library/python", 1), ("acme/web", 2)].map(|(path, number)| {
        let host = if number == 1 { "docker.io" } else { "quay.io" };
        format!("\"{host}/{path}@{}\"", digest(number))
    });
    let expected = [
        (
            "python",
            FOLLOWERS[0]
                .1
                .replace(&format!("\"{PYTHON}\""), &python)
                .replace("{ follow = \"latest\" }", "{ follow = \"3.12\" }")
                .replace("{ follow = \"3.12\", soak = \"3d\" }", &python),
        ),
        (
            "team-a/web",
            FOLLOWERS[1].1.replace("\"quay.io/acme/web:main\"", &web).replace("{ follow = \"python:prod\" }", &python),
        ),
    ];
    let expected = expected.each_ref().map(|(name, text)| (*name, text.as_str()));
    let (exported, adopted) = (followers(), adopted(&followers()));
    assert_eq!(adopted.definitions, root(&expected, "").definitions);
    let pins = |root: &Root| {
        let pin =
            |(id, pin): (&TagId, &crate::model::lock::Pin)| (id.clone(), pin.digest.clone(), pin.previous.clone());
        root.lock.pins.iter().map(pin).collect::<Vec<_>>()
    };
    assert_eq!(pins(&adopted), pins(&exported));
    assert_eq!(pins(&adopted).len(), 8);
    // Exporting the adopted root again gives the same.
    assert_eq!(export_of(&adopted), export_of(&exported));
}

#[test]
fn names_that_a_cluster_does_not_accept_are_refused() {
    let image = "quay.io/a/b:c";
    let long = format!("{}/web:1", "a".repeat(64));
    fails(
        ExportFormat::ImageStream,
        &[
            ("a/b/web:1", image, 1),
            ("a.b/web:1", image, 1),
            ("a_b/web:1", image, 1),
            (&long, image, 1),
            ("a/w.e_b:1", image, 1),
        ],
        &[
            "cannot export stream `a.b/web` as an ImageStream: `a.b` is not a valid namespace; select streams named `name` or \
             `namespace/name`",
            "cannot export stream `a/b/web` as an ImageStream: its name has more than two parts; select streams named `name` or \
             `namespace/name`",
            "cannot export stream `a_b/web` as an ImageStream: `a_b` is not a valid namespace; select streams named `name` or \
             `namespace/name`",
            &format!(
                "cannot export stream `{}` as an ImageStream: `{}` is not a valid namespace; select streams named `name` or \
             `namespace/name`",
                &long[..68],
                "a".repeat(64)
            ),
        ],
    );
}

#[test]
fn streams_that_could_become_one_object_are_refused() {
    let image = "quay.io/a/b:c";
    fails(
        ExportFormat::ImageStream,
        &[("web:1", image, 1), ("a/web:1", image, 1), ("b/web:1", image, 1), ("b/x:1", image, 1), ("x:1", image, 1)],
        &[
            "`web` and `a/web` would be the same ImageStream when applied to `a`; select one of them, e.g. `pinstream export \
             imagestream web`",
            "`x` and `b/x` would be the same ImageStream when applied to `b`; select one of them, e.g. `pinstream export \
             imagestream x`",
        ],
    );
    let list = yaml(ExportFormat::ImageStream, &[("a/web:1", image, 1), ("b/web:1", image, 1), ("a-b:1", image, 1)]);
    assert_eq!(list["items"].as_array().map(Vec::len), Some(3));
    assert_eq!(exported(ExportFormat::ImageStream, &[]).unwrap().text, "apiVersion: v1\nkind: List\nitems: []\n");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..ProptestConfig::default() })]

    /// Definitions may contain any visible text.
    #[test]
    fn texts_survive_a_round_trip(description in any::<String>(), value in "[-?:,\\[\\]{}#&*!|>'\"%@`~ 0-9a-fxony\n]{0,8}") {
        let visible = |text: &str| text.chars().filter(|c| !crate::text::escape::is_deceptive(*c) || *c == '\n').collect::<String>();
        let [description, value] = [description, value].map(|text| visible(&text));
        let tags = format!(
            "description = {}\n[annotations]\na = {}\n[tags]\nb = \"quay.io/a/b@{}\"\n",
            toml_string(&description), toml_string(&value), digest(1)
        );
        let mut whole = root(&[("a", &tags)], "");
        whole.lock = root(&[], &lock(&[("a:b", &format!("quay.io/a/b@{}", digest(1)), 1)])).lock;
        let read = export_of(&whole);
        assert_eq!(read["metadata"]["annotations"], json!({ "a": value, "description": description }));
        assert_eq!(adopted(&whole).definitions, whole.definitions);
    }
}
