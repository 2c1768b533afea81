//! Checks keys and kinds of a TOML file against the JSON schema of the type it is read into.
//!
//! Whatever does not fit is reported, with the nearest known key, and removed, so that the rest can be read.

use std::collections::HashSet;
use std::ops::Range;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use crate::text::diagnostics::{Diagnostics, did_you_mean, nearest};
use crate::text::escape::excerpt;

/// The kinds of values allowed at one position.
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
    /// A table with these keys; other keys have the second shape, if any.
    Table(Vec<(String, Self)>, Option<Box<Self>>),
    /// A string, or the other shape.
    TextOr(Box<Self>),
}

impl SchemaShape {
    /// Derives the shape from the schema of `T`.
    ///
    /// # Panics
    /// If the schema of `T` uses a construct without a TOML equivalent; a test reads each type.
    pub(crate) fn of<T: JsonSchema>() -> Self {
        let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
        Self::from_schema(&super::schema_with::<T>(settings))
    }

    fn from_schema(schema: &Value) -> Self {
        if let Some([text, table]) = schema["anyOf"].as_array().map(Vec::as_slice) {
            debug_assert_eq!(text["type"], "string", "schema choice other than string or table");
            return Self::TextOr(Box::new(Self::from_schema(table)));
        }
        match schema["type"].as_str() {
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
            _ => unreachable!("schema without a TOML kind: {schema}"),
        }
    }

    /// Names the kind, for messages.
    fn description(&self) -> &'static str {
        match self {
            Self::Text => "a string",
            Self::Integer => "an integer",
            Self::Boolean => "`true` or `false`",
            Self::Date => "a date",
            Self::List(_) => "a list",
            Self::Table(..) => "a table",
            Self::TextOr(_) => "a string or a table",
        }
    }
}

/// Removes from `table` whatever does not fit `shape`, and reports it. Returns the start positions of the tables from
/// which something was removed.
pub(crate) fn prune(shape: &SchemaShape, table: &mut DeTable<'_>, findings: &mut Diagnostics<'_>) -> HashSet<usize> {
    let mut pruning = Pruner { findings, incomplete: HashSet::new() };
    if let SchemaShape::Table(keys, rest) = shape {
        pruning.table(keys, rest.as_deref(), table, 0);
    }
    pruning.incomplete
}

struct Pruner<'a, 'b> {
    findings: &'a mut Diagnostics<'b>,
    incomplete: HashSet<usize>,
}

impl Pruner<'_, '_> {
    /// `begin` is the position of the table's key.
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
                    self.findings.report(&key.span(), format!("unknown key `{}`", excerpt(name)), key_help(name, keys));
                    false
                }
            };
            if !fits {
                misfits.push(name.to_owned());
            }
        }
        if !misfits.is_empty() {
            self.incomplete.insert(begin);
        }
        for name in misfits {
            table.remove(name.as_str());
        }
    }

    /// `key` is the position of the value's key, or of the value itself in a list.
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
                    self.findings.report(&span, "integer out of range", "use a smaller number");
                }
                fits
            }
            (SchemaShape::Table(keys, rest), DeValue::Table(table)) => {
                self.table(keys, rest.as_deref(), table, key.start);
                true
            }
            (SchemaShape::List(item), DeValue::Array(items)) => {
                // Check every element, and keep those that fit.
                let mut fit = |element: &mut Spanned<DeValue<'_>>| self.value(item, element, element.span());
                let fits: Vec<bool> = items.iter_mut().map(&mut fit).collect();
                if fits.contains(&false) {
                    let mut kept = DeArray::new();
                    let good = items.iter().zip(&fits).filter(|(_, fits)| **fits);
                    good.for_each(|(element, _)| kept.push(element.clone()));
                    *items = kept;
                    self.incomplete.insert(key.start);
                }
                fits.is_empty() || fits.contains(&true)
            }
            (_, other) => {
                let found = match other {
                    DeValue::String(_) => "a string",
                    DeValue::Integer(_) => "an integer",
                    DeValue::Float(_) => "a float",
                    DeValue::Boolean(_) => "`true` or `false`",
                    DeValue::Datetime(_) => "a date or time",
                    DeValue::Array(_) => "a list",
                    DeValue::Table(_) => "a table",
                };
                let message = format!("expected {}, found {found}", shape.description());
                let written = self.findings.file.text.get(span.clone()).unwrap_or_default();
                let help = match (shape, other) {
                    (
                        SchemaShape::Text | SchemaShape::TextOr(_),
                        DeValue::Integer(_) | DeValue::Float(_) | DeValue::Datetime(_),
                    ) => format!("put it in quotes: `\"{}\"`", excerpt(written)),
                    (SchemaShape::List(_), DeValue::Array(_) | DeValue::Table(_)) => "write a list".to_owned(),
                    (SchemaShape::List(_), _) => format!("put it in brackets: `[{}]`", excerpt(written)),
                    (SchemaShape::Integer, DeValue::String(text)) if text.parse::<i64>().is_ok() => {
                        format!("remove the quotes: `{text}`")
                    }
                    (SchemaShape::Date, _) => {
                        "write it without quotes, e.g. `2026-12-01` or `2026-12-01T08:00:00Z`".to_owned()
                    }
                    _ => format!("write {}", shape.description()),
                };
                self.findings.report(&span, message, help);
                false
            }
        }
    }
}

/// Suggests a replacement for the unknown key `name`.
pub(crate) fn key_help(name: &str, keys: &[(String, SchemaShape)]) -> String {
    let list = || {
        let list: Vec<String> = keys.iter().map(|(key, _)| format!("`{key}`")).collect();
        format!("known keys: {}", list.join(", "))
    };
    nearest(name, keys.iter().map(|(key, _)| key.as_str())).map_or_else(list, did_you_mean)
}
