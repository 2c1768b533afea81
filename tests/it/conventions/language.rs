//! Language of what users read: words that sound translated do not occur.
//!
//! `tests/strings` prints the same texts, to be read from top to bottom.

use super::none;
use crate::support::source::{Kind, Source, Token, close, files_with, item_end, library};

/// Phrases to avoid, in lower case with single spaces; `^` is the start of a text.
const AVOIDED: [&str; 24] = [
    "mend",
    "mends",
    "told",
    "at hand",
    "stands",
    "stand there",
    "holds",
    "shall",
    "whoever",
    "is no",
    "are no",
    "in which form",
    "so many",
    "asked for",
    "takes",
    "take no",
    "took none",
    "a word",
    "^what",
    "in the way",
    "in trouble",
    "as it should be",
    "folder",
    "folders",
];

/// Phrases that are right in a certain text: phrase, part of the text, reason.
const ALLOWED: [(&str, &str, &str); 3] = [
    ("takes", "takes effect", "the usual expression for the moment from which a setting applies"),
    ("is no", "there is no", "says that something does not exist"),
    ("are no", "there are no", "says that something does not exist"),
];

/// A text that users read, with its place.
struct UserText {
    text: String,
    place: String,
}

/// Strings of two or more words, and doc comments that become help or schema texts.
fn user_texts(source: &Source) -> Vec<UserText> {
    let tokens = &source.tokens;
    let strings = tokens.iter().filter(|token| token.kind == Kind::Text && token.text.trim().contains(' '));
    let mut found: Vec<UserText> =
        strings.map(|token| UserText { text: unescaped(&token.text), place: source.at(token) }).collect();
    for at in 0..tokens.len() {
        if tokens[at].is("derive") && tokens.get(at + 1).is_some_and(|next| next.is("(")) {
            let end = close(tokens, at + 1);
            if tokens[at..end].iter().any(|token| HELP.iter().any(|name| token.is(name))) {
                let start =
                    (0..at).rev().find(|before| is_end_of_item(&tokens[*before])).map_or(0, |before| before + 1);
                found.extend(comments(source, &tokens[start..item_end(tokens, end + 1)]));
            }
        }
    }
    found
}

/// Lines of the help topics and examples that the program contains as files.
fn embedded_texts() -> Vec<UserText> {
    let lines = |(path, text): (String, String)| {
        let line = |(number, line): (usize, &str)| UserText {
            text: line.trim_start_matches(['#', ' ']).to_owned(),
            place: format!("{path}:{}", number + 1),
        };
        text.lines().enumerate().map(line).collect::<Vec<_>>()
    };
    files_with("src", &["md", "toml"]).into_iter().flat_map(lines).collect()
}

/// Derives that turn doc comments into texts for users.
const HELP: [&str; 6] = ["Args", "Parser", "Subcommand", "ValueEnum", "JsonSchema", "schemars"];

fn is_end_of_item(token: &Token) -> bool {
    token.is("}") || token.is(";")
}

/// Doc comments among `tokens`, lines joined.
fn comments(source: &Source, tokens: &[Token]) -> Vec<UserText> {
    let mut found: Vec<UserText> = Vec::new();
    let mut is_open = false;
    for token in tokens {
        match (token.kind == Kind::Doc, is_open) {
            (true, true) => {
                let text = &mut found.last_mut().unwrap().text;
                text.push(' ');
                text.push_str(&token.text);
            }
            (true, false) => found.push(UserText { text: token.text.clone(), place: source.at(token) }),
            (false, _) => {}
        }
        is_open = token.kind == Kind::Doc;
    }
    found
}

/// Text of a string literal with line continuations and escapes as spaces.
fn unescaped(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '\\' => {
                rest.next();
                out.push(' ');
            }
            c => out.push(c),
        }
    }
    out
}

/// Words in lower case, with a space on both sides of each; code in backticks and placeholders are left out.
fn normalised(text: &str) -> String {
    let prose = text.split('`').step_by(2).collect::<Vec<_>>().join(" code ");
    let prose = prose.split('{').map(|part| part.split_once('}').map_or(part, |(_, rest)| rest));
    let prose = prose.collect::<Vec<_>>().join(" value ");
    let words = prose.split(|c: char| !c.is_alphanumeric() && c != '\'').filter(|word| !word.is_empty());
    format!(" {} ", words.map(str::to_lowercase).collect::<Vec<_>>().join(" "))
}

fn avoided_in(text: &str) -> Vec<&'static str> {
    let words = normalised(text);
    let occurs = |phrase: &&str| match phrase.strip_prefix('^') {
        Some(start) => words.starts_with(&format!(" {start} ")),
        None => words.contains(&format!(" {phrase} ")),
    };
    let is_allowed = |phrase: &&str| ALLOWED.iter().any(|(word, part, _)| word == phrase && text.contains(part));
    AVOIDED.into_iter().filter(occurs).filter(|phrase| !is_allowed(phrase)).collect()
}

#[test]
fn texts_for_users_avoid_the_dialect() {
    let mut texts: Vec<UserText> = library().iter().flat_map(user_texts).collect();
    assert!(texts.len() > 500, "{} texts", texts.len());
    texts.extend(embedded_texts());
    let odd = texts.iter().flat_map(|text| {
        avoided_in(&text.text).into_iter().map(|phrase| format!("{} `{phrase}` in: {}", text.place, text.text))
    });
    none("use the terms of the glossary in src/lib.rs", &odd.collect::<Vec<_>>());
}

#[test]
fn the_check_of_language_reads_strings_and_help() {
    let text = "/// Whoever calls.\n#[derive(Debug, Args)]\npub struct A {\n    /// The pin\n    /// that stands.\n    #[arg(long)]\n    a: u8,\n}\nfn f() { g(\"is told \\\n      so\", \"told\", \"run `told` now\") }\n/// Told.\nfn h() {}";
    let texts = user_texts(&Source::new("src/x.rs".to_owned(), text.to_owned()));
    let shown = |text: &UserText| format!("{} {:?}", text.place, avoided_in(&text.text));
    let expected = ["src/x.rs:9 [\"told\"]", "src/x.rs:10 []", "src/x.rs:1 [\"whoever\"]", "src/x.rs:4 [\"stands\"]"];
    assert_eq!(texts.iter().map(shown).collect::<Vec<_>>(), expected);
}
