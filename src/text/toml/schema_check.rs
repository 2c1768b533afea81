//! What a file may look like, from the JSON schema of the type it is read into: keys and kinds, nothing of meaning.
//!
//! What does not fit is said, with the nearest known key, and taken out, so that the rest can be read.

use std::collections::HashSet;
use std::ops::Range;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use crate::text::diagnostics::{Diagnostics, nearest};

/// What may stand at a place.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum SchemaShape {
    /// A string.
    Text,
    /// A whole number.
    Integer,
    /// `true` or `false`.
    Boolean,
    /// A date, with or without a time.
    Date,
    /// An array.
    List(Box<Self>),
    /// A table with these keys, by name, and of this shape for all other keys.
    Table(Vec<(String, Self)>, Option<Box<Self>>),
    /// A string, or else the shape.
    TextOr(Box<Self>),
}

impl SchemaShape {
    /// The shape of what `T` is read from.
    ///
    /// # Panics
    /// If the schema of `T` says what no shape can say; each type is read in a test.
    pub(crate) fn of<T: JsonSchema>() -> Self {
        let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
        Self::from_schema(settings.into_generator().into_root_schema_for::<T>().as_value())
    }

    fn from_schema(schema: &Value) -> Self {
        if let Some(options) = schema.get("anyOf").and_then(Value::as_array) {
            let mut shapes = options.iter().filter(|option| option["type"] != "null").map(Self::from_schema);
            return match (shapes.next(), shapes.next()) {
                (Some(Self::Text), Some(other)) => Self::TextOr(Box::new(other)),
                (Some(only), None) => only,
                _ => unreachable!("a schema with another choice than string or something: {schema}"),
            };
        }
        let kind = match &schema["type"] {
            Value::Array(kinds) => kinds.iter().find_map(|kind| kind.as_str().filter(|kind| *kind != "null")),
            kind => kind.as_str(),
        };
        match kind {
            Some("string") if schema["format"] == "date-time" => Self::Date,
            Some("string") => Self::Text,
            Some("integer") => Self::Integer,
            Some("boolean") => Self::Boolean,
            Some("array") => Self::List(Box::new(Self::from_schema(&schema["items"]))),
            Some("object") => {
                let keys = schema["properties"].as_object().into_iter().flatten();
                let keys = keys.map(|(key, value)| (key.clone(), Self::from_schema(value))).collect();
                let rest = schema.get("additionalProperties").filter(|rest| rest.is_object());
                Self::Table(keys, rest.map(|rest| Box::new(Self::from_schema(rest))))
            }
            _ => unreachable!("a schema without a kind that TOML has: {schema}"),
        }
    }

    /// In the words of a message.
    fn description(&self) -> &'static str {
        match self {
            Self::Text => "a string",
            Self::Integer => "a whole number",
            Self::Boolean => "`true` or `false`",
            Self::Date => "a date",
            Self::List(_) => "a list",
            Self::Table(..) => "a table",
            Self::TextOr(_) => "a string or a table",
        }
    }
}

/// Takes out of `table` what does not fit `shape`, which is a table's, and says so. The answer is where the tables
/// begin that something was taken out of.
pub(crate) fn prune(shape: &SchemaShape, table: &mut DeTable<'_>, findings: &mut Diagnostics<'_>) -> HashSet<usize> {
    let mut pruning = Pruner { findings, spoiled: HashSet::new() };
    if let SchemaShape::Table(keys, rest) = shape {
        pruning.table(keys, rest.as_deref(), table, 0);
    }
    pruning.spoiled
}

struct Pruner<'a, 'b> {
    findings: &'a mut Diagnostics<'b>,
    spoiled: HashSet<usize>,
}

impl Pruner<'_, '_> {
    /// `begin` is where the table's key stands.
    fn table(
        &mut self,
        keys: &[(String, SchemaShape)],
        rest: Option<&SchemaShape>,
        table: &mut DeTable<'_>,
        begin: usize,
    ) {
        let mut misfits = Vec::new();
        for (key, value) in table.iter_mut() {
            let name = key.get_ref().as_ref();
            let known = keys.iter().find(|(known, _)| known == name).map(|(_, shape)| shape);
            let fits = match known.or(rest) {
                Some(shape) => self.value(shape, value, key.span()),
                None => {
                    self.findings.report(&key.span(), format!("unknown key `{}`", short(name)), key_help(name, keys));
                    false
                }
            };
            if !fits {
                misfits.push(name.to_owned());
            }
        }
        if !misfits.is_empty() {
            self.spoiled.insert(begin);
        }
        for name in misfits {
            table.remove(name.as_str());
        }
    }

