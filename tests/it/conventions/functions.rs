//! Functions: length and parameters.

use super::none;
use crate::support::source::{Kind, Source, Token, close, item_end, sources};

const LINES: usize = 80;
const PARAMETERS: usize = 5;

/// A function with its name, place, length in lines and the types of its parameters except `self`.
struct Function {
    name: String,
    place: String,
    lines: usize,
    parameters: Vec<Vec<Token>>,
}

fn functions(source: &Source) -> Vec<Function> {
    let tokens = &source.tokens;
    let mut found = Vec::new();
    for at in 0..tokens.len().saturating_sub(2) {
        if !tokens[at].is("fn") || tokens[at + 1].kind != Kind::Word {
            continue;
        }
        let open = if tokens[at + 2].is("<") { after_generics(tokens, at + 2) } else { at + 2 };
        let shut = close(tokens, open);
        let end = item_end(tokens, shut);
        found.push(Function {
            name: tokens[at + 1].text.clone(),
            place: source.at(&tokens[at]),
            lines: tokens[end - 1].line - tokens[at].line + 1,
            parameters: parameters(&tokens[open + 1..shut - 1]),
        });
    }
    found
}

/// Index after the `>` that closes the `<` at `open`.
fn after_generics(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        depth += i32::from(token.is("<")) - i32::from(token.is(">"));
        if depth == 0 {
            return at + 1;
        }
    }
    tokens.len()
}

/// Splits a parameter list at its commas and returns the type of each parameter.
fn parameters(tokens: &[Token]) -> Vec<Vec<Token>> {
    let mut all: Vec<Vec<Token>> = vec![Vec::new()];
    let mut depth = 0;
    for token in tokens.iter().filter(|token| token.kind != Kind::Doc) {
        match token.text.as_str() {
            "(" | "[" | "{" | "<" => depth += 1,
            ")" | "]" | "}" | ">" => depth -= 1,
            "," if depth == 0 => {
                all.push(Vec::new());
                continue;
            }
            _ => {}
        }
        all.last_mut().unwrap().push(token.clone());
    }
    let colon = |parameter: &Vec<Token>| parameter.iter().position(|token| token.is(":"));
    all.iter().filter_map(|parameter| Some(parameter[colon(parameter)? + 1..].to_vec())).collect()
}

/// Reports whether a type is a tuple of two or more members, or a reference to one.
fn is_tuple(parameter: &[Token]) -> bool {
    let plain: Vec<Token> = parameter
        .iter()
        .filter(|token| !token.is("&") && !token.is("mut") && !token.text.starts_with('\''))
        .cloned()
        .collect();
    let Some(first) = plain.first().filter(|first| first.is("(")) else { return false };
    let end = close(&plain, 0);
    let mut depth = 0;
    first.is("(")
        && plain[..end].iter().any(|token| {
            match token.text.as_str() {
                "(" | "[" | "<" => depth += 1,
                ")" | "]" | ">" => depth -= 1,
                _ => {}
            }
            depth == 1 && token.is(",")
        })
}

fn all() -> Vec<Function> {
    [sources("src"), sources("tests")].iter().flatten().flat_map(functions).collect()
}

#[test]
fn no_function_is_longer_than_80_lines() {
    let functions = all();
    assert!(functions.len() > 2000, "{} functions", functions.len());
    let long = functions.iter().filter(|function| function.lines > LINES);
    let long: Vec<String> =
        long.map(|function| format!("{} {}: {} lines", function.place, function.name, function.lines)).collect();
    none("split the function by its steps", &long);
}

#[test]
fn no_function_has_more_than_five_parameters() {
    let functions = all();
    let many = functions.iter().filter(|function| function.parameters.len() > PARAMETERS);
    let many: Vec<String> =
        many.map(|function| format!("{} {}: {}", function.place, function.name, function.parameters.len())).collect();
    none("collect related parameters in a struct", &many);
}

#[test]
fn no_function_has_a_tuple_parameter() {
    let functions = all();
    let tuples = functions.iter().filter(|function| function.parameters.iter().any(|parameter| is_tuple(parameter)));
    let tuples: Vec<String> = tuples.map(|function| format!("{} {}", function.place, function.name)).collect();
    none("use a struct with named fields", &tuples);
}

#[test]
fn the_check_of_functions_reads_signatures() {
    let text = "impl X {\n    pub fn a<T: Fn(u8, u8) -> bool>(&self, one: &'a mut (u8, T), f: impl Fn(A, B), [x, y]: [u8; 2]) -> u8\n    {\n        1\n    }\n}\nfn b();";
    let functions = functions(&Source::new("src/x.rs".to_owned(), text.to_owned()));
    let shown = |function: &Function| {
        let tuples = function.parameters.iter().filter(|parameter| is_tuple(parameter)).count();
        format!("{} {} {} {} {tuples}", function.place, function.name, function.lines, function.parameters.len())
    };
    assert_eq!(functions.iter().map(shown).collect::<Vec<_>>(), ["src/x.rs:2 a 4 3 1", "src/x.rs:7 b 1 0 0"]);
}
