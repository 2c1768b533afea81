//! Fields of an object, taken one by one, so that unknown fields can be reported.

use serde_json::{Map, Value};

use crate::text::diagnostics::is_unprintable;

use super::note::AdoptNotes;

/// Reason for fields that are not converted.
const INTERNAL: &str = "internal to the cluster";
/// Annotations that are internal to the cluster or its tools.
const INTERNAL_ANNOTATIONS: [&str; 2] =
    ["kubectl.kubernetes.io/last-applied-configuration", "openshift.io/image.dockerRepositoryCheck"];

/// The remaining fields of an object, and its path.
#[derive(Debug)]
pub(super) struct ObjectFields {
    /// Path of the object, e.g. `spec.tags`; empty for the top.
    path: String,
    left: Map<String, Value>,
}

impl ObjectFields {
    /// Starts with all fields of `map`.
    pub(super) fn new(path: &str, map: Map<String, Value>) -> Self {
        Self { path: path.to_owned(), left: map }
    }

    /// Returns the path of the field `key`.
    pub(super) fn path(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Takes a field; none if it is missing or `null`.
    pub(super) fn take(&mut self, key: &str) -> Option<Value> {
        self.left.remove(key).filter(|value| !value.is_null())
    }

    /// Takes a string; anything else remains.
    pub(super) fn text(&mut self, key: &str) -> Option<String> {
        let text = self.left.get(key)?.as_str()?.to_owned();
        self.left.remove(key);
        Some(text)
    }

    /// Takes a boolean; false if missing.
    pub(super) fn flag(&mut self, key: &str) -> bool {
        let Some(flag) = self.left.get(key).and_then(Value::as_bool) else { return false };
        self.left.remove(key);
        flag
    }

    /// Takes an object; empty if missing.
    pub(super) fn object(&mut self, key: &str) -> Self {
        let map = self.left.get_mut(key).and_then(Value::as_object_mut).map(std::mem::take);
        Self { path: self.path(key), left: map.unwrap_or_default() }
    }

    /// Takes a list of objects.
    pub(super) fn objects(&mut self, key: &str) -> Vec<Self> {
        let Some(Value::Array(items)) = self.left.remove(key) else { return Vec::new() };
        let maps = items.into_iter().filter_map(|item| if let Value::Object(map) = item { Some(map) } else { None });
        maps.map(|map| Self { path: self.path(key), left: map }).collect()
    }

    /// Takes all remaining scalars as strings.
    pub(super) fn texts(&mut self) -> Vec<(String, String)> {
        let text = |(key, value)| match value {
            Value::Null => None,
            Value::String(text) => Some((key, text)),
            other => Some((key, other.to_string())),
        };
        std::mem::take(&mut self.left).into_iter().filter_map(text).collect()
    }

    /// Takes fields that are internal to the cluster, and notes them.
    pub(super) fn skip_internal(&mut self, keys: &[&str], at: &str, notes: &mut AdoptNotes) {
        for key in keys {
            if self.take(key).is_some() {
                notes.add(at, self.path(key), INTERNAL);
            }
        }
    }

    /// Notes all remaining fields.
    pub(super) fn finish(self, at: &str, notes: &mut AdoptNotes) {
        for (key, value) in &self.left {
            let empty = value.is_null() || *value == Value::Object(Map::new()) || *value == Value::Array(Vec::new());
            if !empty {
                notes.add(at, self.path(key), "unknown field");
            }
        }
    }
}

/// Returns the annotations that a stream file can contain, and notes the others.
pub(super) fn annotations(
    at: &str,
    path: &str,
    texts: Vec<(String, String)>,
    notes: &mut AdoptNotes,
) -> Vec<(String, String)> {
    let mut kept = Vec::with_capacity(texts.len());
    for (key, value) in texts {
        if INTERNAL_ANNOTATIONS.contains(&key.as_str()) {
            notes.add(at, format!("{path}: {key}"), INTERNAL);
        } else if key.is_empty()
            || key.contains(char::is_whitespace)
            || [&key, &value].iter().any(|text| text.contains(is_unprintable))
        {
            notes.add(at, format!("{path}: {key}"), "contains characters that cannot be displayed");
        } else {
            kept.push((key, value));
        }
    }
    kept
}
