//! Reads the ImageStreams in files: single objects, lists, templates, and several documents.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::text::diagnostics::{Problem, SourceFile};
use crate::text::escape;
use crate::text::yaml;

/// Maximum nesting depth of lists.
const DEPTH_MAX: usize = 8;

/// An ImageStream in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageStreamObject {
    /// Path of the file.
    pub from: String,
    /// Fields of the object.
    pub fields: Map<String, Value>,
}

/// The ImageStreams that files contain.
#[derive(Debug, Default)]
pub struct ImageStreamObjects {
    /// The ImageStreams, in file order.
    pub objects: Vec<ImageStreamObject>,
    /// Number of skipped objects of each other kind.
    pub skipped: BTreeMap<String, usize>,
}

impl ImageStreamObjects {
    /// Adds the objects in `file`.
    ///
    /// # Errors
    /// The file is neither JSON nor YAML.
    pub fn read(&mut self, file: &Arc<SourceFile>) -> Result<(), Problem> {
        for document in documents(file)? {
            self.add(file, document, None, 0);
        }
        Ok(())
    }

    /// Adds an object; `kind` is the default within a list.
    fn add(&mut self, file: &Arc<SourceFile>, value: Value, kind: Option<&str>, depth: usize) {
        let Value::Object(mut fields) = value else { return };
        let text = |key: &str| fields.get(key).and_then(Value::as_str).map(str::to_owned);
        let kind = text("kind").or_else(|| kind.map(str::to_owned)).unwrap_or_default();
        let group = text("apiVersion").unwrap_or_default();
        let is_stream = kind == "ImageStream" && ["", "v1", "image.openshift.io/v1"].contains(&group.as_str());
        if is_stream {
            self.objects.push(ImageStreamObject { from: file.path.clone(), fields });
            return;
        }
        let (key, item) = match kind.as_str() {
            "List" => ("items", None),
            "ImageStreamList" => ("items", Some("ImageStream")),
            "Template" => ("objects", None),
            _ => ("", None),
        };
        match fields.remove(key) {
            Some(Value::Array(mut items)) if depth < DEPTH_MAX => {
                if kind == "Template" {
                    let parameters = parameters(&fields);
                    items.iter_mut().for_each(|item| substitute(item, &parameters));
                }
                items.into_iter().for_each(|value| self.add(file, value, item, depth + 1));
            }
            _ if kind.is_empty() => {}
            _ => *self.skipped.entry(escape::terminal(&kind)).or_default() += 1,
        }
    }
}

/// Parses the documents of a file: JSON if it starts like JSON, else YAML.
fn documents(file: &Arc<SourceFile>) -> Result<Vec<Value>, Problem> {
    if file.text.trim_start().starts_with(['{', '[']) {
        let read: Result<Vec<Value>, _> = serde_json::Deserializer::from_str(&file.text).into_iter().collect();
        match read {
            Ok(documents) => return Ok(documents),
            Err(error) if !file.path.ends_with(".yaml") && !file.path.ends_with(".yml") => {
                let line: usize =
                    file.text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
                let at = (line + error.column().saturating_sub(1)).min(file.text.len());
                let at = (line..=at).rev().find(|at| file.text.is_char_boundary(*at)).unwrap_or(line);
                let error = error.to_string();
                let reason = error.split(" at line ").next().unwrap_or_default();
                let message = format!("invalid JSON: {}", escape::terminal(reason));
                return Err(Problem::at(file, at..at, message));
            }
            Err(_) => {}
        }
    }
    yaml::parse(file)?.iter().map(|document| yaml::to_json(file, document)).collect()
}

/// Returns the default values of the parameters of a template.
fn parameters(template: &Map<String, Value>) -> Vec<(String, Value)> {
    let list = template.get("parameters").and_then(Value::as_array);
    let parameter = |one: &Value| {
        let value = one.get("value").filter(|value| value.as_str() != Some(""))?;
        Some((one.get("name")?.as_str()?.to_owned(), value.clone()))
    };
    list.into_iter().flatten().filter_map(parameter).collect()
}

/// Replaces `${NAME}` within strings, and `${{NAME}}`, which must be the whole string.
fn substitute(value: &mut Value, parameters: &[(String, Value)]) {
    match value {
        Value::String(text) if text.contains("${") => {
            let whole = parameters.iter().find(|(name, _)| *text == format!("${{{{{name}}}}}"));
            if let Some((_, given)) = whole {
                *value = match given.as_str() {
                    Some(given) => serde_json::from_str(given).unwrap_or_else(|_| Value::String(given.to_owned())),
                    None => given.clone(),
                };
                return;
            }
            for (name, given) in parameters {
                let given = given.as_str().map_or_else(|| given.to_string(), str::to_owned);
                *text = text.replace(&format!("${{{name}}}"), &given);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| substitute(item, parameters)),
        Value::Object(map) => map.values_mut().for_each(|value| substitute(value, parameters)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, text: &str, expected: &str) {
        let file = Arc::new(SourceFile { path: path.to_owned(), text: text.to_owned() });
        let mut found = ImageStreamObjects::default();
        if let Err(problem) = found.read(&file) {
            let (line, _) = problem.position().unwrap();
            assert_eq!(format!("{line}: {}", problem.message), expected);
            return;
        }
        let name =
            |object: &ImageStreamObject| object.fields["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let mut all: Vec<String> = found.objects.iter().map(name).collect();
        all.extend(found.skipped.iter().map(|(kind, count)| format!("{count} {kind}")));
        assert_eq!(all.join(", "), expected);
    }

    #[test]
    fn objects_in_lists_templates_and_documents_are_found() {
        check("a.json", r#"{"kind": "ImageStream", "metadata": {"name": "a"}}"#, "a");
        check("a.json", r#"{"kind": "ImageStream", "metadata": {"name": "a"}} {"kind": "Route"}"#, "a, 1 Route");
        check(
            "a.yaml",
            "kind: List\nitems:\n- {kind: ImageStream, apiVersion: v1, metadata: {name: a}}\n- {kind: Secret}\n---\n\
             kind: ImageStreamList\nitems: [{metadata: {name: b}}, {metadata: {name: c}}]\n---\n",
            "a, b, c, 1 Secret",
        );
        check("-", "{kind: ImageStream, metadata: {name: a}}", "1: invalid JSON: key must be a string");
        check("a.yml", "{kind: ImageStream, metadata: {name: a}}", "a");
        check("a.yaml", "kind: ImageStream\napiVersion: acme.example/v1\n", "1 ImageStream");
        check("a.yaml", "just: words\n", "");
        check("a.json", "{\n\"a\": 1,,\n}", "2: invalid JSON: key must be a string");
    }

    #[test]
    fn parameters_of_a_template_are_replaced_by_their_defaults() {
        let template = "kind: Template\nparameters:\n- {name: NAME, value: web}\n- {name: SEALED}\n- {name: LOCAL, \
                        value: 'true'}\nobjects:\n- kind: ImageStream\n  metadata: {name: '${NAME}-${SEALED}-x'}\n  \
                        spec: {lookupPolicy: {local: '${{LOCAL}}'}}\n";
        check("a.yaml", template, "web-${SEALED}-x");
        let file = Arc::new(SourceFile { path: "a.yaml".to_owned(), text: template.to_owned() });
        let mut found = ImageStreamObjects::default();
        found.read(&file).unwrap();
        assert_eq!(found.objects[0].fields["spec"]["lookupPolicy"]["local"], Value::Bool(true));
    }
}
