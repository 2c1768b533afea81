//! A lexer for Rust: identifiers, literals, doc comments and punctuation, with line numbers.

use std::iter::Peekable;
use std::str::Chars;

/// Kind of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Identifier or keyword.
    Word,
    /// One character, `::` or `->`.
    Mark,
    /// String literal; the text is its source between the quotes.
    Text,
    /// Number, character or lifetime.
    Other,
    /// One line of a `///` comment, without the slashes and the space after them.
    Doc,
}

/// A token of a source file.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) text: String,
    pub(crate) line: usize,
}

impl Token {
    pub(crate) fn is(&self, text: &str) -> bool {
        matches!(self.kind, Kind::Word | Kind::Mark) && self.text == text
    }
}

struct Lexer<'a> {
    rest: Peekable<Chars<'a>>,
    line: usize,
    tokens: Vec<Token>,
}

/// Splits a source file into tokens.
pub(crate) fn tokens(text: &str) -> Vec<Token> {
    let mut lexer = Lexer { rest: text.chars().peekable(), line: 1, tokens: Vec::new() };
    while let Some(c) = lexer.next() {
        lexer.token(c);
    }
    lexer.tokens
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

impl Lexer<'_> {
    fn next(&mut self) -> Option<char> {
        let c = self.rest.next();
        self.line += usize::from(c == Some('\n'));
        c
    }

    fn push(&mut self, kind: Kind, text: impl Into<String>, line: usize) {
        self.tokens.push(Token { kind, text: text.into(), line });
    }

    fn word(&mut self, first: char) -> String {
        let mut word = first.to_string();
        while let Some(c) = self.rest.next_if(|c| is_word(*c)) {
            word.push(c);
        }
        word
    }

    fn token(&mut self, c: char) {
        let line = self.line;
        match c {
            c if c.is_whitespace() => {}
            '/' if self.rest.peek() == Some(&'/') => self.line_comment(line),
            '/' if self.rest.peek() == Some(&'*') => self.block_comment(),
            '"' => self.string(line),
            '\'' => self.quote(line),
            c if c.is_ascii_digit() => {
                let word = self.word(c);
                self.push(Kind::Other, word, line);
            }
            c if is_word(c) => {
                let word = self.word(c);
                match (word.as_str(), self.rest.peek()) {
                    ("r" | "br" | "cr", Some('"' | '#')) => self.raw(word, line),
                    ("b" | "c", Some('"')) => {
                        self.next();
                        self.string(line);
                    }
                    ("b", Some('\'')) => {
                        self.next();
                        self.quote(line);
                    }
                    _ => self.push(Kind::Word, word, line),
                }
            }
            ':' if self.rest.next_if_eq(&':').is_some() => self.push(Kind::Mark, "::", line),
            '-' if self.rest.next_if_eq(&'>').is_some() => self.push(Kind::Mark, "->", line),
            '=' if self.rest.next_if_eq(&'>').is_some() => self.push(Kind::Mark, "=>", line),
            c => self.push(Kind::Mark, c, line),
        }
    }

    fn line_comment(&mut self, line: usize) {
        let mut text = String::new();
        while let Some(c) = self.rest.next_if(|c| *c != '\n') {
            text.push(c);
        }
        let doc = text.strip_prefix("//").filter(|doc| !doc.starts_with('/'));
        if let Some(doc) = doc {
            self.push(Kind::Doc, doc.strip_prefix(' ').unwrap_or(doc), line);
        }
    }

    fn block_comment(&mut self) {
        let mut depth = 0;
        let mut last = '/';
        while let Some(c) = self.next() {
            match (last, c) {
                ('/', '*') => (depth, last) = (depth + 1, ' '),
                ('*', '/') => (depth, last) = (depth - 1, ' '),
                _ => last = c,
            }
            if depth == 0 {
                return;
            }
        }
    }

    fn string(&mut self, line: usize) {
        let mut text = String::new();
        while let Some(c) = self.next() {
            match c {
                '"' => break,
                '\\' => {
                    text.push(c);
                    text.extend(self.next());
                }
                c => text.push(c),
            }
        }
        self.push(Kind::Text, text, line);
    }

    fn raw(&mut self, word: String, line: usize) {
        let mut hashes = String::new();
        while self.rest.next_if_eq(&'#').is_some() {
            hashes.push('#');
        }
        if self.rest.next_if_eq(&'"').is_none() {
            // A raw identifier such as `r#type`.
            let name = self.word('#');
            return self.push(Kind::Word, format!("{word}{name}"), line);
        }
        let end = format!("\"{hashes}");
        let mut text = String::new();
        while !text.ends_with(&end) {
            let Some(c) = self.next() else { break };
            text.push(c);
        }
        text.truncate(text.len().saturating_sub(end.len()));
        self.push(Kind::Text, text, line);
    }

    /// Reads a character or a lifetime after its `'`.
    fn quote(&mut self, line: usize) {
        let Some(first) = self.next() else { return };
        if first == '\\' {
            let escaped = self.next();
            while let Some(c) = self.next().filter(|c| *c != '\'') {
                // `'\u{1b}'` has more than one character.
                let _ = c;
            }
            return self.push(Kind::Other, escaped.unwrap_or_default().to_string(), line);
        }
        if self.rest.next_if_eq(&'\'').is_none() && is_word(first) {
            let name = self.word(first);
            return self.push(Kind::Other, format!("'{name}"), line);
        }
        self.push(Kind::Other, first, line);
    }
}

/// Index just after the bracket that closes the one at `open`.
pub(crate) fn close(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open).filter(|(_, token)| token.kind == Kind::Mark) {
        match token.text.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            _ => continue,
        }
        if depth == 0 {
            return at + 1;
        }
    }
    tokens.len()
}

/// Index just after the item that starts at `start`: its `;` or its body.
pub(crate) fn item_end(tokens: &[Token], start: usize) -> usize {
    let mut at = start;
    while at < tokens.len() {
        match tokens[at].text.as_str() {
            ";" if tokens[at].kind == Kind::Mark => return at + 1,
            "{" if tokens[at].kind == Kind::Mark => return close(tokens, at),
            "(" | "[" if tokens[at].kind == Kind::Mark => at = close(tokens, at),
            _ => at += 1,
        }
    }
    at
}

/// Removes items marked `#[cfg(test)]` or `#[test]`.
pub(super) fn without_tests(tokens: Vec<Token>) -> Vec<Token> {
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at].is("#") && tokens.get(at + 1).is_some_and(|next| next.is("[")) {
            let end = close(&tokens, at + 1);
            let words: Vec<&str> = tokens[at + 2..end - 1].iter().map(|token| token.text.as_str()).collect();
            if words == ["cfg", "(", "test", ")"] || words == ["test"] {
                at = item_end(&tokens, end);
                continue;
            }
            kept.extend_from_slice(&tokens[at..end]);
            at = end;
        } else {
            kept.push(tokens[at].clone());
            at += 1;
        }
    }
    kept
}
