//! Writes the file of a new stream, for commands that create streams from existing images.
//!
//! The file belongs to the user from then on: nothing here reads or changes an existing one.

use crate::model::image::{ImageRef, Platform, RemoteTag, StreamName, TagId, TagName};
use crate::text::escape::{is_deceptive, toml_string};

/// The content of a new stream file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewStream {
    /// Comment lines at the top.
    pub comments: Vec<String>,
    /// `description`
    pub description: Option<String>,
    /// `annotations`, by name.
    pub annotations: Vec<(String, String)>,
    /// The tags, in the order in which they are written.
    pub tags: Vec<(TagName, NewTag)>,
    /// Raw lines at the end.
    pub tail: String,
}

/// A tag of a new stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTag {
    /// Comment lines above it.
    pub comments: Vec<String>,
    /// The source of its digest.
    pub source: NewSource,
    /// `schedule`
    pub schedule: Option<String>,
    /// `annotations`, by name.
    pub annotations: Vec<(String, String)>,
}

/// The source of a new tag's digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NewSource {
    /// An image, or one platform of it.
    Image(ImageRef, Option<Platform>),
    /// Another tag.
    Follow(TagId),
    /// A tag of another repository.
    Remote(RemoteTag),
}

impl NewTag {
    /// Creates a tag with `source` and nothing else.
    pub fn of(source: NewSource) -> Self {
        Self { comments: Vec::new(), source, schedule: None, annotations: Vec::new() }
    }
}

/// Formats the file of the stream `name`: tags in short form first, then those with a table of their own.
pub fn render(name: &StreamName, stream: &NewStream) -> String {
    let mut out = String::new();
    comments(&mut out, &stream.comments);
    if let Some(description) = &stream.description {
        out.push_str(&format!("description = {}\n", toml_string(description)));
    }
    if !stream.annotations.is_empty() {
        table(&mut out, "annotations");
        pairs(&mut out, &stream.annotations);
    }
    let (plain, long): (Vec<_>, Vec<_>) = stream.tags.iter().partition(|(_, tag)| tag.annotations.is_empty());
    if !plain.is_empty() || long.is_empty() {
        table(&mut out, "tags");
    }
    for (tag, new) in plain {
        comments(&mut out, &new.comments);
        out.push_str(&format!("{} = {}\n", key(tag.as_str()), short(&keys(name, new))));
    }
    for (tag, new) in long {
        out.push('\n');
        comments(&mut out, &new.comments);
        let tag = key(tag.as_str());
        out.push_str(&format!("[tags.{tag}]\n"));
        for (key, value) in keys(name, new) {
            out.push_str(&format!("{key} = {value}\n"));
        }
        out.push_str(&format!("[tags.{tag}.annotations]\n"));
        pairs(&mut out, &new.annotations);
    }
    if !stream.tail.is_empty() {
        out.push('\n');
        out.push_str(&stream.tail);
    }
    out
}

/// Returns the keys of a tag without its annotations, and their TOML values, the source first.
pub(super) fn keys(stream: &StreamName, tag: &NewTag) -> Vec<(&'static str, String)> {
    let mut keys = Vec::new();
    match &tag.source {
        NewSource::Image(image, platform) => {
            keys.push(("image", format!("\"{image}\"")));
            keys.extend(platform.as_ref().map(|platform| ("platform", format!("\"{platform}\""))));
        }
        NewSource::Follow(target) if target.stream == *stream => keys.push(("follow", format!("\"{}\"", target.tag))),
        NewSource::Follow(target) => keys.push(("follow", format!("\"{target}\""))),
        NewSource::Remote(tag) => keys.push(("follow", format!("\"{tag}\""))),
    }
    keys.extend(tag.schedule.as_ref().map(|schedule| ("schedule", toml_string(schedule))));
    keys
}

/// Formats a tag on one line: its image alone, or an inline table.
pub(super) fn short(keys: &[(&str, String)]) -> String {
    match keys {
        [("image", image)] => image.clone(),
        keys => {
            let keys: Vec<String> = keys.iter().map(|(key, value)| format!("{key} = {value}")).collect();
            format!("{{ {} }}", keys.join(", "))
        }
    }
}

fn table(out: &mut String, name: &str) {
    if !out.is_empty() {
        out.push('\n');
    }
    out.push_str(&format!("[{name}]\n"));
}

fn pairs(out: &mut String, pairs: &[(String, String)]) {
    for (name, value) in pairs {
        out.push_str(&format!("{} = {}\n", key(name), toml_string(value)));
    }
}

fn comments(out: &mut String, comments: &[String]) {
    for comment in comments {
        out.push_str(&format!("# {}\n", plain(comment)));
    }
}

/// Replaces everything that could end a comment or deceive its reader.
fn plain(text: &str) -> String {
    text.chars().map(|c| if is_deceptive(c) { ' ' } else { c }).collect()
}

/// Formats a key, quoted if TOML or the reader needs it: `3` would be one key, `3.12` two.
pub(super) fn key(text: &str) -> String {
    let bare = text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    if bare && text.starts_with(|c: char| c.is_ascii_alphabetic()) { text.to_owned() } else { toml_string(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(text: &str, platform: Option<&str>) -> NewTag {
        let platform = platform.map(|platform| platform.parse().unwrap());
        NewTag::of(NewSource::Image(text.parse().unwrap(), platform))
    }

    fn follow(text: &str) -> NewTag {
        NewTag::of(NewSource::Follow(text.parse().unwrap()))
    }

    fn stream() -> NewStream {
        let words = |words: &[(&str, &str)]| {
            words.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect::<Vec<_>>()
        };
        let mut long = image("quay.io/a/b:1", None);
        long.annotations = words(&[("tags", "builder,\"python\""), ("acme.example/owner", "one\ntwo\u{200b}")]);
        long.comments = vec!["not carried: a\nb".to_owned()];
        let mut scheduled = image("quay.io/a/b:2", Some("linux/arm64"));
        scheduled.schedule = Some("*/15 * * * *".to_owned());
        let tags = [
            ("1", long),
            ("latest", follow("python:1")),
            ("3.12", image("quay.io/a/b:3", None)),
            ("_x", scheduled),
            ("other", follow("web:1")),
        ];
        NewStream {
            comments: vec!["a word".to_owned()],
            description: Some("Python".to_owned()),
            annotations: words(&[("k", "v")]),
            tags: tags.into_iter().map(|(tag, new)| (tag.parse().unwrap(), new)).collect(),
            tail: "# end\n".to_owned(),
        }
    }

    #[test]
    fn a_stream_is_written_for_people() {
        insta::assert_snapshot!(render(&"python".parse().unwrap(), &stream()), @r#"
        # a word
        description = "Python"

        [annotations]
        k = "v"

        [tags]
        latest = { follow = "1" }
        "3.12" = "quay.io/a/b:3"
        "_x" = { image = "quay.io/a/b:2", platform = "linux/arm64", schedule = "*/15 * * * *" }
        other = { follow = "web:1" }

        # not carried: a b
        [tags."1"]
        image = "quay.io/a/b:1"
        [tags."1".annotations]
        tags = "builder,\"python\""
        "acme.example/owner" = "one\ntwo\u200B"

        # end
        "#);
    }

    #[test]
    fn a_stream_without_tags_is_one() {
        assert_eq!(render(&"a".parse().unwrap(), &NewStream::default()), "[tags]\n");
    }
}
