//! One tag of an ImageStream's `spec`: where its image comes from, and how it is imported.

use crate::model::image::{ImageRef, NameError, Platform, RegistryHost, StreamName, TagId, TagName, complete};
use crate::model::stream::write::{NewSource, NewTag};

use super::AdoptOptions;
use super::fields::ObjectFields;
use super::note::AdoptNotes;
use super::stream::{StreamIndex, annotations, stream_name};

/// When OpenShift looks at a scheduled tag, as it is set up.
const SCHEDULE: &str = "*/15 * * * *";
/// Annotations by which one platform of an index is chosen.
const PREFER: [&str; 2] = ["importer.image.openshift.io/prefer-os", "importer.image.openshift.io/prefer-arch"];

/// Where a tag stands.
pub(super) struct TagScope<'a> {
    pub(super) stream: &'a StreamName,
    pub(super) namespace: Option<&'a str>,
    pub(super) shelf: &'a StreamIndex,
    pub(super) wishes: &'a AdoptOptions,
}

/// A tag that cannot be carried over.
pub(super) struct TagNotAdopted {
    pub(super) tag: String,
    pub(super) why: String,
}

/// What the import policy and the annotations of a tag ask for.
struct TagImportPolicy {
    scheduled: bool,
    insecure: bool,
    mode: String,
    prefer: Option<Platform>,
}

/// Makes a tag of `fields`.
pub(super) fn tag(
    mut fields: ObjectFields,
    here: &TagScope<'_>,
    notes: &mut AdoptNotes,
) -> Result<(TagName, NewTag), TagNotAdopted> {
    let name = fields.text("name").unwrap_or_default();
    let at = format!("{}:{name}", here.stream);
    let lost = |why: String| TagNotAdopted { tag: name.clone(), why };
    let tag: TagName = name.parse().map_err(|error: NameError| lost(error.message))?;
    let mut own = AdoptNotes::default();
    let source = source(&mut fields, here, &at, &mut own).map_err(lost)?;

    let texts = fields.object("annotations").texts();
    let (prefer, texts): (Vec<_>, Vec<_>) = texts.into_iter().partition(|(key, _)| PREFER.contains(&key.as_str()));
    let mut import = fields.object("importPolicy");
    let policy = TagImportPolicy {
        scheduled: import.flag("scheduled"),
        insecure: import.flag("insecure"),
        mode: import.text("importMode").unwrap_or_default(),
        prefer: preferred(&prefer),
    };
    import.finish(&at, &mut own);
    let mut new = NewTag::of(source);
    new.annotations = annotations(&at, "annotations", texts, &mut own);
    carry(policy, &mut new, here, &at, &mut own);

    let mut reference = fields.object("referencePolicy");
    match reference.text("type").as_deref() {
        None | Some("" | "Source") => {}
        Some("Local") => {
            own.say(&at, "referencePolicy: Local", "a pin names its source; the cluster's registry is not in between");
        }
        Some(other) => own.say(&at, format!("referencePolicy: {other}"), "not a policy that is known here"),
    }
    reference.finish(&at, &mut own);
    if fields.flag("reference") {
        own.say(&at, "reference: true", "it is imported and pinned as any other tag");
    }
    fields.bookkeeping(&["generation"], &at, &mut own);
    fields.finish(&at, &mut own);
    notes.extend(own);
    Ok((tag, new))
}

