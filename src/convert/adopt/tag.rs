//! Converts one tag in the `spec` of an ImageStream: its source and its import policy.

use crate::model::image::{NameError, Platform, RegistryHost, StreamName, TagId, TagName, complete};
use crate::model::stream::write::{NewSource, NewTag};

use super::AdoptOptions;
use super::fields::{ObjectFields, annotations};
use super::index::{StreamIndex, stream_name};
use super::note::AdoptNotes;

/// OpenShift's default schedule.
const SCHEDULE: &str = "*/15 * * * *";
/// Annotations that select one platform of an index.
const PREFER: [&str; 2] = ["importer.image.openshift.io/prefer-os", "importer.image.openshift.io/prefer-arch"];

/// The surroundings of a tag.
pub(super) struct TagScope<'a> {
    pub(super) stream: &'a StreamName,
    pub(super) name: &'a str,
    /// `stream:name`, for notes.
    pub(super) at: &'a str,
    pub(super) namespace: Option<&'a str>,
    pub(super) index: &'a StreamIndex,
    pub(super) options: &'a AdoptOptions,
}

/// Import policy and annotations of a tag.
struct TagImportPolicy {
    scheduled: bool,
    insecure: bool,
    mode: String,
    prefer: Option<Platform>,
}

/// Converts the tag with these fields.
///
/// # Errors
/// Says why the source of the tag cannot be converted.
pub(super) fn convert(
    mut fields: ObjectFields,
    here: &TagScope<'_>,
    notes: &mut AdoptNotes,
) -> Result<(TagName, NewTag), NameError> {
    let (at, mut own) = (here.at, AdoptNotes::default());
    let tag: TagName = here.name.parse()?;
    let source = source(&mut fields, here, &mut own)?;

    let texts = fields.object("annotations").texts();
    let (prefer, texts): (Vec<_>, Vec<_>) = texts.into_iter().partition(|(key, _)| PREFER.contains(&key.as_str()));
    let mut import = fields.object("importPolicy");
    let policy = TagImportPolicy {
        scheduled: import.flag("scheduled"),
        insecure: import.flag("insecure"),
        mode: import.text("importMode").unwrap_or_default(),
        prefer: preferred(&prefer),
    };
    import.finish(at, &mut own);
    let mut new = NewTag::of(source);
    new.annotations = annotations(at, "annotations", texts, &mut own);
    convert_policy(policy, &mut new, here, &mut own);

    let mut reference = fields.object("referencePolicy");
    match reference.text("type").as_deref() {
        None | Some("" | "Source") => {}
        Some("Local") => own.add(at, "referencePolicy: Local", "pins refer to the source registry"),
        Some(other) => own.add(at, format!("referencePolicy: {other}"), "unknown policy"),
    }
    reference.finish(at, &mut own);
    if fields.flag("reference") {
        own.add(at, "reference: true", "resolved and pinned like any other tag");
    }
    fields.skip_internal(&["generation"], at, &mut own);
    fields.finish(at, &mut own);
    notes.extend(own);
    Ok((tag, new))
}

/// Converts the source of a tag.
fn source(fields: &mut ObjectFields, here: &TagScope<'_>, notes: &mut AdoptNotes) -> Result<NewSource, NameError> {
    let mut from = fields.object("from");
    let (kind, name) = (from.text("kind").unwrap_or_default(), from.text("name").unwrap_or_default());
    let namespace = from.text("namespace");
    from.skip_internal(&["apiVersion", "fieldPath", "resourceVersion", "uid"], here.at, notes);
    from.finish(here.at, notes);
    if name.contains("${") {
        return Err(NameError::new(format!("`{name}` contains a parameter without a value")));
    }
    match kind.as_str() {
        "DockerImage" => Ok(NewSource::Image(complete(&name)?, None)),
        "ImageStreamTag" => {
            let (stream, tag) = name.split_once(':').map_or((None, name.as_str()), |(stream, tag)| (Some(stream), tag));
            let stream = stream_of(stream, namespace.as_deref(), here)?;
            Ok(NewSource::Follow(TagId { stream, tag: tag.parse()? }))
        }
        "ImageStreamImage" => {
            let not_an_image = || NameError::new(format!("`{name}` is not of the form `stream@id`"));
            let (stream, id) = name.split_once('@').ok_or_else(not_an_image)?;
            let stream = stream_of(Some(stream), namespace.as_deref(), here)?;
            let image = here.index.image(&stream, id).map_err(|why| NameError::new(format!("`{name}`: {why}")))?;
            Ok(NewSource::Image(image, None))
        }
        "" => Err(NameError::new("exists only through pushes to the cluster's registry")),
        other => Err(NameError::new(format!("unknown kind `{other}` in `from.kind`"))),
    }
}

/// Returns the stream that `from` names.
fn stream_of(name: Option<&str>, namespace: Option<&str>, here: &TagScope<'_>) -> Result<StreamName, NameError> {
    let namespace = namespace.filter(|namespace| !namespace.is_empty());
    let Some(name) = name else { return Ok(here.stream.clone()) };
    let full = stream_name(namespace.or(here.namespace), name, here.options);
    let stream: StreamName = full.parse()?;
    match namespace {
        Some(namespace) if !here.options.namespaces && !here.index.may_be_of(&stream, namespace) => {
            // No converted stream has this name.
            format!("{namespace}/{name}").parse()
        }
        _ => Ok(stream),
    }
}

/// Returns the platform that annotations prefer; `linux` and `amd64` are the defaults.
fn preferred(annotations: &[(String, String)]) -> Option<Platform> {
    let get = |name: &str| annotations.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let [os, architecture] = PREFER.map(get);
    os.or(architecture)?;
    format!("{}/{}", os.unwrap_or("linux"), architecture.unwrap_or("amd64")).parse().ok()
}

/// Converts the import policy.
fn convert_policy(policy: TagImportPolicy, new: &mut NewTag, here: &TagScope<'_>, notes: &mut AdoptNotes) {
    let at = here.at;
    let NewSource::Image(image, platform) = &mut new.source else {
        if policy.scheduled {
            notes.add(at, "importPolicy.scheduled: true", "the followed tag has the schedule");
        }
        return;
    };
    if policy.insecure {
        let why = insecure(Some(image.repository().registry()));
        new.comments.push(format!("not converted: importPolicy.insecure: {why}"));
        notes.add(at, "importPolicy.insecure: true", why);
    }
    if image.digest().is_some() {
        if policy.scheduled {
            notes.add(at, "importPolicy.scheduled: true", "an image with a digest never changes");
        }
        return;
    }
    if policy.scheduled {
        new.schedule = Some(SCHEDULE.to_owned());
    } else {
        let why = "resolved in every pass, or by the `schedule` in `[import]`; `schedule = \"never\"` resolves it only on request";
        notes.add(at, "importPolicy.scheduled: false", why);
    }
    match policy.mode.as_str() {
        "PreserveOriginal" => {}
        "" | "Legacy" => match policy.prefer.or_else(|| here.options.platform.clone()) {
            Some(wanted) => *platform = Some(wanted),
            None => {
                let why = "the index is pinned with all platforms; `--platform linux/amd64` pins one image";
                notes.add(at, "importMode: Legacy", why);
            }
        },
        other => notes.add(at, format!("importMode: {other}"), "unknown mode; the index is pinned"),
    }
}

/// Returns the advice for a registry without TLS.
pub(super) fn insecure(registry: Option<&RegistryHost>) -> String {
    let host = registry.map_or("host", RegistryHost::as_str);
    format!("set `plain-http = true` or `ca` in `[registry.\"{host}\"]` of `pinstream.toml`")
}
