//! What a template is given: the words of `pinstream.event/v1`, all of them always there, and fit to be written anywhere.
//!
//! Whoever makes a [`Context`] leaves nothing in it that could act where it is printed.

use serde::Serialize;

/// What a template is given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TemplateContext {
    /// How many tags move.
    pub count: usize,
    /// The moves, in the order of their tags, a hundred at most.
    pub changes: Vec<ChangeContext>,
    /// How many more there are.
    pub more: usize,
    /// The first line that is written where there is no template.
    pub title: String,
    /// What follows it there, without the blank line between; may be empty.
    pub text: String,
}

/// One move. What is not known, or not there, is none, and is written as nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ChangeContext {
    /// `stream:tag`
    pub id: String,
    /// The stream.
    pub stream: String,
    /// The tag's name within it.
    pub tag: String,
    /// The tag it follows; of another repository, `remote//stream:tag`.
    pub follow: Option<String>,
    /// The image.
    pub image: String,
    /// `added`, `updated` or `removed`.
    pub change: String,
    /// Where it stood before; none if it was added.
    pub old: Option<SideContext>,
    /// Where it stands now; none if it was removed.
    pub new: Option<SideContext>,
    /// The reference to deploy, `registry/repository:tag@sha256:…`; none if it was removed.
    pub reference: Option<String>,
    /// `attestation`, `config`, `layers`, `platforms`, `patch`, `minor` or `major`.
    pub class: Option<String>,
    /// Why not all of it is known.
    pub unknown: Option<String>,
    /// Where the changes of the source can be read.
    pub compare: Option<String>,
    /// How long after the old image the new one was built, as `12 days later`.
    pub age: Option<String>,
    /// What a reviewer must not miss, a sentence each.
    pub warnings: Vec<String>,
    /// When the images were built, RFC 3339.
    pub built: SidesContext<String>,
    /// The sizes of their layers in a registry, in bytes.
    pub size: SidesContext<u64>,
    /// What became of the layers.
    pub layers: Option<LayersContext>,
    /// The platforms that only the new image runs on.
    pub platforms_gained: Vec<String>,
    /// The platforms that only the old image runs on.
    pub platforms_lost: Vec<String>,
    /// What the images were built upon; none where it is the same.
    pub base: Option<SidesContext<BaseContext>>,
    /// What else differs in how they run, and in their labels, fifty at most.
    pub differences: Vec<DifferenceContext>,
}

/// A digest, and what the image at it says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SideContext {
    /// The digest.
    pub digest: String,
    /// Its first twelve digits.
    pub short: String,
    /// The version that the image says it is.
    pub version: Option<String>,
}

/// What there is of the old image and of the new one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SidesContext<T> {
    /// Of the old one.
    pub old: Option<T>,
    /// Of the new one.
    pub new: Option<T>,
}

/// What became of layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct LayersContext {
    /// How many both have.
    pub kept: usize,
    /// How many only the new one has.
    pub added: usize,
    /// How many only the old one has.
    pub removed: usize,
}

/// The image that another one was built upon, as its labels say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct BaseContext {
    /// Its name.
    pub name: Option<String>,
    /// Its digest.
    pub digest: Option<String>,
}

/// Something that differs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DifferenceContext {
    /// `user`, `entrypoint`, `command`, `working-folder`, `port`, `variable` or `label`.
    pub what: String,
    /// The name of the variable or label.
    pub name: Option<String>,
    /// What it was.
    pub old: Option<String>,
    /// What it is.
    pub new: Option<String>,
}

/// The keys there are, by what has them.
pub(crate) fn keys() -> Vec<(&'static str, Vec<String>)> {
    let context = TemplateContext { changes: vec![explained()], ..TemplateContext::default() };
    // Such a value has no map with other keys than strings, and no `Serialize` of its own that fails.
    let context = serde_json::to_value(context).unwrap_or_default();
    let of = |(what, at): (&'static str, &str)| {
        let keys = context.pointer(at).and_then(serde_json::Value::as_object)?.keys().cloned();
        Some((what, keys.collect()))
    };
    let places = [
        ("there is", ""),
        ("a change has", "/changes/0"),
        ("its `old` and `new` have", "/changes/0/new"),
        ("its `layers` have", "/changes/0/layers"),
        ("a base has", "/changes/0/base/new"),
        ("a difference has", "/changes/0/differences/0"),
    ];
    places.into_iter().filter_map(of).collect()
}

/// What templates are tried on, each with a word for it: all that a pass can come to.
pub(super) fn samples() -> Vec<(&'static str, TemplateContext)> {
    let (added, removed) =
        (ChangeContext { old: None, ..plain() }, ChangeContext { new: None, reference: None, ..plain() });
    let added = ChangeContext { change: "added".to_owned(), ..added };
    let removed = ChangeContext { change: "removed".to_owned(), ..removed };
    let one = |one: ChangeContext| TemplateContext {
        count: 1,
        changes: vec![one],
        more: 0,
        title: "chore(images): pin python:3.12".to_owned(),
        text: "- python:3.12: 010101010101 → 020202020202".to_owned(),
    };
    let several = vec![added.clone(), explained(), plain(), removed.clone()];
    vec![
        ("a tag that moved", one(explained())),
        ("a tag that is new", one(added)),
        ("a tag that is gone", one(removed)),
        ("a move of which little is known", one(plain())),
        ("several moves", TemplateContext { count: 4, changes: several, ..one(plain()) }),
        (
            "more moves than are listed",
            TemplateContext { count: 150, changes: vec![explained(); 100], more: 50, ..one(plain()) },
        ),
        (
            "a lock that changes without a move",
            TemplateContext { count: 0, changes: Vec::new(), text: String::new(), ..one(plain()) },
        ),
    ]
}

/// A move of which nothing is known but where it leads.
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

/// A move of which all is known.
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
        unknown: some("the image that it leaves cannot be read"),
        compare: some("https://github.com/acme/python/compare/0a...1b"),
        age: some("12 days later"),
        warnings: vec!["it runs as root, and did not before".to_owned()],
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
