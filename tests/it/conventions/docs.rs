//! Doc comments: how they start and how much they say.

use super::none;
use crate::support::source::{Kind, Source, Token, close, library};

const QUESTION_WORDS: [&str; 7] = ["What", "Where", "How", "Why", "Who", "Whose", "Whether"];
const WORDS: usize = 4;

/// Keywords before the name of a public item; a field has none.
const ITEMS: [&str; 12] =
    ["fn", "struct", "enum", "trait", "type", "const", "static", "mod", "union", "async", "unsafe", "macro_rules"];

/// A doc comment: its text, its place, and whether it documents a public item other than a field.
struct Doc {
    text: String,
    place: String,
    is_of_public_item: bool,
}

fn docs(source: &Source) -> Vec<Doc> {
    let tokens = &source.tokens;
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let start = at;
        while tokens.get(at).is_some_and(|token| token.kind == Kind::Doc) {
            at += 1;
        }
        if at == start {
            at += 1;
            continue;
        }
        let text = tokens[start..at].iter().map(|token| token.text.as_str()).collect::<Vec<_>>().join(" ");
        let is_of_public_item = is_public_item(tokens, at);
        found.push(Doc { text, place: source.at(&tokens[start]), is_of_public_item });
    }
    found
}

fn is_public_item(tokens: &[Token], mut at: usize) -> bool {
    while tokens.get(at).is_some_and(|token| token.is("#")) {
        at = close(tokens, at + 1);
    }
    if !tokens.get(at).is_some_and(|token| token.is("pub")) {
        return false;
    }
    let next = if tokens[at + 1].is("(") { close(tokens, at + 1) } else { at + 1 };
    tokens.get(next).is_some_and(|token| ITEMS.contains(&token.text.as_str()))
}

fn all() -> Vec<Doc> {
    let all: Vec<Doc> = library().iter().flat_map(docs).collect();
    assert!(all.len() > 1000, "{} doc comments", all.len());
    all
}

#[test]
fn doc_comments_start_with_a_verb_or_a_noun() {
    let all = all();
    let asks = |doc: &&Doc| QUESTION_WORDS.contains(&doc.text.split(|c: char| !c.is_alphabetic()).next().unwrap());
    let questions: Vec<String> = all.iter().filter(asks).map(|doc| format!("{} {}", doc.place, doc.text)).collect();
    none("start with a verb or a noun phrase", &questions);
}

#[test]
fn doc_comments_of_public_items_say_something() {
    let words = |doc: &Doc| doc.text.split_whitespace().filter(|word| word.contains(char::is_alphanumeric)).count();
    let short = all().into_iter().filter(|doc| doc.is_of_public_item && words(doc) < WORDS);
    let short: Vec<String> = short.map(|doc| format!("{} {}", doc.place, doc.text)).collect();
    none("say more, or make the item private and leave the comment out", &short);
}

#[test]
fn the_check_of_docs_tells_items_from_fields() {
    let text = "/// The pin.\n#[derive(Debug)]\npub struct Pin {\n    /// Its digest.\n    pub digest: u8,\n}\n//// no doc\n/// Where\n/// it is.\nfn f() {}";
    let shown = |doc: &Doc| format!("{} {} {}", doc.place, doc.text, doc.is_of_public_item);
    let found = docs(&Source::new("src/x.rs".to_owned(), text.to_owned()));
    let expected = ["src/x.rs:1 The pin. true", "src/x.rs:4 Its digest. false", "src/x.rs:8 Where it is. false"];
    assert_eq!(found.iter().map(shown).collect::<Vec<_>>(), expected);
}
