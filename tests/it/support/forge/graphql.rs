//! A small GraphQL server: a library validates documents against the published schema; variables and execution are
//! implemented here.

use graphql_parser::{parse_query, parse_schema};
use graphql_tools::static_graphql::{query, schema};
use graphql_tools::validation::rules::default_rules_validation_plan;
use graphql_tools::validation::validate::validate;
use serde_json::{Map, Value, json};

/// A published schema.
pub(crate) struct Schema(schema::Document);

/// Value of a field.
pub(crate) enum Given<N> {
    Leaf(Value),
    Node(N),
    Nodes(Vec<N>),
    Nothing,
    /// Failure with the type and the message of the error.
    Error(&'static str, String),
}

/// An answer under construction.
struct Run<'a, F> {
    document: &'a query::Document,
    variables: &'a Value,
    field: F,
    errors: Vec<Value>,
}

impl Schema {
    /// Returns `text` without the scalars that every schema has.
    pub(crate) fn new(text: &str) -> Self {
        let text = format!("scalar Boolean\nscalar ID\nscalar Int\nscalar String\n{text}");
        Self(parse_schema::<String>(&text).unwrap().into_static())
    }

    /// Executes a request; `field` resolves a field of a node. Fails with the deviation from the schema.
    pub(crate) fn run<N>(
        &self,
        request: &Value,
        query: N,
        mutation: N,
        field: impl FnMut(&N, &str, &Value) -> Given<N>,
    ) -> Result<Value, Vec<String>> {
        let text = request["query"].as_str().unwrap_or_default();
        let document = parse_query::<String>(text).map_err(|error| vec![error.to_string()])?.into_static();
        let wrong = validate(&self.0, &document, &default_rules_validation_plan());
        if !wrong.is_empty() {
            return Err(wrong.into_iter().map(|error| error.message).collect());
        }
        let (root, declared, selected) = document.definitions.iter().find_map(operation).unwrap();
        let root = if root { mutation } else { query };
        let variables = &request["variables"];
        let mut wrong = Vec::new();
        for one in declared {
            self.fits(&one.var_type, &variables[&one.name], &format!("${}", one.name), &mut wrong);
        }
        if let Some(key) = variables
            .as_object()
            .into_iter()
            .flatten()
            .map(|(key, _)| key)
            .find(|key| declared.iter().all(|one| one.name != **key))
        {
            wrong.push(format!("${key} is not declared"));
        }
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let mut run = Run { document: &document, variables, field, errors: Vec::new() };
        let data = run.select(&root, selected, &[]);
        Ok(if run.errors.is_empty() { json!({"data": data}) } else { json!({"data": data, "errors": run.errors}) })
    }

    /// Reports whether `value` matches a type of the schema (GraphQL October 2021, "Input Coercion").
    fn fits(&self, kind: &query::Type, value: &Value, at: &str, wrong: &mut Vec<String>) {
        use graphql_parser::query::Type;
        match kind {
            Type::NonNullType(_) if value.is_null() => wrong.push(format!("{at} is missing")),
            Type::NonNullType(kind) => self.fits(kind, value, at, wrong),
            _ if value.is_null() => {}
            Type::ListType(kind) => match value.as_array() {
                Some(items) => items.iter().for_each(|item| self.fits(kind, item, at, wrong)),
                None => wrong.push(format!("{at} is not a list")),
            },
            Type::NamedType(name) => self.named(name, value, at, wrong),
        }
    }

