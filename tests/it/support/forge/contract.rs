//! Published API descriptions, and checks of requests and answers against them.

use serde_json::{Map, Value};

use crate::support::registry::http::Request;
use crate::support::schema;

/// Published description of one forge, reduced to the operations in use.
pub(crate) struct Contract(Value);

/// The operation that a request matches.
pub(crate) struct Operation<'a> {
    pub(crate) name: &'a str,
    /// Values of the path parameters, in order.
    pub(crate) parameters: Vec<String>,
    description: &'a Value,
}

impl Contract {
    pub(crate) fn new(text: &str) -> Self {
        Self(serde_json::from_str(text).unwrap())
    }

    /// Finds the operation for a request to `path`, and decodes the path parameters.
    pub(crate) fn find(&self, method: &str, path: &str) -> Option<Operation<'_>> {
        let operations = self.0["operations"].as_object().unwrap();
        operations.iter().find_map(|(name, description)| {
            let parameters = matches(description["path"].as_str().unwrap(), path)?;
            (description["method"] == method).then_some(Operation { name, parameters, description })
        })
    }

    /// Lists deviations of a request from the description.
    pub(crate) fn asked(&self, operation: &Operation<'_>, request: &Request, body: &Value) -> Vec<String> {
        let mut wrong = Vec::new();
        let query = request.target.split_once('?').map_or("", |(_, query)| query);
        for (key, value) in url::form_urlencoded::parse(query.as_bytes()) {
            match operation.description["query"].get(&*key) {
                Some(schema) if self.takes(schema, &value) => {}
                Some(_) => wrong.push(format!("invalid `{key}`: `{value}`")),
                None => wrong.push(format!("unknown query parameter `{key}`")),
            }
        }
        match &operation.description["body"] {
            Value::Null if body.is_null() => {}
            Value::Null => wrong.push("no body".to_owned()),
            schema => wrong.extend(schema::faults(&self.0, schema, body)),
        }
        wrong.into_iter().map(|fault| format!("{}: {fault}", operation.name)).collect()
    }

    /// Reports whether a query value matches `schema`, alone or as one item of a list.
    fn takes(&self, schema: &Value, text: &str) -> bool {
        let words = [Value::from(text), text.parse::<i64>().map_or(Value::Null, Value::from)];
        let truth = text.parse::<bool>().map_or(Value::Null, Value::from);
        let lists = words.iter().map(|word| Value::from(vec![word.clone()])).collect::<Vec<_>>();
        words.iter().chain([&truth]).chain(&lists).any(|value| schema::faults(&self.0, schema, value).is_empty())
    }

    /// Completes `part` to a full answer, and lists deviations from the description.
    pub(crate) fn answered(&self, operation: &Operation<'_>, status: u16, part: &Value) -> (Value, Vec<String>) {
        let Some(schema) = operation.description["answers"].get(status.to_string()) else {
            return (part.clone(), vec![format!("{}: undocumented status {status}", operation.name)]);
        };
        if schema.is_null() {
            return (part.clone(), Vec::new());
        }
        let whole = self.fill(schema, Some(part));
        let wrong = schema::faults(&self.0, schema, &whole);
        (whole, wrong.into_iter().map(|fault| format!("{} {status}: {fault}", operation.name)).collect())
    }

    /// Adds everything that `schema` requires and `part` lacks.
    fn fill(&self, schema: &Value, part: Option<&Value>) -> Value {
        if let Some(name) = schema["$ref"].as_str() {
            return self.fill(self.0.pointer(name.trim_start_matches('#')).unwrap(), part);
        }
        for kind in ["anyOf", "oneOf"] {
            let Some(choices) = schema[kind].as_array() else { continue };
            let filled = choices.iter().map(|choice| self.fill(choice, part));
            let fits = |value: &Value| schema::faults(&self.0, schema, value).is_empty();
            let mut fitting = filled.filter(fits);
            return fitting.next().unwrap_or_else(|| part.cloned().unwrap_or_default());
        }
        let kinds: Vec<&str> = match &schema["type"] {
            Value::String(one) => vec![one],
            Value::Array(many) => many.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        match part {
            None if kinds.contains(&"null") => Value::Null,
            None if schema["enum"].is_array() => schema["enum"][0].clone(),
            None => match kinds.first() {
                Some(&"string") if schema["format"] == "uri" => "https://forge.example/".into(),
                Some(&"string") if schema["format"] == "date-time" => "2026-11-24T12:00:00Z".into(),
                Some(&"string") => "".into(),
                Some(&("integer" | "number")) => 1.into(),
                Some(&"boolean") => false.into(),
                Some(&"array") => Value::Array(Vec::new()),
                _ => self.object(schema, &Map::new()),
            },
            Some(Value::Object(part)) => self.object(schema, part),
            Some(Value::Array(items)) => items.iter().map(|item| self.fill(&schema["items"], Some(item))).collect(),
            Some(part) => part.clone(),
        }
    }

    fn object(&self, schema: &Value, part: &Map<String, Value>) -> Value {
        let mut whole = Map::new();
        let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
        for key in required.chain(part.keys().map(String::as_str)) {
            whole.insert(key.to_owned(), self.fill(&schema["properties"][key], part.get(key)));
        }
        whole.into()
    }
}

/// Extracts the values at the places where `template` has a name in braces.
fn matches(template: &str, path: &str) -> Option<Vec<String>> {
    let (template, path): (Vec<&str>, Vec<&str>) = (template.split('/').collect(), path.split('/').collect());
    let mut parameters = Vec::new();
    for (expected, part) in template.iter().zip(&path) {
        let decoded = || url::form_urlencoded::parse(format!("x={part}").as_bytes()).next().unwrap().1.into_owned();
        match expected.starts_with('{') {
            true if !part.is_empty() => parameters.push(decoded()),
            false if expected == part => {}
            _ => return None,
        }
    }
    (template.len() == path.len()).then_some(parameters)
}
