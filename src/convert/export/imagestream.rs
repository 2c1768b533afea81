//! `imagestream`: OpenShift's ImageStreams (`image.openshift.io/v1`), one a stream; of several a `v1` `List`.
//!
//! # Names
//! A stream `python` is an ImageStream of that name and of whatever namespace it is applied to; `team-a/python` is one of
//! the namespace `team-a`, as `adopt --namespaces` reads it. What has more parts, or a first part that no namespace can be
//! called, is refused, and so is `python` beside `team-a/python`, which applied to `team-a` would be one object.
//!
//! # Tags
//! `from` is a `DockerImage` at its digest, so that a cluster imports just that, once for each digest: nothing is
//! `scheduled`. `importMode: PreserveOriginal` keeps an index an index; without it a cluster stores the digest of one child
//! of it. `referencePolicy: Source` has pods pull from where the pin says. A tag that follows one of its own stream, without
//! rules of its own, is an `ImageStreamTag` of the tag at the end of the chain: a cluster passes a move on over one hop in
//! the same write, and over several not always. All other followers are digests: across streams a cluster copies once, and
//! does not follow.
//!
//! # History
//! `status.tags[].items` has what each tag stood at, newest first, for programs that read objects, as `pinstream adopt
//! --with-status`. A cluster does not take it: `status` belongs to the server, which on `create`, `replace` and `apply`
//! puts its own in its place (openshift-apiserver, `imagestream/strategy.go`, `PrepareForCreate` and `prepareForUpdate`). It
//! writes its history itself, an item each time an applied digest was imported; so it follows Git from the first `apply`
//! on. `created` and `generation` are the server's to know and therefore `null` and 0; the schema asks for both. Earlier
//! digests are told as images of the repository that the tag is of now.

use std::collections::BTreeMap;

use crate::model::image::{StreamName, TagId};
use crate::model::stream::{Definitions, TagSource};
use crate::text::diagnostics::Problem;
use crate::text::yaml::write::YamlOutput;

use super::{PinnedTag, places, problem};

/// The longest name of a namespace (RFC 1123, 2.1, as Kubernetes has it).
const NAMESPACE_MAX: usize = 63;

/// The pins that are exported, by their tags.
type ExportedPins<'a> = BTreeMap<&'a TagId, PinnedTag<'a>>;

/// The object, or the list.
pub(super) fn text(pins: &[PinnedTag<'_>], definitions: &Definitions) -> Result<String, Vec<Problem>> {
    let all: ExportedPins<'_> = pins.iter().map(|pinned| (pinned.id, *pinned)).collect();
    let (mut objects, mut problems) = (Vec::new(), Vec::new());
    let streams = places(pins, |pinned| &pinned.id.stream);
    for (stream, pins) in &streams {
        match place(stream) {
            Ok(place) => objects.push(object(place, stream, pins, &all, definitions)),
            Err(why) => problems.push(problem(
                format!("the stream `{stream}` cannot be an ImageStream: {why}"),
                "a stream is `name` or `namespace/name` there; name the others",
            )),
        }
    }
    problems.extend(one_object(streams.keys().copied()));
    if !problems.is_empty() {
        return Err(problems);
    }
    let only = if objects.len() == 1 { objects.pop() } else { None };
    let list = || {
        YamlOutput::map([
            ("apiVersion", YamlOutput::text("v1")),
            ("kind", YamlOutput::text("List")),
            ("items", YamlOutput::List(objects)),
        ])
    };
    Ok(only.unwrap_or_else(list).document())
}

/// The namespace and the name of a stream in a cluster.
fn place(stream: &StreamName) -> Result<(Option<&str>, &str), String> {
    let Some((namespace, name)) = stream.as_str().split_once('/') else { return Ok((None, stream.as_str())) };
    if name.contains('/') {
        return Err("its name has more than two parts".to_owned());
    }
    if namespace.len() > NAMESPACE_MAX || namespace.contains(['.', '_']) {
        return Err(format!("`{namespace}` is not the name of a namespace"));
    }
    Ok((Some(namespace), name))
}

/// Streams that one `apply` could make one object of: what has no namespace takes that of the others.
fn one_object<'a>(streams: impl Iterator<Item = &'a StreamName>) -> Vec<Problem> {
    let mut by_name: BTreeMap<&str, Vec<&StreamName>> = BTreeMap::new();
    for stream in streams {
        let Ok((_, name)) = place(stream) else { continue };
        by_name.entry(name).or_default().push(stream);
    }
    let clash = |streams: &Vec<&StreamName>| {
        let alone = streams.iter().find(|stream| !stream.as_str().contains('/'))?;
        let (other, (namespace, _)) =
            streams.iter().find_map(|stream| Some((stream, stream.as_str().split_once('/')?)))?;
        let message =
            format!("`{alone}` and `{other}` would be one ImageStream where they are applied to `{namespace}`");
        Some(problem(message, format!("name one of them, as `pinstream export imagestream {alone}`")))
    };
    by_name.values().filter_map(clash).collect()
}

