//! Strict JSON: no duplicate keys, bounded nesting and size, nothing after the value.
//!
//! All parsers must see the same (CVE-2021-41190). Some ignore the case of keys, so [`JsonObject::check_spelling`]
//! rejects near misses of known keys. Source: RFC 8259, section 4.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::http::quotable;

/// Largest nesting depth.
const DEPTH: usize = 24;
/// Largest number of values: far more than any image has layers.
const VALUES: usize = 100_000;

/// A JSON value. Only natural numbers keep their value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum JsonValue {
    Null,
    Bool,
    Whole(u64),
    OtherNumber,
    Text(String),
    List(Vec<Self>),
    Object(JsonObject),
}

/// A JSON object without duplicate keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct JsonObject(BTreeMap<String, JsonValue>);

/// Remaining number of values and levels.
struct JsonBudget {
    values: usize,
    depth: usize,
}

/// Defect of a JSON text.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum JsonError {
    /// Message of the parser with the position; quotes nothing but a duplicate key.
    #[error("{0}")]
    Syntax(String),
    #[error("it is not an object")]
    NotAnObject,
    #[error("`{found}` looks like `{expected}`")]
    Misspelled { found: String, expected: String },
    #[error("`{key}` is not {expected}")]
    WrongType { key: String, expected: &'static str },
}

impl JsonError {
    fn wrong_type(key: &str, expected: &'static str) -> Self {
        Self::WrongType { key: key.to_owned(), expected }
    }
}

impl JsonValue {
    /// Parses all of `bytes`.
    ///
    /// # Errors
    /// If they are not strict JSON.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, JsonError> {
        let mut deserializer = serde_json::Deserializer::from_slice(bytes);
        let mut budget = JsonBudget { values: VALUES, depth: DEPTH };
        let value = serde::de::DeserializeSeed::deserialize(Seed(&mut budget), &mut deserializer);
        let value = value.map_err(|error| JsonError::Syntax(error.to_string()))?;
        deserializer.end().map_err(|error| JsonError::Syntax(error.to_string()))?;
        Ok(value)
    }

    /// Parses all of `bytes` as an object.
    ///
    /// # Errors
    /// If they are not strict JSON or not an object.
    pub(super) fn parse_object(bytes: &[u8]) -> Result<JsonObject, JsonError> {
        match Self::parse(bytes)? {
            Self::Object(object) => Ok(object),
            _ => Err(JsonError::NotAnObject),
        }
    }
}

impl JsonObject {
    /// Returns the value of `key`; null counts as absent, as it does for container runtimes.
    pub(super) fn get(&self, key: &str) -> Option<&JsonValue> {
        self.0.get(key).filter(|value| **value != JsonValue::Null)
    }

    /// Iterates over the keys.
    pub(super) fn keys(&self) -> impl Iterator<Item = &String> {
        self.0.keys()
    }

    /// Rejects keys that differ from one of `known` only in case.
    ///
    /// # Errors
    /// The misspelled key.
    pub(super) fn check_spelling(&self, known: &[&str]) -> Result<(), JsonError> {
        for key in self.0.keys().filter(|key| !known.contains(&key.as_str())) {
            let folded = fold(key);
            if let Some(expected) = known.iter().find(|known| fold(known) == folded) {
                return Err(JsonError::Misspelled { found: quotable(key), expected: (*expected).to_owned() });
            }
        }
        Ok(())
    }

    /// Returns the string of `key`.
    ///
    /// # Errors
    /// If the value is not a string.
    pub(super) fn text(&self, key: &str) -> Result<Option<&str>, JsonError> {
        match self.get(key) {
            None => Ok(None),
            Some(JsonValue::Text(text)) => Ok(Some(text)),
            Some(_) => Err(JsonError::wrong_type(key, "a string")),
        }
    }

    /// Returns the object of `key`.
    ///
    /// # Errors
    /// If the value is not an object.
    pub(super) fn object(&self, key: &str) -> Result<Option<&Self>, JsonError> {
        match self.get(key) {
            None => Ok(None),
            Some(JsonValue::Object(object)) => Ok(Some(object)),
            Some(_) => Err(JsonError::wrong_type(key, "an object")),
        }
    }

    /// Returns the objects of the list `key`.
    ///
    /// # Errors
    /// If the value is not a list of objects.
    pub(super) fn objects(&self, key: &str) -> Result<Option<Vec<&Self>>, JsonError> {
        let bad = || JsonError::wrong_type(key, "a list of objects");
        match self.get(key) {
            None => Ok(None),
            Some(JsonValue::List(list)) => {
                let mut objects = Vec::with_capacity(list.len());
                for value in list {
                    let JsonValue::Object(object) = value else { return Err(bad()) };
                    objects.push(object);
                }
                Ok(Some(objects))
            }
            Some(_) => Err(bad()),
        }
    }

    /// Returns the strings of the object `key`, such as annotations or labels.
    ///
    /// # Errors
    /// If the value is not an object of strings.
    pub(super) fn texts(&self, key: &str) -> Result<BTreeMap<String, String>, JsonError> {
        let Some(object) = self.object(key)? else { return Ok(BTreeMap::new()) };
        let pair = |(name, value): (&String, &JsonValue)| match value {
            JsonValue::Text(text) => Ok((name.clone(), text.clone())),
            _ => Err(JsonError::wrong_type(key, "an object of strings")),
        };
        object.0.iter().map(pair).collect()
    }
}

/// Folds the case as parsers in Go do when they compare keys.
fn fold(text: &str) -> String {
    text.to_uppercase().to_lowercase()
}

struct Seed<'a>(&'a mut JsonBudget);

impl<'de> serde::de::DeserializeSeed<'de> for Seed<'_> {
    type Value = JsonValue;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<JsonValue, D::Error> {
        self.0.values = self.0.values.checked_sub(1).ok_or_else(|| D::Error::custom("too many values"))?;
        deserializer.deserialize_any(Reader(self.0))
    }
}

struct Reader<'a>(&'a mut JsonBudget);

impl Reader<'_> {
    fn descend<E: Error>(&mut self) -> Result<(), E> {
        self.0.depth = self.0.depth.checked_sub(1).ok_or_else(|| E::custom("nested too deeply"))?;
        Ok(())
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = JsonValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<JsonValue, E> {
        Ok(JsonValue::Null)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<JsonValue, E> {
        Ok(JsonValue::Bool)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<JsonValue, E> {
        Ok(JsonValue::Whole(value))
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<JsonValue, E> {
        Ok(JsonValue::OtherNumber)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<JsonValue, E> {
        Ok(JsonValue::OtherNumber)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<JsonValue, E> {
        Ok(JsonValue::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<JsonValue, A::Error> {
        self.descend()?;
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(Seed(self.0))? {
            values.push(value);
        }
        self.0.depth += 1;
        Ok(JsonValue::List(values))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<JsonValue, A::Error> {
        self.descend()?;
        let mut object = BTreeMap::new();
        while let Some(key) = map.next_key::<Key>()? {
            if object.contains_key(&key.0) {
                return Err(A::Error::custom(format_args!("duplicate key `{}`", quotable(&key.0))));
            }
            let value = map.next_value_seed(Seed(self.0))?;
            object.insert(key.0, value);
        }
        self.0.depth += 1;
        Ok(JsonValue::Object(JsonObject(object)))
    }
}

#[derive(Deserialize)]
struct Key(String);