    fn named(&self, name: &str, value: &Value, at: &str, wrong: &mut Vec<String>) {
        use graphql_parser::schema::{Definition, TypeDefinition};
        let fits = match name {
            "Int" => value.is_i64(),
            "Boolean" => value.is_boolean(),
            "String" | "ID" => value.is_string(),
            _ => {
                let defined = self.0.definitions.iter().find_map(|one| match one {
                    Definition::TypeDefinition(TypeDefinition::InputObject(one)) if one.name == name => Some(Ok(one)),
                    Definition::TypeDefinition(TypeDefinition::Enum(one)) if one.name == name => Some(Err(one)),
                    _ => None,
                });
                match (defined, value.as_object()) {
                    (Some(Ok(input)), Some(object)) => {
                        for field in &input.fields {
                            let given = object.get(&field.name).unwrap_or(&Value::Null);
                            if !given.is_null() || field.default_value.is_none() {
                                self.fits(&field.value_type, given, &format!("{at}.{}", field.name), wrong);
                            }
                        }
                        let names: Vec<&str> = input.fields.iter().map(|field| field.name.as_str()).collect();
                        let more = object.keys().filter(|key| !names.contains(&key.as_str()));
                        wrong.extend(more.map(|key| format!("{at}.{key}: no such field")));
                        true
                    }
                    (Some(Ok(_)), None) => false,
                    (Some(Err(words)), _) => words.values.iter().any(|word| value == word.name.as_str()),
                    // Custom scalars are strings.
                    (None, _) => value.is_string(),
                }
            }
        };
        if !fits {
            wrong.push(format!("{at}: {value} is not a {name}"));
        }
    }
}

/// Reports whether an operation is a mutation, its declared variables, and its selections.
fn operation(definition: &query::Definition) -> Option<(bool, &[query::VariableDefinition], &query::SelectionSet)> {
    use graphql_parser::query::{Definition, OperationDefinition};
    match definition {
        Definition::Operation(OperationDefinition::Query(one)) => {
            Some((false, &one.variable_definitions, &one.selection_set))
        }
        Definition::Operation(OperationDefinition::Mutation(one)) => {
            Some((true, &one.variable_definitions, &one.selection_set))
        }
        _ => None,
    }
}

impl<F> Run<'_, F> {
    fn select<N>(&mut self, node: &N, selected: &query::SelectionSet, path: &[Value]) -> Value
    where
        F: FnMut(&N, &str, &Value) -> Given<N>,
    {
        use graphql_parser::query::{Definition, Selection};
        let mut out = Map::new();
        for item in &selected.items {
            match item {
                Selection::Field(field) => {
                    let key = field.alias.as_ref().unwrap_or(&field.name);
                    let here = [path, &[key.as_str().into()]].concat();
                    let arguments = field.arguments.iter().map(|(name, value)| (name.clone(), self.value(value)));
                    let arguments = Value::Object(arguments.collect());
                    let value = match (self.field)(node, &field.name, &arguments) {
                        Given::Leaf(value) => value,
                        Given::Node(node) => self.select(&node, &field.selection_set, &here),
                        Given::Nodes(nodes) => {
                            let all = nodes.iter().map(|node| self.select(node, &field.selection_set, &here));
                            all.collect::<Vec<_>>().into()
                        }
                        Given::Nothing => Value::Null,
                        Given::Error(kind, message) => {
                            self.errors.push(json!({"type": kind, "message": message, "path": here}));
                            Value::Null
                        }
                    };
                    out.insert(key.clone(), value);
                }
                Selection::FragmentSpread(spread) => {
                    let fragment = self.document.definitions.iter().find_map(|one| match one {
                        Definition::Fragment(one) if one.name == spread.fragment_name => Some(one),
                        _ => None,
                    });
                    let Value::Object(more) = self.select(node, &fragment.unwrap().selection_set, path) else {
                        continue;
                    };
                    out.extend(more);
                }
                Selection::InlineFragment(part) => {
                    let Given::Leaf(kind) = (self.field)(node, "__typename", &Value::Null) else { continue };
                    let is_of_kind = |condition: &query::TypeCondition| match condition {
                        graphql_parser::query::TypeCondition::On(name) => kind == name.as_str(),
                    };
                    if part.type_condition.as_ref().is_none_or(is_of_kind)
                        && let Value::Object(more) = self.select(node, &part.selection_set, path)
                    {
                        out.extend(more);
                    }
                }
            }
        }
        out.into()
    }

    fn value(&self, value: &query::Value) -> Value {
        use graphql_parser::query::Value as Written;
        match value {
            Written::Variable(name) => self.variables[name].clone(),
            Written::Int(number) => number.as_i64().into(),
            Written::Float(number) => (*number).into(),
            Written::String(text) | Written::Enum(text) => text.as_str().into(),
            Written::Boolean(truth) => (*truth).into(),
            Written::Null => Value::Null,
            Written::List(items) => items.iter().map(|item| self.value(item)).collect(),
            Written::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), self.value(value))).collect(),
        }
    }
}
