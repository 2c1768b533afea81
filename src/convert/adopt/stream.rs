//! Converts one ImageStream: metadata, spec, and the histories in its status.

use std::collections::BTreeMap;

use crate::model::image::{NameError, StreamName, TagName, complete};
use crate::model::stream::write::NewStream;
use crate::text::escape::toml_string;

use super::fields::ObjectFields;
use super::index::{StreamIndex, stream_name};
use super::note::AdoptNotes;
use super::object::ImageStreamObject;
use super::tag::{self, TagScope};
use super::{AdoptOptions, HistoryItem, StreamDraft, TagHistory, fields};

/// Fields of `metadata` that are internal to the cluster.
const METADATA: [&str; 11] = [
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "managedFields",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];
/// Annotation that allows a registry without TLS for the whole stream.
const INSECURE: &str = "openshift.io/image.insecureRepository";

/// An ImageStream with a valid stream name.
#[derive(Debug)]
pub(super) struct NamedImageStream {
    pub(super) name: StreamName,
    from: String,
    pub(super) namespace: Option<String>,
    pub(super) histories: BTreeMap<TagName, TagHistory>,
    metadata: ObjectFields,
    rest: ObjectFields,
}

/// Reads name and histories of an object; adds a note if it cannot become a stream.
pub(super) fn read(
    object: ImageStreamObject,
    options: &AdoptOptions,
    notes: &mut AdoptNotes,
) -> Option<NamedImageStream> {
    let mut rest = ObjectFields::new("", object.fields);
    let _ = (rest.take("kind"), rest.take("apiVersion"));
    let mut metadata = rest.object("metadata");
    let (name, namespace) = (metadata.text("name").unwrap_or_default(), metadata.text("namespace"));
    let full = stream_name(namespace.as_deref(), &name, options);
    let parsed: Result<StreamName, _> = full.parse();
    let unfit = |error: NameError| notes.add(&format!("{full} in {}", object.from), "whole stream", error.message);
    let name = parsed.map_err(unfit).ok()?;
    let mut status = rest.object("status");
    let histories = histories(name.as_str(), &mut status, options, notes);
    for key in ["dockerImageRepository", "publicDockerImageRepository"] {
        if status.text(key).is_some_and(|text| !text.is_empty()) {
            notes.add(name.as_str(), status.path(key), "address in the cluster's registry");
        }
    }
    status.finish(name.as_str(), notes);
    Some(NamedImageStream { name, from: object.from, namespace, histories, metadata, rest })
}

fn histories(
    at: &str,
    status: &mut ObjectFields,
    options: &AdoptOptions,
    notes: &mut AdoptNotes,
) -> BTreeMap<TagName, TagHistory> {
    let mut histories = BTreeMap::new();
    for mut tag in status.objects("tags") {
        let name = tag.text("tag").unwrap_or_default();
        let here = format!("{at}:{name}");
        for mut condition in tag.objects("conditions") {
            let reason = condition.text("reason").unwrap_or_default();
            let message = condition.text("message").unwrap_or_default();
            if condition.text("status").as_deref() == Some("False") {
                let why = format!("last import in the cluster failed: {reason}: {message}");
                notes.add(&here, "status.tags.conditions", why);
            }
        }
        let items = tag.objects("items");
        let item = |mut item: ObjectFields| HistoryItem {
            image: item.text("image").unwrap_or_default(),
            reference: item.text("dockerImageReference").unwrap_or_default(),
        };
        let items: TagHistory = items.into_iter().map(item).collect();
        if !items.is_empty() && !options.status {
            notes.add(&here, "status.tags.items", "use `--with-status` to create the first lock from it");
        }
        tag.finish(&here, notes);
        if let Ok(name) = name.parse() {
            histories.insert(name, items);
        }
    }
    histories
}

/// Converts an object to a stream.
pub(super) fn convert(
    object: NamedImageStream,
    index: &StreamIndex,
    options: &AdoptOptions,
    notes: &mut AdoptNotes,
) -> (StreamName, StreamDraft) {
    let NamedImageStream { name, from, namespace, histories, mut metadata, mut rest } = object;
    let at = name.as_str();
    let mut stream = NewStream::default();
    metadata.skip_internal(&METADATA, at, notes);
    if !metadata.object("labels").texts().is_empty() {
        notes.add(at, "metadata.labels", "streams have annotations, but no labels");
    }
    let texts = metadata.object("annotations").texts();
    for (key, value) in fields::annotations(at, "metadata.annotations", texts, notes) {
        match key.as_str() {
            "description" => stream.description = Some(value),
            INSECURE if value == "true" => notes.add(at, format!("{INSECURE}: true"), tag::insecure(None)),
            INSECURE => {}
            _ => stream.annotations.push((key, value)),
        }
    }
    metadata.finish(at, notes);

    let mut spec = rest.object("spec");
    let mut lookup = spec.object("lookupPolicy");
    if lookup.flag("local") {
        notes.add(at, "lookupPolicy.local: true", "not needed: deployments use pinned references");
    }
    lookup.finish(at, notes);
    if let Some(repository) = spec.text("dockerImageRepository").filter(|text| !text.is_empty()) {
        discover(&repository, at, &mut stream, notes);
    }
    let mut copies = BTreeMap::new();
    for mut fields in spec.objects("tags") {
        let tag_name = fields.text("name").unwrap_or_default();
        let here = format!("{at}:{tag_name}");
        let (tag_name, namespace) = (tag_name.as_str(), namespace.as_deref());
        let scope = TagScope { stream: &name, name: tag_name, at: &here, namespace, index, options };
        match tag::convert(fields, &scope, notes) {
            Ok((tag, new)) => {
                if let Some(before) = stream.tags.iter().position(|(known, _)| *known == tag) {
                    notes.add(&here, "duplicate tag", "the last one is used, as in OpenShift");
                    stream.tags.remove(before);
                }
                let copy = histories.get(&tag).and_then(|history| history.first()).and_then(HistoryItem::pinned);
                copies.extend(copy.map(|image| (tag.clone(), image)));
                stream.tags.push((tag, new));
            }
            Err(error) => skip(&mut stream, at, tag_name, &error.message, notes),
        }
    }
    spec.finish(at, notes);
    rest.finish(at, notes);
    let pushed = histories.keys().filter(|tag| !stream.tags.iter().any(|(known, _)| known == *tag));
    for tag in pushed {
        notes.add(&format!("{at}:{tag}"), "status.tags", "no converted tag in `spec`");
    }
    (name, StreamDraft { from, namespace, stream, histories, copies })
}

/// Skips a tag, with a note and a comment in the file.
pub(super) fn skip(stream: &mut NewStream, at: &str, tag: &str, why: &str, notes: &mut AdoptNotes) {
    notes.add(&format!("{at}:{tag}"), "whole tag", why);
    stream.comments.push(format!("not converted: {tag}: {why}"));
}

/// Converts all tags of a repository to a `[discover]` table.
fn discover(repository: &str, at: &str, stream: &mut NewStream, notes: &mut AdoptNotes) {
    let why = match complete(repository) {
        Ok(image) => {
            let repository = toml_string(&image.repository().to_string());
            stream.tail = format!("[discover]\nrepository = {repository}\nlimit = 50\n");
            "converted to `[discover]`; OpenShift lists the tags once, pinstream in every pass".to_owned()
        }
        Err(error) => error.message,
    };
    notes.add(at, "spec.dockerImageRepository", why);
}
