//! Rust source files as tokens: enough for the checks of [`crate::conventions`], without a parser of the language.

mod lexer;
mod modules;

use std::path::Path;

pub(crate) use lexer::{Kind, Token, close, item_end, tokens};
pub(crate) use modules::Imports;

/// A Rust file of this repository.
pub(crate) struct Source {
    /// Path from the repository's root, such as `src/model/lock.rs`.
    pub(crate) path: String,
    pub(crate) text: String,
    /// Tokens outside `#[cfg(test)]` items; comments are left out except doc comments.
    pub(crate) tokens: Vec<Token>,
}

impl Source {
    pub(crate) fn new(path: String, text: String) -> Self {
        let tokens = lexer::without_tests(lexer::tokens(&text));
        Self { path, text, tokens }
    }

    /// Reports whether the whole file is test code.
    pub(crate) fn is_test(&self) -> bool {
        self.path.starts_with("tests/") || self.path.ends_with("tests.rs") || self.path.contains("/tests/")
    }

    /// Module path of a file of the library, such as `["model", "lock"]`.
    pub(crate) fn module(&self) -> Vec<String> {
        let path = self.path.trim_start_matches("src/").trim_end_matches(".rs");
        path.split('/').filter(|part| *part != "lib").map(str::to_owned).collect()
    }

    /// `path:line` of a token.
    pub(crate) fn at(&self, token: &Token) -> String {
        format!("{}:{}", self.path, token.line)
    }
}

/// All Rust files below `directory`, sorted by path.
pub(crate) fn sources(directory: &str) -> Vec<Source> {
    files(directory).into_iter().map(|(path, text)| Source::new(path, text)).collect()
}

/// Non-test files of the library.
pub(crate) fn library() -> Vec<Source> {
    let mut all = sources("src");
    all.retain(|source| !source.is_test());
    all
}

/// Paths and texts of all Rust files below `directory`, sorted by path.
pub(crate) fn files(directory: &str) -> Vec<(String, String)> {
    files_with(directory, &["rs"])
}

/// Paths and texts of all files below `directory` with one of `extensions`, sorted by path.
pub(crate) fn files_with(directory: &str, extensions: &[&str]) -> Vec<(String, String)> {
    fn collect(directory: &Path, extensions: &[&str], found: &mut Vec<(String, String)>) {
        for entry in std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                collect(&entry, extensions, found);
            } else if extensions.iter().any(|known| entry.extension().is_some_and(|extension| extension == *known)) {
                let path = entry.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap().to_str().unwrap().to_owned();
                found.push((path, std::fs::read_to_string(&entry).unwrap()));
            }
        }
    }
    let mut found = Vec::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join(directory), extensions, &mut found);
    assert!(!found.is_empty(), "{directory} has no {extensions:?}");
    found.sort();
    found
}

/// Text of a file of this repository.
pub(crate) fn read(path: &str) -> String {
    let whole = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(whole).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Reports whether a path of this repository exists.
pub(crate) fn exists(path: &str) -> bool {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path).exists()
}
