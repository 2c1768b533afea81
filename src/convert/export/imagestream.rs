//! `imagestream`: OpenShift ImageStreams (`image.openshift.io/v1`), one per stream; several form a `v1` `List`.
//!
//! # Names
//! A stream `python` becomes an ImageStream of that name in whatever namespace it is applied to; `team-a/python` belongs to
//! the namespace `team-a`, as with `adopt --namespaces`. Names with more parts, or with a first part that is not a valid
//! namespace, are refused, and so is `python` beside `team-a/python`, which could become the same object.
//!
//! # Tags
//! `from` is a `DockerImage` with its digest, so that a cluster imports exactly that, once per digest: nothing is
//! `scheduled`. `importMode: PreserveOriginal` keeps an index; without it a cluster stores the digest of one child.
//! `referencePolicy: Source` makes pods pull from the pinned registry. A tag that follows one of its own stream, without
//! adoption rules of its own, is an `ImageStreamTag` of the last tag in the chain: a cluster propagates a change over one hop
//! in the same write, but over several not always. All other followers are digests: across streams a cluster copies once and
//! does not follow.
//!
//! # History
//! `status.tags[].items` has the current and earlier digests, newest first, for programs that read the objects, such as
//! `pinstream adopt --with-status`. A cluster ignores it: the server replaces `status` by its own on `create`, `replace` and
//! `apply` (openshift-apiserver, `imagestream/strategy.go`, `PrepareForCreate` and `prepareForUpdate`), and adds an item for
//! each applied digest that it imports. `created` and `generation` are required by the schema but set by the server; here
//! they are `null` and 0. Earlier digests are assumed to be in the tag's current repository.

use std::collections::BTreeMap;

use crate::model::image::{StreamName, TagId};
use crate::model::stream::{Definitions, Stream, TagSource};
use crate::text::diagnostics::Problem;
use crate::text::yaml::write::YamlOutput;

use super::{PinnedTag, group, problem};

/// Maximum length of the name of a namespace (RFC 1123, 2.1).
const NAMESPACE_MAX: usize = 63;

/// The exported pins by tag.
type ExportedPins<'a> = BTreeMap<&'a TagId, PinnedTag<'a>>;

/// Formats the object or the list.
pub(super) fn text(pins: &[PinnedTag<'_>], definitions: &Definitions) -> Result<String, Vec<Problem>> {
    let all: ExportedPins<'_> = pins.iter().map(|pinned| (pinned.id, *pinned)).collect();
    let (mut objects, mut problems) = (Vec::new(), Vec::new());
    let streams = group(pins, |pinned| &pinned.id.stream);
    for (stream, pins) in &streams {
        match ClusterName::of(stream) {
            Ok(name) => objects.push(object(name, pins, &all, definitions.streams.get(stream))),
            Err(problem) => problems.push(problem),
        }
    }
    problems.extend(name_conflicts(streams.keys().copied()));
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

/// Namespace and name of a stream in a cluster.
struct ClusterName<'a> {
    namespace: Option<&'a str>,
    name: &'a str,
}

impl<'a> ClusterName<'a> {
    fn of(stream: &'a StreamName) -> Result<Self, Problem> {
        let Some((namespace, name)) = stream.as_str().split_once('/') else {
            return Ok(Self { namespace: None, name: stream.as_str() });
        };
        let why = if name.contains('/') {
            "its name has more than two parts".to_owned()
        } else if namespace.len() > NAMESPACE_MAX || namespace.contains(['.', '_']) {
            format!("`{namespace}` is not a valid namespace")
        } else {
            return Ok(Self { namespace: Some(namespace), name });
        };
        let message = format!("cannot export stream `{stream}` as an ImageStream: {why}");
        Err(problem(message, "select streams named `name` or `namespace/name`"))
    }
}

/// Reports streams that could become the same object: one without a namespace takes that of the others.
fn name_conflicts<'a>(streams: impl Iterator<Item = &'a StreamName>) -> Vec<Problem> {
    let mut by_name: BTreeMap<&str, Vec<&StreamName>> = BTreeMap::new();
    for stream in streams {
        let Ok(ClusterName { name, .. }) = ClusterName::of(stream) else { continue };
        by_name.entry(name).or_default().push(stream);
    }
    let conflict = |streams: &Vec<&StreamName>| {
        let alone = streams.iter().find(|stream| !stream.as_str().contains('/'))?;
        let (other, (namespace, _)) =
            streams.iter().find_map(|stream| Some((stream, stream.as_str().split_once('/')?)))?;
        let message = format!("`{alone}` and `{other}` would be the same ImageStream when applied to `{namespace}`");
        Some(problem(message, format!("select one of them, e.g. `pinstream export imagestream {alone}`")))
    };
    by_name.values().filter_map(conflict).collect()
}

fn object(
    name: ClusterName<'_>,
    pins: &[&PinnedTag<'_>],
    all: &ExportedPins<'_>,
    stream: Option<&Stream>,
) -> YamlOutput {
    let stream = stream.cloned().unwrap_or_default();
    let mut texts = stream.annotations;
    texts.extend(stream.description.map(|text| ("description".to_owned(), text)));
    let metadata = YamlOutput::with_optional([
        ("name", Some(YamlOutput::text(name.name))),
        ("namespace", name.namespace.map(YamlOutput::text)),
        ("annotations", annotations(&texts)),
    ]);
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
        ("metadata", metadata),
        ("spec", spec),
        ("status", status),
    ])
}

fn annotations(texts: &BTreeMap<String, String>) -> Option<YamlOutput> {
    let entries = texts.iter().map(|(key, value)| (key.clone(), YamlOutput::text(value))).collect();
    (!texts.is_empty()).then_some(YamlOutput::Map(entries))
}

fn tag(pinned: &PinnedTag<'_>, all: &ExportedPins<'_>) -> YamlOutput {
    let end = followed(*pinned, all);
    let (kind, name) = match end {
        Some(end) => ("ImageStreamTag", end.tag.to_string()),
        None => ("DockerImage", pinned.pin.repository_at_digest()),
    };
    let policy = || YamlOutput::map([("importMode", YamlOutput::text("PreserveOriginal"))]);
    YamlOutput::with_optional([
        ("name", Some(YamlOutput::text(&pinned.id.tag))),
        ("annotations", annotations(&pinned.tag.annotations)),
        ("from", Some(YamlOutput::map([("kind", YamlOutput::text(kind)), ("name", YamlOutput::Text(name))]))),
        ("importPolicy", end.is_none().then(policy)),
        ("referencePolicy", Some(YamlOutput::map([("type", YamlOutput::text("Source"))]))),
    ])
}

/// Returns the tag that a cluster can follow: the last one in the chain within its stream.
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
