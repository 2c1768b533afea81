//! The variables of a template: the fields of `pinstream.event/v1`, always all present, and escaped.
//!
//! The code that builds a [`TemplateContext`] escapes every foreign text in it.

use serde::Serialize;

/// The variables of a template.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TemplateContext {
    /// The number of changes.
    pub count: usize,
    /// The changes, sorted by tag; at most a hundred.
    pub changes: Vec<ChangeContext>,
    /// The number of changes beyond those.
    pub more: usize,
    /// The default first line.
    pub title: String,
    /// The default text below it, without the blank line between; may be empty.
    pub text: String,
}

/// One change. Unknown and inapplicable values are `None`, and render to nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ChangeContext {
    /// `stream:tag`
    pub id: String,
    /// The stream's name.
    pub stream: String,
    /// The tag's name within the stream.
    pub tag: String,
    /// The tag it follows; `remote//stream:tag` in another repository.
    pub follow: Option<String>,
    /// The image reference.
    pub image: String,
    /// `added`, `updated` or `removed`.
    pub change: String,
    /// The previous pin; `None` if the tag was added.
    pub old: Option<SideContext>,
    /// The new pin; `None` if the tag was removed.
    pub new: Option<SideContext>,
    /// The reference to deploy, `registry/repository:tag@sha256:…`; `None` if the tag was removed.
    pub reference: Option<String>,
    /// `attestation`, `config`, `layers`, `platforms`, `patch`, `minor` or `major`.
    pub class: Option<String>,
    /// The reason why not everything is known.
    pub unknown: Option<String>,
    /// The URL that compares the source revisions.
    pub compare: Option<String>,
    /// The build time relative to the old image, e.g. `12 days later`.
    pub age: Option<String>,
    /// Warnings for the reviewer, one sentence each.
    pub warnings: Vec<String>,
    /// The build times, RFC 3339.
    pub built: SidesContext<String>,
    /// The compressed sizes of the layers, in bytes.
    pub size: SidesContext<u64>,
    /// Counts of layers kept, added and removed.
    pub layers: Option<LayersContext>,
    /// The platforms that only the new image supports.
    pub platforms_gained: Vec<String>,
    /// The platforms that only the old image supports.
    pub platforms_lost: Vec<String>,
    /// The base images; `None` if they are the same.
    pub base: Option<SidesContext<BaseContext>>,
    /// Other differences in configuration and labels; at most fifty.
    pub differences: Vec<DifferenceContext>,
}

/// A digest and the version its image declares.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SideContext {
    /// The whole digest.
    pub digest: String,
    /// Its first twelve hexadecimal digits.
    pub short: String,
    /// The version the image declares.
    pub version: Option<String>,
}

/// A pair of values, of the old and of the new image.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SidesContext<T> {
    /// Of the old image.
    pub old: Option<T>,
    /// Of the new image.
    pub new: Option<T>,
}

/// Numbers of layers by fate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct LayersContext {
    /// Layers in both images.
    pub kept: usize,
    /// Layers in the new image only.
    pub added: usize,
    /// Layers in the old image only.
    pub removed: usize,
}

/// The base image, as declared by labels.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct BaseContext {
    /// Its reference.
    pub name: Option<String>,
    /// Its declared digest.
    pub digest: Option<String>,
}

/// One difference between two images.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DifferenceContext {
    /// `user`, `entrypoint`, `command`, `working-directory`, `port`, `variable` or `label`.
    pub what: String,
    /// The name of the variable or label.
    pub name: Option<String>,
    /// The previous value.
    pub old: Option<String>,
    /// The new value.
    pub new: Option<String>,
}

