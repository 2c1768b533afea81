//! Reading a TOML file that a person wrote into a type with positions.
//!
//! The type's JSON schema is the check: one struct says which keys there are, of what kind they are, and what the
//! published schema says. Whatever is wrong is said all at once, and what is right is still read, so that the file's
//! meaning can be checked in the same run. Nothing here knows what a key means.

pub(crate) mod schema_check;
mod syntax;
pub(crate) mod source;

use std::collections::HashSet;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, Deserializer, MapAccess, Visitor};
use toml::de::DeTable;

use crate::text::diagnostics::{At, Diagnostics, Problem};
use schema_check::SchemaShape;

/// What could be read of a file.
#[derive(Debug)]
pub(crate) struct ParsedFile<T> {
    /// The keys and values of the right kind.
    pub(crate) table: T,
    /// Where tables begin of which something could not be read: the place of their key, or of their header in a list.
    /// That such a table lacks something need not be said.
    pub(crate) incomplete: HashSet<usize>,
}

/// Reads `findings.file`, adding its problems; `first` may look at the keys before they are compared with `shape`.
///
/// None means that nothing could be read of it.
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
            findings.problems.push(problem.help("compare it with the schema: `pinstream schema`"));
            None
        }
    }
}

/// The JSON schema of what `T` is read from. A key that TOML leaves out is left out: there is no null.
pub(crate) fn schema<T: schemars::JsonSchema>() -> serde_json::Value {
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
    let mut schema =
        schemars::generate::SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>().to_value();
    without_null(&mut schema);
    schema
}

/// A table whose keys are the user's own, in the order of their names, with the place of each key.
#[derive(Clone, Debug)]
pub(crate) struct Entries<T>(pub(crate) Vec<(At<String>, T)>);

impl<T> Default for Entries<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Entries<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntriesVisitor<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for EntriesVisitor<T> {
            type Value = Entries<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries<T>, A::Error> {
                let mut entries = Vec::with_capacity(map.size_hint().unwrap_or(0).min(4_096));
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(EntriesVisitor(PhantomData))
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

/// A string, short for a table with one key, or the table.
#[derive(Clone, Debug)]
pub(crate) enum StringOr<T> {
    /// The short form.
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

/// A date, or a date and a time, as TOML has them without quotes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DateOrTime(pub(crate) toml::value::Datetime);

impl DateOrTime {
    /// The moment it stands for: a date begins at midnight, and what names no zone is read in UTC. None for a time of
    /// day alone, and for what no calendar has.
    pub(crate) fn timestamp(&self) -> Option<jiff::Timestamp> {
        let text = match *self {
            Self(toml::value::Datetime { date: Some(date), time: None, .. }) => format!("{date}T00:00:00Z"),
            Self(toml::value::Datetime { date: Some(_), offset: None, .. }) => format!("{}Z", self.0),
            Self(datetime) => datetime.to_string(),
        };
        text.parse().ok()
    }
}

impl<'de> Deserialize<'de> for DateOrTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        toml::value::Datetime::deserialize(deserializer).map(Self)
    }
}

impl schemars::JsonSchema for DateOrTime {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Moment".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "format": "date-time" })
    }
}
