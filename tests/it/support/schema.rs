//! A small JSON Schema validator for our own schemas: types, keys, lists, constants, minimums. Unlike JSON Schema, it
//! rejects keys that the schema does not name, unless the schema describes such keys.

use serde_json::Value;

/// Panics if `value` does not match `schema`.
#[track_caller]
pub(crate) fn holds(schema: &Value, value: &Value) {
    let wrong = faults(schema, schema, value);
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Lists the mismatches of `value` with `schema`, whose references point into `whole`.
pub(crate) fn faults(whole: &Value, schema: &Value, value: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    walk(whole, schema, value, "$", &mut wrong);
    wrong
}

fn walk(whole: &Value, schema: &Value, value: &Value, at: &str, wrong: &mut Vec<String>) {
    if let Some(name) = schema["$ref"].as_str() {
        let found = whole.pointer(name.trim_start_matches('#')).unwrap();
        return walk(whole, found, value, at, wrong);
    }
    for part in schema["allOf"].as_array().into_iter().flatten() {
        walk(whole, part, value, at, wrong);
    }
    for kind in ["anyOf", "oneOf"] {
        let Some(choices) = schema[kind].as_array() else { continue };
        let fits = choices.iter().any(|choice| {
            let mut found = Vec::new();
            walk(whole, choice, value, at, &mut found);
            found.is_empty()
        });
        if !fits {
            wrong.push(format!("{at}: none of {kind}"));
        }
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(many) => many.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    if !types.is_empty() && !types.iter().any(|name| is(value, name)) {
        wrong.push(format!("{at}: {value} is not {types:?}"));
    }
    if let Some(constant) = schema.get("const").filter(|constant| *constant != value) {
        wrong.push(format!("{at}: {value} is not {constant}"));
    }
    if let Some(words) = schema["enum"].as_array().filter(|words| !words.contains(value)) {
        wrong.push(format!("{at}: {value} is none of {words:?}"));
    }
    if let Some(least) = schema["minimum"].as_f64().filter(|least| value.as_f64().is_some_and(|value| value < *least)) {
        wrong.push(format!("{at}: {value} is less than {least}"));
    }
    if let Some(object) = value.as_object() {
        let (named, others) = (schema["properties"].as_object(), &schema["additionalProperties"]);
        for (key, value) in object {
            match named.and_then(|named| named.get(key)) {
                Some(schema) => walk(whole, schema, value, &format!("{at}.{key}"), wrong),
                None if others.is_object() => walk(whole, others, value, &format!("{at}.{key}"), wrong),
                None if named.is_some() => wrong.push(format!("{at}.{key}: the schema does not name it")),
                None => {}
            }
        }
        let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
        wrong.extend(required.filter(|key| !object.contains_key(*key)).map(|key| format!("{at}.{key}: missing")));
    }
    for (number, item) in value.as_array().into_iter().flatten().enumerate() {
        walk(whole, &schema["items"], item, &format!("{at}[{number}]"), wrong);
    }
}

fn is(value: &Value, name: &str) -> bool {
    match name {
        "null" => value.is_null(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("unknown type {other}"),
    }
}
