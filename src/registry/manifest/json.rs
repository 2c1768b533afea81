//! JSON read strictly: one key stands once, nesting and size are bounded, nothing follows the value.
//!
//! Two readers of one text must see the same (CVE-2021-41190): keys that differ only in case are the same to some,
//! so [`Object::fields`] refuses spellings near those that mean something. Source: RFC 8259, section 4.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// How deep values may nest.
const DEPTH: usize = 24;
/// How many values a text may hold: far more than any image has layers.
const VALUES: usize = 100_000;

/// A JSON value; numbers other than whole positive ones keep no value, as nothing here asks for it.
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

/// A JSON object, each key once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct JsonObject(BTreeMap<String, JsonValue>);

/// What of the bounds is left.
struct JsonBudget {
    values: usize,
    depth: usize,
}

impl JsonValue {
    /// Reads all of `bytes`.
    ///
    /// # Errors
    /// What is wrong, and where. The text itself is not repeated but for a key that stands twice.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, String> {
        let mut deserializer = serde_json::Deserializer::from_slice(bytes);
        let mut budget = JsonBudget { values: VALUES, depth: DEPTH };
        let value = serde::de::DeserializeSeed::deserialize(Seed(&mut budget), &mut deserializer);
        let value = value.map_err(|error| error.to_string())?;
        deserializer.end().map_err(|error| error.to_string())?;
        Ok(value)
    }

    /// Reads all of `bytes` as an object.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub(super) fn read_object(bytes: &[u8]) -> Result<JsonObject, String> {
        match Self::read(bytes)? {
            Self::Object(object) => Ok(object),
            _ => Err("it is not an object".to_owned()),
        }
    }
}

impl JsonObject {
    /// The value of `key`; a null counts as absent, as it does for the clients that run images.
    pub(super) fn get(&self, key: &str) -> Option<&JsonValue> {
        self.0.get(key).filter(|value| **value != JsonValue::Null)
    }

    /// Its keys.
    pub(super) fn keys(&self) -> impl Iterator<Item = &String> {
        self.0.keys()
    }

    /// Refuses keys that look like one of `known` without being it.
    ///
    /// # Errors
    /// The key.
    pub(super) fn fields(&self, known: &[&str]) -> Result<(), String> {
        for key in self.0.keys().filter(|key| !known.contains(&key.as_str())) {
            let folded = fold(key);
            if let Some(meant) = known.iter().find(|known| fold(known) == folded) {
                return Err(format!("`{key}` stands for `{meant}`"));
            }
        }
        Ok(())
    }

    /// The text of `key`.
    ///
    /// # Errors
    /// Where it is something else.
    pub(super) fn text(&self, key: &str) -> Result<Option<&str>, String> {
        match self.get(key) {
            None => Ok(None),
            Some(JsonValue::Text(text)) => Ok(Some(text)),
            Some(_) => Err(format!("`{key}` is not a text")),
        }
    }

    /// The object of `key`.
    ///
    /// # Errors
    /// Where it is something else.
    pub(super) fn object(&self, key: &str) -> Result<Option<&Self>, String> {
        match self.get(key) {
            None => Ok(None),
            Some(JsonValue::Object(object)) => Ok(Some(object)),
            Some(_) => Err(format!("`{key}` is not an object")),
        }
    }

    /// The objects of the list `key`.
    ///
    /// # Errors
    /// Where it is something else.
    pub(super) fn objects(&self, key: &str) -> Result<Option<Vec<&Self>>, String> {
        let bad = || format!("`{key}` is not a list of objects");
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

    /// The texts of the object `key`, as annotations and labels are written.
    ///
    /// # Errors
    /// Where it is something else.
    pub(super) fn texts(&self, key: &str) -> Result<BTreeMap<String, String>, String> {
        let Some(object) = self.object(key)? else { return Ok(BTreeMap::new()) };
        let pair = |(name, value): (&String, &JsonValue)| match value {
            JsonValue::Text(text) => Ok((name.clone(), text.clone())),
            _ => Err(format!("`{key}` holds something other than texts")),
        };
        object.0.iter().map(pair).collect()
    }
}

/// `text` without regard to case, as readers in Go compare keys.
fn fold(text: &str) -> String {
    text.to_uppercase().to_lowercase()
}

struct Seed<'a>(&'a mut JsonBudget);

impl<'de> serde::de::DeserializeSeed<'de> for Seed<'_> {
    type Value = JsonValue;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<JsonValue, D::Error> {
        self.0.values = self.0.values.checked_sub(1).ok_or_else(|| D::Error::custom("it holds too many values"))?;
        deserializer.deserialize_any(Reader(self.0))
    }
}

struct Reader<'a>(&'a mut JsonBudget);

impl Reader<'_> {
    fn descend<E: Error>(&mut self) -> Result<(), E> {
        self.0.depth = self.0.depth.checked_sub(1).ok_or_else(|| E::custom("it nests too deep"))?;
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
                return Err(A::Error::custom(format_args!("the key `{}` stands twice", key.0)));
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
