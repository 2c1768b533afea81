//! One ImageStream as one stream: its metadata, its spec and what its status says of its tags.

use std::collections::BTreeMap;

use crate::model::image::{Digest, ImageRef, StreamName, TagName, complete};
use crate::model::stream::write::NewStream;
use crate::text::diagnostics::is_bidi_control;
use crate::text::escape::toml_string;

use super::fields::{BOOKKEEPING, ObjectFields};
use super::note::AdoptNotes;
use super::object::ImageStreamObject;
use super::{AdoptOptions, HistoryItem, StreamDraft, TagHistory, tag};

/// What `metadata` has that the cluster keeps for itself.
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
/// Annotations that the cluster or its tools keep for themselves.
const KEPT: [&str; 2] =
    ["kubectl.kubernetes.io/last-applied-configuration", "openshift.io/image.dockerRepositoryCheck"];
/// The annotation by which a whole stream's registry is reached without TLS.
const INSECURE: &str = "openshift.io/image.insecureRepository";

/// An ImageStream whose name and history are known.
#[derive(Debug)]
pub(super) struct NamedImageStream {
    pub(super) name: StreamName,
    from: String,
    namespace: Option<String>,
    histories: BTreeMap<TagName, TagHistory>,
    metadata: ObjectFields,
    rest: ObjectFields,
}

/// What tags of one stream need to know of all others.
#[derive(Debug)]
pub(super) struct StreamIndex {
    /// The namespaces of the streams, where they say one.
    namespaces: BTreeMap<StreamName, Option<String>>,
    /// All images in their histories.
    images: BTreeMap<StreamName, Vec<HistoryItem>>,
}

impl StreamIndex {
    pub(super) fn of(all: &[NamedImageStream]) -> Self {
        let namespaces = all.iter().map(|open| (open.name.clone(), open.namespace.clone())).collect();
        let items = |open: &NamedImageStream| open.histories.values().flatten().cloned().collect::<Vec<_>>();
        let mut images: BTreeMap<StreamName, Vec<HistoryItem>> = BTreeMap::new();
        for open in all {
            images.entry(open.name.clone()).or_default().extend(items(open));
        }
        Self { namespaces, images }
    }

    /// Whether the stream `name` may be the one of `namespace`: nothing says that it is of another.
    pub(super) fn may_be_of(&self, name: &StreamName, namespace: &str) -> bool {
        self.namespaces.get(name).is_none_or(|known| known.as_deref().is_none_or(|known| known == namespace))
    }

    /// The one image in the history of `stream` whose digest begins with `id`.
    pub(super) fn image(&self, stream: &StreamName, id: &str) -> Result<ImageRef, &'static str> {
        let hex = |text: &str| text.strip_prefix("sha256:").unwrap_or(text).to_owned();
        let is_it = |item: &&HistoryItem| !id.is_empty() && hex(&item.image).starts_with(&hex(id));
        let mut found: Vec<&HistoryItem> = self.images.get(stream).into_iter().flatten().filter(is_it).collect();
        found.sort_by(|a, b| a.image.cmp(&b.image));
        found.dedup_by(|a, b| a.image == b.image);
        match found.as_slice() {
            [] => Err("no history that was given says where this image is"),
            [one] => one.pinned().ok_or("the history does not say where this image is"),
            _ => Err("several images of the history begin so"),
        }
    }
}

impl HistoryItem {
    /// The digest, where the cluster kept one.
    pub(super) fn digest(&self) -> Option<Digest> {
        self.image.parse().ok()
    }

    /// Where it was found.
    pub(super) fn found_at(&self) -> Option<ImageRef> {
        complete(&self.reference).ok()
    }

    /// The image at its digest.
    pub(super) fn pinned(&self) -> Option<ImageRef> {
        format!("{}@{}", self.found_at()?.repository(), self.digest()?).parse().ok()
    }
}

/// Reads the name and the history of an object; none, and a note, where it cannot be a stream.
pub(super) fn open(
    object: ImageStreamObject,
    wishes: &AdoptOptions,
    notes: &mut AdoptNotes,
) -> Option<NamedImageStream> {
    let mut rest = ObjectFields::new("", object.fields);
    let _ = (rest.take("kind"), rest.take("apiVersion"));
    let mut metadata = rest.object("metadata");
    let (name, namespace) = (metadata.text("name").unwrap_or_default(), metadata.text("namespace"));
    let full = stream_name(namespace.as_deref(), &name, wishes);
    match full.parse::<StreamName>() {
        Ok(name) => {
            let mut status = rest.object("status");
            let histories = histories(name.as_str(), &mut status, wishes, notes);
            for key in ["dockerImageRepository", "publicDockerImageRepository"] {
                if status.text(key).is_some_and(|text| !text.is_empty()) {
                    notes.say(name.as_str(), status.path(key), "an address in the cluster's own registry");
                }
            }
            status.finish(name.as_str(), notes);
            Some(NamedImageStream { name, from: object.from, namespace, histories, metadata, rest })
        }
        Err(error) => {
            notes.say(&format!("{full} in {}", object.from), "the whole stream", error.message);
            None
        }
    }
}

/// The name of the stream for an ImageStream `name` of `namespace`.
pub(super) fn stream_name(namespace: Option<&str>, name: &str, wishes: &AdoptOptions) -> String {
    match namespace.filter(|_| wishes.namespaces) {
        Some(namespace) => format!("{namespace}/{name}"),
        None => name.to_owned(),
    }
}