/// Where its image comes from.
fn source(
    fields: &mut ObjectFields,
    here: &TagScope<'_>,
    at: &str,
    notes: &mut AdoptNotes,
) -> Result<NewSource, String> {
    let mut from = fields.object("from");
    let (kind, name) = (from.text("kind").unwrap_or_default(), from.text("name").unwrap_or_default());
    let namespace = from.text("namespace");
    from.bookkeeping(&["apiVersion", "fieldPath", "resourceVersion", "uid"], at, notes);
    from.finish(at, notes);
    if name.contains("${") {
        return Err(format!("`{name}` has a parameter without a value"));
    }
    match kind.as_str() {
        "DockerImage" => match complete(&name) {
            Ok(image) => Ok(NewSource::Image(image, None)),
            Err(error) => Err(error.message),
        },
        "ImageStreamTag" => {
            let (stream, tag) = name.split_once(':').map_or((None, name.as_str()), |(stream, tag)| (Some(stream), tag));
            let stream = stream_of(stream, namespace.as_deref(), here)?;
            let tag = tag.parse().map_err(|error: NameError| error.message)?;
            Ok(NewSource::Follow(TagId { stream, tag }))
        }
        "ImageStreamImage" => {
            let (stream, id) = name.split_once('@').ok_or_else(|| format!("`{name}` names no image of a stream"))?;
            let stream = stream_of(Some(stream), namespace.as_deref(), here)?;
            let image = here.shelf.image(&stream, id).map_err(|why| format!("`{name}`: {why}"))?;
            Ok(NewSource::Image(image, None))
        }
        "" => Err("it exists only by pushes to the cluster's registry".to_owned()),
        other => Err(format!("`from.kind: {other}` is not a kind that is known here")),
    }
}

/// The stream that `from` names, of `namespace` where it says one.
fn stream_of(name: Option<&str>, namespace: Option<&str>, here: &TagScope<'_>) -> Result<StreamName, String> {
    let namespace = namespace.filter(|namespace| !namespace.is_empty());
    let Some(name) = name else { return Ok(here.stream.clone()) };
    let full = stream_name(namespace.or(here.namespace), name, here.wishes);
    let stream: StreamName = full.parse().map_err(|error: NameError| error.message)?;
    match namespace {
        Some(namespace) if !here.wishes.namespaces && !here.shelf.may_be_of(&stream, namespace) => {
            // A name that no stream has: what is followed there is not here.
            let elsewhere = format!("{namespace}/{name}");
            elsewhere.parse().map_err(|error: NameError| error.message)
        }
        _ => Ok(stream),
    }
}

/// The platform that annotations prefer; what they leave out is `linux` and `amd64`.
fn preferred(annotations: &[(String, String)]) -> Option<Platform> {
    let get = |name: &str| annotations.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let [os, architecture] = PREFER.map(get);
    os.or(architecture)?;
    format!("{}/{}", os.unwrap_or("linux"), architecture.unwrap_or("amd64")).parse().ok()
}

/// Carries over how the tag is imported.
fn carry(policy: TagImportPolicy, new: &mut NewTag, here: &TagScope<'_>, at: &str, notes: &mut AdoptNotes) {
    let NewSource::Image(image, platform) = &mut new.source else {
        if policy.scheduled {
            notes.say(at, "importPolicy.scheduled: true", "what it follows has the schedule");
        }
        return;
    };
    if policy.insecure {
        let why = insecure(Some(image.repository().registry()));
        new.comments.push(format!("not carried: importPolicy.insecure: {why}"));
        notes.say(at, "importPolicy.insecure: true", why);
    }
    if image.digest().is_some() {
        if policy.scheduled {
            notes.say(at, "importPolicy.scheduled: true", "an image named by its digest never moves");
        }
        return;
    }
    if policy.scheduled {
        new.schedule = Some(SCHEDULE.to_owned());
    } else {
        let why = "each pass imports it, or the `schedule` of `[import]`; `schedule = \"never\"` waits for a person";
        notes.say(at, "importPolicy.scheduled: false", why);
    }
    match policy.mode.as_str() {
        "PreserveOriginal" => {}
        "" | "Legacy" => match policy.prefer.or_else(|| here.wishes.platform.clone()) {
            Some(wanted) => *platform = Some(wanted),
            None => {
                let why = "the index is pinned, with all platforms; `--platform linux/amd64` pins one image of it";
                notes.say(at, "importMode: Legacy", why);
            }
        },
        other => notes.say(at, format!("importMode: {other}"), "not a mode that is known here; the index is pinned"),
    }
}

/// What a registry without TLS needs.
pub(super) fn insecure(registry: Option<&RegistryHost>) -> String {
    let host = registry.map_or("host", RegistryHost::as_str);
    format!("`[registry.\"{host}\"]` in `pinstream.toml` says `plain-http = true`, or names a `ca`")
}

/// Whether an image is in `repository`'s place: what a history must say to be believed of it.
pub(super) fn is_of(found: &ImageRef, image: &ImageRef) -> bool {
    found.repository() == image.repository()
}
