//! The fields of an object, taken out one by one, so that what nobody took can be named.

use serde_json::{Map, Value};

use super::note::AdoptNotes;

/// Why a field is left out that the cluster keeps for itself.
pub(super) const BOOKKEEPING: &str = "the cluster's own bookkeeping; Git has its own";

/// The fields of an object that are left, and where the object stands.
#[derive(Debug)]
pub(super) struct ObjectFields {
    /// The path of the object from the whole, as `spec.tags`; empty for the whole.
    path: String,
    left: Map<String, Value>,
}

impl ObjectFields {
    /// All fields of `map`.
    pub(super) fn new(path: &str, map: Map<String, Value>) -> Self {
        Self { path: path.to_owned(), left: map }
    }

    /// The path of the field `key`.
    pub(super) fn path(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Takes a field; none where it is not there, or `null`.
    pub(super) fn take(&mut self, key: &str) -> Option<Value> {
        self.left.remove(key).filter(|value| !value.is_null())
    }

    /// Takes a text; anything else stays, to be named.
    pub(super) fn text(&mut self, key: &str) -> Option<String> {
        match self.left.remove(key)? {
            Value::String(text) => Some(text),
            other => {
                self.left.insert(key.to_owned(), other);
                None
            }
        }
    }

    /// Takes a truth value; not being there is false.
    pub(super) fn flag(&mut self, key: &str) -> bool {
        match self.left.remove(key) {
            Some(Value::Bool(flag)) => flag,
            Some(other) => {
                self.left.insert(key.to_owned(), other);
                false
            }
            None => false,
        }
    }

    /// Takes an object; an empty one where there is none.
    pub(super) fn object(&mut self, key: &str) -> Self {
        let path = self.path(key);
        match self.left.remove(key) {
            Some(Value::Object(map)) => Self { path, left: map },
            Some(other) => {
                self.left.insert(key.to_owned(), other);
                Self { path, left: Map::new() }
            }
            None => Self { path, left: Map::new() },
        }
    }

    /// Takes a list of objects.
    pub(super) fn objects(&mut self, key: &str) -> Vec<Self> {
        let path = self.path(key);
        let Some(Value::Array(items)) = self.left.remove(key) else { return Vec::new() };
        let object =
            |item| if let Value::Object(map) = item { Some(Self { path: path.clone(), left: map }) } else { None };
        items.into_iter().filter_map(object).collect()
    }

    /// Takes all texts that are left; numbers and truth values as they are written.
    pub(super) fn texts(&mut self) -> Vec<(String, String)> {
        let text = |(key, value)| match value {
            Value::Null => None,
            Value::String(text) => Some((key, text)),
            other => Some((key, other.to_string())),
        };
        std::mem::take(&mut self.left).into_iter().filter_map(text).collect()
    }

    /// Names fields that the cluster keeps for itself.
    pub(super) fn bookkeeping(&mut self, keys: &[&str], at: &str, notes: &mut AdoptNotes) {
        for key in keys {
            if self.take(key).is_some() {
                notes.say(at, self.path(key), BOOKKEEPING);
            }
        }
    }

    /// Names all that is left: nobody here knows what it means.
    pub(super) fn finish(self, at: &str, notes: &mut AdoptNotes) {
        for (key, value) in &self.left {
            let empty = value.is_null() || *value == Value::Object(Map::new()) || *value == Value::Array(Vec::new());
            if !empty {
                notes.say(at, self.path(key), "not a field that is known here");
            }
        }
    }
}
