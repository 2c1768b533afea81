//! `streams/**/*.toml` as they are written: every key there is, with its place; true or not is for `validate` to say.

use std::sync::LazyLock;

use schemars::JsonSchema;
use serde::Deserialize;
use toml::de::{DeTable, DeValue};

use crate::model::settings::table::{ImportTable, VerifyTable};
use crate::text::diagnostics::{At, Diagnostics, nearest};
use crate::text::toml::schema_check::{SchemaShape, short};
use crate::text::toml::{DateOrTime, Entries, StringOr};

/// What a stream's file may hold.
pub(super) static SHAPE: LazyLock<SchemaShape> = LazyLock::new(SchemaShape::of::<StreamTable>);

/// The keys a tag may have.
static TAG_KEYS: LazyLock<Vec<String>> = LazyLock::new(|| match SchemaShape::of::<TagTable>() {
    SchemaShape::Table(keys, _) => keys.into_iter().map(|(key, _)| key).collect(),
    _ => Vec::new(),
});

type KeyPath<'a> = toml::Spanned<std::borrow::Cow<'a, str>>;

/// A stream: a named set of tags.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[schemars(rename = "Stream")]
pub(crate) struct StreamTable {
    /// What the stream is for.
    pub(crate) description: Option<At<String>>,
    /// Words of your own.
    pub(crate) annotations: Entries<At<String>>,
    /// What the tags of this stream fall back on, before the settings of the root.
    pub(crate) import: ImportTable,
    /// The tags, by name: an image, or a table.
    pub(crate) tags: Entries<At<TagEntry>>,
    /// Every tag of a repository that fits, beside those above.
    pub(crate) discover: Option<At<DiscoverTable>>,
}

/// A tag as it is written: short for `{ image = "…" }`, or a table.
pub(crate) type TagEntry = StringOr<TagTable>;

/// A tag. One of `image`, `follow` and `repository` says where its digest comes from.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[schemars(rename = "Tag")]
pub(crate) struct TagTable {
    /// An image of a registry, as `docker.io/library/python:3.12`.
    pub(crate) image: Option<At<String>>,
    /// Another tag: of this stream, as `3.12`, of any, as `python:3.12`, or of another repository that the settings
    /// name, as `platform//python:3.12`.
    pub(crate) follow: Option<At<String>>,
    /// The one platform whose manifest is pinned in place of the index, as `linux/arm64`.
    pub(crate) platform: Option<At<String>>,
    /// Platforms an index must have for it to be pinned.
    pub(crate) platforms: Option<At<Vec<At<String>>>>,
    /// A cron expression of five fields, as crontab(5) has them, or `never`.
    pub(crate) schedule: Option<At<String>>,
    /// The time zone the schedule is read in, as `Europe/Berlin`.
    pub(crate) timezone: Option<At<String>>,
    /// Words of your own.
    pub(crate) annotations: Entries<At<String>>,
    /// A repository of which one tag is chosen: by `semver`, or by `pattern` and `order`.
    pub(crate) repository: Option<At<String>>,
    /// Versions of which the highest is chosen, as `>=3.13, <4`.
    pub(crate) semver: Option<At<String>>,
    /// A regular expression that a tag must match; what its groups hold is compared.
    pub(crate) pattern: Option<At<String>>,
    /// How tags are compared: `semver`, `number` or `alphabet`.
    pub(crate) order: Option<At<String>>,
    /// How long a digest must have been seen unmoved before it is pinned, as `3d`.
    pub(crate) soak: Option<At<String>>,
    /// What to do where the registry went back to a digest that was pinned before: `hold`, `allow` or `warn`.
    pub(crate) on_rollback: Option<At<String>>,
    /// Keeps the pin as it is: why, or a table.
    pub(crate) hold: Option<At<StringOr<HoldTable>>>,
    /// Digests that are never adopted again.
    pub(crate) reject: Vec<At<String>>,
    /// Who has to have signed an image for it to be pinned.
    pub(crate) verify: Option<At<VerifyTable>>,
    /// Classes of moves that are left alone, as `attestation`.
    pub(crate) ignore: Option<Vec<At<String>>>,
    /// How far a version may move: `patch`, `minor` or `major`.
    pub(crate) allow: Option<At<String>>,
}

