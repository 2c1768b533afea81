//! The raw tables of `streams/**/*.toml`, with positions and schema; `validate` checks the values.

use std::sync::LazyLock;

use schemars::JsonSchema;
use serde::Deserialize;
use toml::de::{DeTable, DeValue};
use toml::value::Datetime;

use crate::model::settings::table::{ImportTable, VerifyTable};
use crate::text::diagnostics::{At, Diagnostics, nearest};
use crate::text::escape::excerpt;
use crate::text::toml::schema_check::SchemaShape;
use crate::text::toml::{Entries, StringOr, datetime_schema};

/// The shape of a stream file.
pub(super) static SHAPE: LazyLock<SchemaShape> = LazyLock::new(SchemaShape::of::<StreamTable>);

/// The keys of a tag.
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
    /// Purpose of the stream.
    pub(crate) description: Option<At<String>>,
    /// Annotations, for your own use.
    pub(crate) annotations: Entries<At<String>>,
    /// Defaults for the tags of this stream; they override the settings of the root.
    #[schemars(schema_with = "import_schema")]
    pub(crate) import: ImportTable,
    /// Tags, by name: an image, or a table.
    pub(crate) tags: Entries<At<TagEntry>>,
    /// Also makes each matching tag of a repository a tag of the stream.
    pub(crate) discover: Option<At<DiscoverTable>>,
}

/// Builds the schema of `[import]` without the keys that concern a whole root.
fn import_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
    let mut schema = ImportTable::json_schema(generator);
    if let Some(keys) = schema.get_mut("properties").and_then(serde_json::Value::as_object_mut) {
        keys.remove("budget");
    }
    schema
}

/// The value of a tag: short for `{ image = "…" }`, or a table.
pub(crate) type TagEntry = StringOr<TagTable>;

/// A tag. Exactly one of `image`, `follow` and `repository` is the source of its digest.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[schemars(rename = "Tag")]
pub(crate) struct TagTable {
    /// Image of a registry, e.g. `docker.io/library/python:3.12`.
    pub(crate) image: Option<At<String>>,
    /// Another tag: of this stream (`3.12`), of any stream (`python:3.12`), or of another repository in the settings
    /// (`platform//python:3.12`).
    pub(crate) follow: Option<At<String>>,
    /// Platform whose manifest is pinned instead of the index, e.g. `linux/arm64`.
    pub(crate) platform: Option<At<String>>,
    /// Platforms that an index must have.
    pub(crate) platforms: Option<At<Vec<At<String>>>>,
    /// Cron expression of five fields, as in crontab(5), or `never`.
    pub(crate) schedule: Option<At<String>>,
    /// Time zone of the schedule, e.g. `Europe/Berlin`.
    pub(crate) timezone: Option<At<String>>,
    /// Annotations, for your own use.
    pub(crate) annotations: Entries<At<String>>,
    /// Repository from which a tag is selected: by `semver`, or by `pattern` and `order`.
    pub(crate) repository: Option<At<String>>,
    /// Range of versions, e.g. `>=3.13, <4`; the highest version is selected.
    pub(crate) semver: Option<At<String>>,
    /// Regular expression that a tag must match; its groups are compared.
    pub(crate) pattern: Option<At<String>>,
    /// Order of tags: `semver`, `number` or `alphabet`.
    pub(crate) order: Option<At<String>>,
    /// Minimum age of a digest before it is pinned, measured from when pinstream first saw it, e.g. `3d`.
    pub(crate) soak: Option<At<String>>,
    /// Reaction when the registry goes back to an earlier digest: `hold`, `allow` or `warn`.
    pub(crate) on_rollback: Option<At<String>>,
    /// Keeps the pin as it is: a reason, or a table.
    pub(crate) hold: Option<At<StringOr<HoldTable>>>,
    /// Digests that are never adopted.
    pub(crate) reject: Vec<At<String>>,
    /// Required signer of the image.
    pub(crate) verify: Option<At<VerifyTable>>,
    /// Classes of changes to ignore, e.g. `attestation`.
    pub(crate) ignore: Option<Vec<At<String>>>,
    /// Largest accepted version change: `patch`, `minor` or `major`.
    pub(crate) allow: Option<At<String>>,
}

/// Keeps a pin as it is.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[schemars(rename = "Hold")]
pub(crate) struct HoldTable {
    /// Reason for the hold.
    pub(crate) reason: Option<At<String>>,
    /// End of the hold: a date, from midnight UTC, or a date and time.
    #[schemars(schema_with = "datetime_schema")]
    pub(crate) until: Option<At<Datetime>>,
}

/// Makes each matching tag of a repository a tag of the stream.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[schemars(rename = "Discover")]
pub(crate) struct DiscoverTable {
    /// Repository, e.g. `quay.io/acme/app`.
    #[schemars(required)]
    pub(crate) repository: Option<At<String>>,
    /// Range of versions, e.g. `>=2`.
    pub(crate) semver: Option<At<String>>,
    /// Regular expression that a tag must match; its groups are compared.
    pub(crate) pattern: Option<At<String>>,
    /// Order of tags: `semver`, `number` or `alphabet`.
    pub(crate) order: Option<At<String>>,
    /// Maximum number of tags, highest first; default: 50.
    #[schemars(range(min = 1, max = 10_000))]
    pub(crate) limit: Option<At<i64>>,
}

/// Finds tags meant as `"3.12"` but written as `3.12`, which TOML reads as the key `12` in a table `3`; reports and
/// removes them.
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

/// Reports `key` of the table `tag` if it is the rest of a tag name; returns true if so.
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
    let (outer, rest) = (excerpt(tag.get_ref()), excerpt(&rest));
    let help = match is_header {
        true => format!("quote it: `[tags.\"{outer}.{rest}\"]`"),
        false => format!("quote it: `\"{outer}.{rest}\" = …`"),
    };
    let message = format!("TOML reads `{outer}.{rest}` as the key `{rest}` in a table `{outer}`");
    findings.report(&(begin..end), message, help);
    true
}