fn histories(
    at: &str,
    status: &mut ObjectFields,
    wishes: &AdoptOptions,
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
                notes.say(
                    &here,
                    "status.tags.conditions",
                    format!("the cluster's last import failed: {reason}: {message}"),
                );
            }
        }
        let items = tag.objects("items");
        let item = |mut item: ObjectFields| HistoryItem {
            image: item.text("image").unwrap_or_default(),
            reference: item.text("dockerImageReference").unwrap_or_default(),
        };
        let items: TagHistory = items.into_iter().map(item).collect();
        if !items.is_empty() && !wishes.status {
            notes.say(&here, "status.tags.items", "`--with-status` makes the first lock of it");
        }
        tag.finish(&here, notes);
        if let Ok(name) = name.parse() {
            histories.insert(name, items);
        }
    }
    histories
}

/// Makes the stream of an object.
pub(super) fn draft(
    open: NamedImageStream,
    shelf: &StreamIndex,
    wishes: &AdoptOptions,
    notes: &mut AdoptNotes,
) -> (StreamName, StreamDraft) {
    let NamedImageStream { name, from, namespace, histories, mut metadata, mut rest } = open;
    let at = name.as_str();
    let mut stream = NewStream::default();
    metadata.bookkeeping(&METADATA, at, notes);
    if !metadata.object("labels").texts().is_empty() {
        notes.say(at, "metadata.labels", "streams have `annotations` alone");
    }
    let texts = metadata.object("annotations").texts();
    for (key, value) in annotations(at, "metadata.annotations", texts, notes) {
        match key.as_str() {
            "description" => stream.description = Some(value),
            INSECURE if value == "true" => notes.say(at, format!("{INSECURE}: true"), tag::insecure(None)),
            INSECURE => {}
            _ => stream.annotations.push((key, value)),
        }
    }
    metadata.finish(at, notes);

    let mut spec = rest.object("spec");
    let mut lookup = spec.object("lookupPolicy");
    if lookup.flag("local") {
        notes.say(at, "lookupPolicy.local: true", "nothing in the cluster is changed: deployments name the pins");
    }
    lookup.finish(at, notes);
    if let Some(repository) = spec.text("dockerImageRepository").filter(|text| !text.is_empty()) {
        discover(&repository, at, &mut stream, notes);
    }
    let mut stand_ins = BTreeMap::new();
    for fields in spec.objects("tags") {
        let surroundings = tag::TagScope { stream: &name, namespace: namespace.as_deref(), shelf, wishes };
        match tag::tag(fields, &surroundings, notes) {
            Ok((tag, new)) => {
                if let Some(before) = stream.tags.iter().position(|(known, _)| *known == tag) {
                    notes.say(&format!("{at}:{tag}"), "the first of two", "as OpenShift does, the last one is taken");
                    stream.tags.remove(before);
                }
                let stands = histories.get(&tag).and_then(|history| history.first()).and_then(HistoryItem::pinned);
                stand_ins.extend(stands.map(|image| (tag.clone(), image)));
                stream.tags.push((tag, new));
            }
            Err(tag::TagNotAdopted { tag, why }) => lose(&mut stream, at, &tag, &why, notes),
        }
    }
    spec.finish(at, notes);
    rest.finish(at, notes);
    let pushed = histories.keys().filter(|tag| !stream.tags.iter().any(|(known, _)| known == *tag));
    for tag in pushed {
        notes.say(&format!("{at}:{tag}"), "status.tags", "no tag of the stream's `spec` is carried over for it");
    }
    (name, StreamDraft { from, namespace, stream, histories, stand_ins })
}

/// Leaves a tag out, and says so here and in the file.
pub(super) fn lose(stream: &mut NewStream, at: &str, tag: &str, why: &str, notes: &mut AdoptNotes) {
    notes.say(&format!("{at}:{tag}"), "the whole tag", why);
    stream.comments.push(format!("not carried: {tag}: {why}"));
}

/// Annotations that a stream's file can hold, and notes of the others.
pub(super) fn annotations(
    at: &str,
    path: &str,
    texts: Vec<(String, String)>,
    notes: &mut AdoptNotes,
) -> Vec<(String, String)> {
    let odd = |c: char| (c.is_control() && !matches!(c, '\n' | '\t' | '\r')) || is_bidi_control(c);
    let mut kept = Vec::with_capacity(texts.len());
    for (key, value) in texts {
        if KEPT.contains(&key.as_str()) {
            notes.say(at, format!("{path}: {key}"), BOOKKEEPING);
        } else if key.is_empty() || key.contains(char::is_whitespace) || key.contains(odd) || value.contains(odd) {
            notes.say(at, format!("{path}: {key}"), "it holds characters that cannot be shown");
        } else {
            kept.push((key, value));
        }
    }
    kept
}

/// All tags of a repository: what OpenShift imported once is a `[discover]` table.
fn discover(repository: &str, at: &str, stream: &mut NewStream, notes: &mut AdoptNotes) {
    match complete(repository) {
        Ok(image) => {
            let repository = toml_string(&image.repository().to_string());
            stream.tail = format!("[discover]\nrepository = {repository}\nlimit = 50\n");
            notes.say(
                at,
                "spec.dockerImageRepository",
                "carried: OpenShift reads the list once, a pass reads it each time",
            );
        }
        Err(error) => notes.say(at, "spec.dockerImageRepository", error.message),
    }
}