/// Keeps a pin as it is.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[schemars(rename = "Hold")]
pub(crate) struct HoldTable {
    /// Why.
    pub(crate) reason: Option<At<String>>,
    /// Until when: a date, which begins at midnight UTC, or a date and time.
    pub(crate) until: Option<At<DateOrTime>>,
}

/// Every tag of a repository that fits becomes a tag of the stream.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[schemars(rename = "Discover")]
pub(crate) struct DiscoverTable {
    /// The repository, as `quay.io/acme/app`.
    #[schemars(required)]
    pub(crate) repository: Option<At<String>>,
    /// Versions that fit, as `>=2`.
    pub(crate) semver: Option<At<String>>,
    /// A regular expression that a tag must match; what its groups hold is compared.
    pub(crate) pattern: Option<At<String>>,
    /// How tags are compared: `semver`, `number` or `alphabet`.
    pub(crate) order: Option<At<String>>,
    /// How many tags at the most, the highest first; by default 50.
    #[schemars(range(min = 1, max = 10_000))]
    pub(crate) limit: Option<At<i64>>,
}

/// Finds tags that were meant as `"3.12"` and written as `3.12`, which TOML reads as the key `12` in a table `3`; says
/// so and takes them out.
pub(super) fn unquoted(document: &mut DeTable<'_>, findings: &mut Diagnostics<'_>) {
    let Some((_, tags)) = document.iter_mut().find(|(key, _)| key.get_ref() == "tags") else { return };
    let DeValue::Table(tags) = tags.get_mut() else { return };
    let mut emptied = Vec::new();
    for (tag, value) in tags.iter_mut() {
        let DeValue::Table(table) = value.get_mut() else { continue };
        let meant: Vec<String> = table
            .iter()
            .filter(|(key, value)| report_unquoted(tag, key, value.get_ref(), findings))
            .map(|(key, _)| key.get_ref().clone().into_owned())
            .collect();
        for key in &meant {
            table.remove(key.as_str());
        }
        if !meant.is_empty() && table.is_empty() {
            emptied.push(tag.get_ref().clone().into_owned());
        }
    }
    for tag in emptied {
        tags.remove(tag.as_str());
    }
}

/// Whether `key` of the table `tag` is the rest of a tag's name; if so, that is said.
fn report_unquoted(tag: &KeyPath<'_>, key: &KeyPath<'_>, value: &DeValue<'_>, findings: &mut Diagnostics<'_>) -> bool {
    let known = || TAG_KEYS.iter().map(String::as_str);
    let name = key.get_ref().as_ref();
    if known().any(|known| known == name) || nearest(name, known()).is_some() {
        return false;
    }
    let text = &findings.file.text;
    let before = text.get(..key.span().start).unwrap_or_default().trim_end_matches([' ', '\t']);
    let Some(before) = before.strip_suffix('.') else { return false };
    let mut rest = name.to_owned();
    let (mut end, mut inner) = (key.span().end, value);
    while let DeValue::Table(table) = inner {
        let Some((key, value)) = table.iter().find(|(key, _)| known().all(|known| known != key.get_ref())) else {
            break;
        };
        rest = format!("{rest}.{}", key.get_ref());
        (end, inner) = (key.span().end, value.get_ref());
    }
    let begin = before.trim_end().len().saturating_sub(tag.get_ref().len());
    let begin = if text.is_char_boundary(begin) { begin } else { before.len() };
    let line = text[..begin].rfind('\n').map_or(0, |at| at + 1);
    let is_header = text[line..].trim_start().starts_with('[');
    let (outer, rest) = (short(tag.get_ref()), short(&rest));
    let help = match is_header {
        true => format!("quote it: `[tags.\"{outer}.{rest}\"]`"),
        false => format!("quote it: `\"{outer}.{rest}\" = …`"),
    };
    let message = format!("TOML reads `{outer}.{rest}` as the key `{rest}` in a table `{outer}`");
    findings.report(&(begin..end), message, help);
    true
}