fn object(
    (namespace, name): (Option<&str>, &str),
    stream: &StreamName,
    pins: &[&PinnedTag<'_>],
    all: &ExportedPins<'_>,
    definitions: &Definitions,
) -> YamlOutput {
    let defined = definitions.streams.get(stream).cloned().unwrap_or_default();
    let mut words = defined.annotations;
    words.extend(defined.description.map(|text| ("description".to_owned(), text)));
    let mut metadata = vec![("name".to_owned(), YamlOutput::text(name))];
    metadata.extend(namespace.map(|namespace| ("namespace".to_owned(), YamlOutput::text(namespace))));
    metadata.extend(annotations(&words));
    let spec = YamlOutput::map([
        ("lookupPolicy", YamlOutput::map([("local", YamlOutput::Flag(false))])),
        ("tags", YamlOutput::List(pins.iter().map(|pinned| tag(pinned, all)).collect())),
    ]);
    let status = YamlOutput::map([
        ("dockerImageRepository", YamlOutput::text("")),
        ("tags", YamlOutput::List(pins.iter().map(|pinned| history(pinned)).collect())),
    ]);
    YamlOutput::map([
        ("apiVersion", YamlOutput::text("image.openshift.io/v1")),
        ("kind", YamlOutput::text("ImageStream")),
        ("metadata", YamlOutput::Map(metadata)),
        ("spec", spec),
        ("status", status),
    ])
}

fn annotations(words: &BTreeMap<String, String>) -> Option<(String, YamlOutput)> {
    let texts = words.iter().map(|(key, value)| (key.clone(), YamlOutput::text(value))).collect();
    (!words.is_empty()).then(|| ("annotations".to_owned(), YamlOutput::Map(texts)))
}

fn tag(pinned: &PinnedTag<'_>, all: &ExportedPins<'_>) -> YamlOutput {
    let mut entries = vec![("name".to_owned(), YamlOutput::text(&pinned.id.tag))];
    entries.extend(annotations(&pinned.tag.annotations));
    let end = followed(*pinned, all);
    let (kind, name) = match end {
        Some(end) => ("ImageStreamTag", end.tag.to_string()),
        None => ("DockerImage", pinned.pin.repository_at_digest()),
    };
    let from = YamlOutput::map([("kind", YamlOutput::text(kind)), ("name", YamlOutput::Text(name))]);
    entries.push(("from".to_owned(), from));
    if end.is_none() {
        let policy = YamlOutput::map([("importMode", YamlOutput::text("PreserveOriginal"))]);
        entries.push(("importPolicy".to_owned(), policy));
    }
    entries.push(("referencePolicy".to_owned(), YamlOutput::map([("type", YamlOutput::text("Source"))])));
    YamlOutput::Map(entries)
}

/// The tag that a cluster can follow for `pinned`: the last one that it comes to within its stream.
fn followed<'a>(pinned: PinnedTag<'a>, all: &ExportedPins<'a>) -> Option<&'a TagId> {
    let next = |at: &PinnedTag<'a>| match &at.tag.source {
        TagSource::Follow(target) if target.stream == at.id.stream && at.tag.adoption.is_none() => {
            all.get(target).copied()
        }
        _ => None,
    };
    std::iter::successors(Some(pinned), next).skip(1).last().map(|end| end.id)
}

fn history(pinned: &PinnedTag<'_>) -> YamlOutput {
    let pin = pinned.pin;
    let item = |digest| {
        YamlOutput::map([
            ("created", YamlOutput::Nothing),
            ("dockerImageReference", YamlOutput::text(format!("{}@{digest}", pin.image.repository()))),
            ("image", YamlOutput::text(digest)),
            ("generation", YamlOutput::Number(0)),
        ])
    };
    let items = std::iter::once(&pin.digest).chain(&pin.previous).map(item).collect();
    YamlOutput::map([("tag", YamlOutput::text(&pinned.id.tag)), ("items", YamlOutput::List(items))])
}

#[cfg(test)]
mod tests;