    /// `key` is the place of the value's key, or of the value itself in a list.
    fn value(&mut self, shape: &SchemaShape, value: &mut Spanned<DeValue<'_>>, key: Range<usize>) -> bool {
        let span = value.span();
        let shape = match shape {
            SchemaShape::TextOr(other) if value.get_ref().is_table() => other,
            _ => shape,
        };
        match (shape, value.get_mut()) {
            (SchemaShape::Text | SchemaShape::TextOr(_), DeValue::String(_))
            | (SchemaShape::Boolean, DeValue::Boolean(_)) => true,
            (SchemaShape::Date, DeValue::Datetime(date)) if date.date.is_some() => true,
            (SchemaShape::Integer, DeValue::Integer(number)) => {
                let fits = i64::from_str_radix(number.as_str(), number.radix()).is_ok();
                if !fits {
                    self.findings.report(&span, "a number out of all range", "write a smaller one");
                }
                fits
            }
            (SchemaShape::Table(keys, rest), DeValue::Table(table)) => {
                self.table(keys, rest.as_deref(), table, key.start);
                true
            }
            (SchemaShape::List(item), DeValue::Array(items)) => {
                // Every element is looked at, and those that fit are kept.
                let fits: Vec<bool> = items
                    .iter_mut()
                    .map(|element| {
                        let place = element.span();
                        self.value(item, element, place)
                    })
                    .collect();
                if fits.contains(&false) {
                    let mut kept = DeArray::new();
                    let good = items.iter().zip(&fits).filter(|(_, fits)| **fits);
                    good.for_each(|(element, _)| kept.push(element.clone()));
                    *items = kept;
                    self.spoiled.insert(key.start);
                }
                fits.is_empty() || fits.contains(&true)
            }
            (_, other) => {
                let found = match other {
                    DeValue::String(_) => "a string",
                    DeValue::Integer(_) => "a whole number",
                    DeValue::Float(_) => "a number with a fraction",
                    DeValue::Boolean(_) => "`true` or `false`",
                    DeValue::Datetime(_) => "a date or time",
                    DeValue::Array(_) => "a list",
                    DeValue::Table(_) => "a table",
                };
                let message = format!("{} was expected, this is {found}", shape.description());
                let written = self.findings.file.text.get(span.clone()).unwrap_or_default();
                let help = match (shape, other) {
                    (
                        SchemaShape::Text | SchemaShape::TextOr(_),
                        DeValue::Integer(_) | DeValue::Float(_) | DeValue::Datetime(_),
                    ) => format!("put it in quotes: `\"{}\"`", short(written)),
                    (SchemaShape::List(_), DeValue::Array(_) | DeValue::Table(_)) => "write a list".to_owned(),
                    (SchemaShape::List(_), _) => format!("put it in brackets: `[{}]`", short(written)),
                    (SchemaShape::Integer, DeValue::String(text)) if text.parse::<i64>().is_ok() => {
                        format!("take the quotes away: `{text}`")
                    }
                    (SchemaShape::Date, _) => "as `2026-12-01` or `2026-12-01T08:00:00Z`, without quotes".to_owned(),
                    _ => format!("write {}", shape.description()),
                };
                self.findings.report(&span, message, help);
                false
            }
        }
    }
}

/// What may be written in place of the unknown key `name`.
pub(crate) fn key_help(name: &str, keys: &[(String, SchemaShape)]) -> String {
    let known = || keys.iter().map(|(key, _)| key.as_str());
    match nearest(name, known()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => {
            let list: Vec<String> = keys.iter().map(|(key, _)| format!("`{key}`")).collect();
            format!("known here: {}", list.join(", "))
        }
    }
}

/// At most 80 characters of `text`.
pub(crate) fn short(text: &str) -> &str {
    text.char_indices().nth(80).map_or(text, |(at, _)| &text[..at])
}
