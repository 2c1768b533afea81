//! Strict JSON: no duplicate keys, bounded nesting and size, nothing after the value.
//!
//! All parsers must see the same (CVE-2021-41190). Some ignore the case of keys, so [`JsonObject::check_spelling`]
//! rejects near misses of known keys. Source: RFC 8259, section 4.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::http::quotable;

/// Largest nesting depth.
const DEPTH: usize = 24;
/// Largest number of values: far more than any image has layers.
const VALUES: usize = 100_000;

/// A JSON object without duplicate keys.
#[derive(Clone, Copy)]
pub(super) struct JsonObject<'a>(pub(super) &'a Map<String, Value>);

/// Remaining number of values and levels.
struct JsonBudget {
    values: usize,
    depth: usize,
}

/// Defect of a JSON text.
#[derive(Debug, thiserror::Error)]
pub(super) enum JsonError {
    /// Message of the parser with the position; quotes nothing but a duplicate key.
    #[error(transparent)]
    Syntax(#[from] serde_json::Error),
    #[error("it is not an object")]
    NotAnObject,
    #[error("`{found}` looks like `{expected}`")]
    Misspelled { found: String, expected: String },
    #[error("`{key}` is not {expected}")]
    WrongType { key: String, expected: &'static str },
}

/// Parses all of `bytes` as an object.
///
/// # Errors
/// If they are not strict JSON or not an object.
pub(super) fn parse(bytes: &[u8]) -> Result<Map<String, Value>, JsonError> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = Seed(&mut JsonBudget { values: VALUES, depth: DEPTH }).deserialize(&mut deserializer)?;
    deserializer.end()?;
    if let Value::Object(object) = value { Ok(object) } else { Err(JsonError::NotAnObject) }
}

impl<'a> JsonObject<'a> {
    /// Returns the value of `key`; null counts as absent, as it does for container runtimes.
    pub(super) fn get(self, key: &str) -> Option<&'a Value> {
        self.0.get(key).filter(|value| !value.is_null())
    }

    /// Rejects keys that differ only in case from one of `known`, which are separated by spaces.
    ///
    /// # Errors
    /// The misspelled key.
    pub(super) fn check_spelling(self, known: &str) -> Result<(), JsonError> {
        let known = || known.split(' ');
        for key in self.0.keys().filter(|key| known().all(|known| known != key.as_str())) {
            let folded = fold(key);
            if let Some(expected) = known().find(|known| fold(known) == folded) {
                return Err(JsonError::Misspelled { found: quotable(key), expected: expected.to_owned() });
            }
        }
        Ok(())
    }

    /// Returns what `read` makes of the value of `key`.
    ///
    /// # Errors
    /// If `read` returns none, because the value is not `expected`.
    fn typed<T>(
        self,
        key: &str,
        expected: &'static str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, JsonError> {
        let wrong = || JsonError::WrongType { key: key.to_owned(), expected };
        self.get(key).map(|value| read(value).ok_or_else(wrong)).transpose()
    }

    /// Returns the string of `key`.
    ///
    /// # Errors
    /// If the value is not a string.
    pub(super) fn text(self, key: &str) -> Result<Option<&'a str>, JsonError> {
        self.typed(key, "a string", Value::as_str)
    }

    /// Returns the object of `key`.
    ///
    /// # Errors
    /// If the value is not an object.
    pub(super) fn object(self, key: &str) -> Result<Option<Self>, JsonError> {
        self.typed(key, "an object", |value| value.as_object().map(Self))
    }

    /// Returns the objects of the list `key`.
    ///
    /// # Errors
    /// If the value is not a list of objects.
    pub(super) fn objects(self, key: &str) -> Result<Option<Vec<Self>>, JsonError> {
        let objects = |value: &'a Value| value.as_array()?.iter().map(|one| one.as_object().map(Self)).collect();
        self.typed(key, "a list of objects", objects)
    }

    /// Returns the strings of the object `key`, such as annotations or labels.
    ///
    /// # Errors
    /// If the value is not an object of strings.
    pub(super) fn texts(self, key: &str) -> Result<BTreeMap<String, String>, JsonError> {
        self.object(key)?;
        let pair = |(name, text): (&String, &Value)| Some((name.clone(), text.as_str()?.to_owned()));
        let texts = self.typed(key, "an object of strings", |value| value.as_object()?.iter().map(pair).collect())?;
        Ok(texts.unwrap_or_default())
    }
}

/// Folds the case as parsers in Go do when they compare keys.
fn fold(text: &str) -> String {
    text.to_uppercase().to_lowercase()
}

struct Seed<'a>(&'a mut JsonBudget);

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.0.values = self.0.values.checked_sub(1).ok_or_else(|| D::Error::custom("too many values"))?;
        deserializer.deserialize_any(self)
    }
}

impl Seed<'_> {
    fn descend<E: Error>(&mut self) -> Result<(), E> {
        self.0.depth = self.0.depth.checked_sub(1).ok_or_else(|| E::custom("nested too deeply"))?;
        Ok(())
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<Value, A::Error> {
        self.descend()?;
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(Seed(self.0))? {
            values.push(value);
        }
        self.0.depth += 1;
        Ok(values.into())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Value, A::Error> {
        self.descend()?;
        let mut object = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            if object.contains_key(&key) {
                return Err(A::Error::custom(format_args!("duplicate key `{}`", quotable(&key))));
            }
            let value = map.next_value_seed(Seed(self.0))?;
            object.insert(key, value);
        }
        self.0.depth += 1;
        Ok(object.into())
    }
}