/// Returns the known keys, grouped by the value that has them.
pub(crate) fn keys() -> Vec<(&'static str, Vec<String>)> {
    let context = TemplateContext { changes: vec![explained()], ..TemplateContext::default() };
    // Serializing a plain struct does not fail.
    let context = serde_json::to_value(context).unwrap_or_default();
    let of = |(what, at): (&'static str, &str)| {
        let keys = context.pointer(at).and_then(serde_json::Value::as_object)?.keys().cloned();
        Some((what, keys.collect()))
    };
    let places = [
        ("known variables:", ""),
        ("a change has", "/changes/0"),
        ("its `old` and `new` have", "/changes/0/new"),
        ("its `layers` have", "/changes/0/layers"),
        ("a base has", "/changes/0/base/new"),
        ("a difference has", "/changes/0/differences/0"),
    ];
    places.into_iter().filter_map(of).collect()
}

/// Returns one sample per shape a pass can produce, each with its description.
pub(super) fn samples() -> Vec<(&'static str, TemplateContext)> {
    let added = ChangeContext { change: "added".to_owned(), old: None, ..plain() };
    let removed = ChangeContext { change: "removed".to_owned(), new: None, reference: None, ..plain() };
    let sample = |count: usize, changes: Vec<ChangeContext>| TemplateContext {
        count,
        more: count - changes.len(),
        changes,
        title: "chore(images): pin python:3.12".to_owned(),
        text: "- python:3.12: 010101010101 → 020202020202".to_owned(),
    };
    vec![
        ("an updated tag", sample(1, vec![explained()])),
        ("an added tag", sample(1, vec![added.clone()])),
        ("a removed tag", sample(1, vec![removed.clone()])),
        ("a change without details", sample(1, vec![plain()])),
        ("several changes", sample(4, vec![added, explained(), plain(), removed])),
        ("more changes than are listed", sample(150, vec![explained(); 100])),
        ("a commit without changes of digests", TemplateContext { text: String::new(), ..sample(0, Vec::new()) }),
    ]
}

/// A change with digests and nothing else.
fn plain() -> ChangeContext {
    let side = |digit: &str, version: Option<&str>| SideContext {
        digest: format!("sha256:{}", digit.repeat(32)),
        short: digit.repeat(6),
        version: version.map(str::to_owned),
    };
    ChangeContext {
        id: "python:3.12".to_owned(),
        stream: "python".to_owned(),
        tag: "3.12".to_owned(),
        image: "docker.io/library/python:3.12".to_owned(),
        change: "updated".to_owned(),
        old: Some(side("01", None)),
        new: Some(side("02", None)),
        reference: Some(format!("docker.io/library/python:3.12@sha256:{}", "02".repeat(32))),
        ..ChangeContext::default()
    }
}

/// A change with all details.
fn explained() -> ChangeContext {
    let some = |text: &str| Some(text.to_owned());
    let version = |side: Option<SideContext>, text: &str| side.map(|side| SideContext { version: some(text), ..side });
    let base = |digit: &str| BaseContext {
        name: some("docker.io/library/debian:12"),
        digest: Some(format!("sha256:{}", digit.repeat(32))),
    };
    let difference = |what: &str, name: Option<&str>| DifferenceContext {
        what: what.to_owned(),
        name: name.map(str::to_owned),
        old: some("app"),
        new: some("root"),
    };
    let ChangeContext { old, new, .. } = plain();
    ChangeContext {
        follow: some("python:3"),
        old: version(old, "3.12.4"),
        new: version(new, "3.12.5"),
        class: some("patch"),
        unknown: some("the previous image cannot be read"),
        compare: some("https://github.com/acme/python/compare/0a...1b"),
        age: some("12 days later"),
        warnings: vec!["now runs as root".to_owned()],
        built: SidesContext { old: some("2026-10-01T00:00:00Z"), new: some("2026-10-13T00:00:00Z") },
        size: SidesContext { old: Some(12_000_000), new: Some(12_400_000) },
        layers: Some(LayersContext { kept: 3, added: 2, removed: 2 }),
        platforms_gained: vec!["linux/arm64".to_owned()],
        platforms_lost: vec!["linux/386".to_owned()],
        base: Some(SidesContext { old: Some(base("03")), new: Some(base("04")) }),
        differences: vec![difference("user", None), difference("label", Some("maintainer"))],
        ..plain()
    }
}
