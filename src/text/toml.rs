//! Reads a TOML file written by a user into a type with source positions.
//!
//! The JSON schema of the type is the check: one struct defines the keys, their kinds and the published schema. All
//! mistakes are reported at once, and whatever is correct is still read, so that its meaning can be checked in the
//! same run. The meaning of keys is checked elsewhere.

pub(crate) mod schema_check;
mod syntax;
pub(crate) mod source;

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::marker::PhantomData;

use schemars::generate::SchemaSettings;
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, Deserializer, MapAccess, Visitor};
use toml::de::DeTable;
use toml::value::Datetime;

use crate::text::diagnostics::{At, Diagnostics, Problem};
use schema_check::SchemaShape;

/// The part of a file that could be read.
#[derive(Debug)]
pub(crate) struct ParsedFile<T> {
    /// The values whose kind is correct.
    pub(crate) table: T,
    /// Start positions (of the key, or of the header in a list) of tables from which something incorrect was dropped. A
    /// key missing from such a table is not reported again.
    pub(crate) incomplete: HashSet<usize>,
}

/// Reads `findings.file` and adds its problems; `first` may inspect the keys before they are compared with `shape`.
///
/// Returns `None` if nothing could be read.
pub(crate) fn read<T: DeserializeOwned>(
    shape: &SchemaShape,
    findings: &mut Diagnostics<'_>,
    first: impl FnOnce(&mut DeTable<'_>, &mut Diagnostics<'_>),
) -> Option<ParsedFile<T>> {
    let file = std::sync::Arc::clone(findings.file);
    let mut document = syntax::parse(&file.text, findings)?;
    first(document.get_mut(), findings);
    let spoiled = schema_check::prune(shape, document.get_mut(), findings);
    match T::deserialize(toml::de::Deserializer::from(document)) {
        Ok(table) => Some(ParsedFile { table, incomplete: spoiled }),
        Err(error) => {
            let span = error.span().unwrap_or(0..0);
            let problem = Problem::at(&file, span, error.message().to_owned());
            findings.problems.push(problem.help("compare it with the schema (`pinstream schema`)"));
            None
        }
    }
}

/// Returns the JSON schema of `T`. TOML has no null: an absent value is an absent key.
pub(crate) fn schema<T: schemars::JsonSchema>() -> serde_json::Value {
    schema_with::<T>(SchemaSettings::draft2020_12())
}

fn schema_with<T: schemars::JsonSchema>(settings: SchemaSettings) -> serde_json::Value {
    fn without_null(value: &mut serde_json::Value) {
        use serde_json::Value;
        let kind = value["type"].as_array().and_then(|kinds| kinds.iter().find(|kind| **kind != "null")).cloned();
        if let Some(kind) = kind {
            value["type"] = kind;
        }
        if let Some(options) = value.get_mut("anyOf").and_then(Value::as_array_mut) {
            options.retain(|option| option["type"] != "null");
            if let [only] = options.as_slice() {
                let only = only.as_object().cloned().unwrap_or_default();
                if let Some(object) = value.as_object_mut() {
                    object.remove("anyOf");
                    object.extend(only);
                }
            }
        }
        if let Some(object) = value.as_object_mut() {
            object.retain(|key, value| key != "default" && !(key == "format" && *value == "int64"));
        }
        match value {
            Value::Object(object) => object.values_mut().for_each(without_null),
            Value::Array(items) => items.iter_mut().for_each(without_null),
            _ => {}
        }
    }
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    without_null(&mut schema);
    schema
}

/// A table with keys chosen by the user, sorted by name, each with its position.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "BTreeMap<toml::Spanned<String>, T>")]
pub(crate) struct Entries<T>(pub(crate) Vec<(At<String>, T)>);

impl<T> Default for Entries<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> From<BTreeMap<toml::Spanned<String>, T>> for Entries<T> {
    fn from(entries: BTreeMap<toml::Spanned<String>, T>) -> Self {
        Self(entries.into_iter().map(|(key, value)| (key.into(), value)).collect())
    }
}

impl<T: schemars::JsonSchema> schemars::JsonSchema for Entries<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        format!("Entries_of_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let entry = generator.subschema_for::<T>();
        schemars::json_schema!({ "type": "object", "additionalProperties": entry })
    }
}

/// A string, as shorthand for a table with one key, or the table itself.
#[derive(Clone, Debug)]
pub(crate) enum StringOr<T> {
    /// The shorthand.
    Text(String),
    /// The table.
    Table(Box<T>),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for StringOr<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct StringOrVisitor<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for StringOrVisitor<T> {
            type Value = StringOr<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or a table")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<StringOr<T>, E> {
                Ok(StringOr::Text(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<StringOr<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(|table| StringOr::Table(Box::new(table)))
            }
        }
        deserializer.deserialize_any(StringOrVisitor(PhantomData))
    }
}

impl<T: schemars::JsonSchema> schemars::JsonSchema for StringOr<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        format!("Text_or_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let table = generator.subschema_for::<T>();
        schemars::json_schema!({ "anyOf": [{ "type": "string" }, table] })
    }
}

/// Converts a date, from midnight UTC, or a date and time, which is in UTC unless it has an offset.
pub(crate) fn timestamp(written: Datetime) -> Option<jiff::Timestamp> {
    let text = match written {
        Datetime { date: Some(date), time: None, .. } => format!("{date}T00:00:00Z"),
        Datetime { date: Some(_), offset: None, .. } => format!("{written}Z"),
        _ => written.to_string(),
    };
    text.parse().ok()
}

/// Returns the schema of a date, or a date and time.
pub(crate) fn datetime_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "string", "format": "date-time" })
}
