//! Imports between the files of the library: paths of `use` items and of expressions, followed to the file that defines
//! the name.

use std::collections::{BTreeMap, BTreeSet};

use super::lexer::item_end;
use super::{Kind, Source, Token};

type Path = Vec<String>;

/// Modules of the library and the names that each of them re-exports.
pub(crate) struct Imports {
    /// File of each module.
    files: BTreeMap<Path, String>,
    /// Full path behind each name that a module imports by `use`.
    names: BTreeMap<Path, BTreeMap<String, Path>>,
    /// Full paths that each file names, before re-exports are followed.
    paths: BTreeMap<String, BTreeSet<Path>>,
}

impl Imports {
    pub(crate) fn of(library: &[Source]) -> Self {
        let files: BTreeMap<Path, String> =
            library.iter().map(|source| (source.module(), source.path.clone())).collect();
        let mut imports = Self { files, names: BTreeMap::new(), paths: BTreeMap::new() };
        for source in library {
            imports.read(source);
        }
        imports
    }

    /// Full paths that a file names, such as `["model", "lock", "Lock"]`.
    pub(crate) fn paths(&self, file: &str) -> &BTreeSet<Path> {
        &self.paths[file]
    }

    /// Files that define the names which `file` imports.
    pub(crate) fn files(&self, file: &str) -> BTreeSet<&str> {
        self.paths[file].iter().filter_map(|path| self.file_of(path, 0)).filter(|found| *found != file).collect()
    }

    /// Files that `file` imports, except the modules that it is part of and its own parts.
    pub(crate) fn others(&self, file: &str) -> BTreeSet<&str> {
        self.files(file).into_iter().filter(|other| !is_part(file, other) && !is_part(other, file)).collect()
    }

    /// Groups of files that import each other in a circle. A module and its parts may name each other: it declares them,
    /// and calls what they add to its types.
    pub(crate) fn cycles(&self) -> Vec<Vec<&str>> {
        let graph: BTreeMap<&str, BTreeSet<&str>> =
            self.files.values().map(|file| (file.as_str(), self.others(file))).collect();
        let reach = |from: &str| {
            let mut seen = BTreeSet::new();
            let mut open: Vec<&str> = graph[from].iter().copied().collect();
            while let Some(file) = open.pop() {
                if seen.insert(file) {
                    open.extend(graph.get(file).into_iter().flatten());
                }
            }
            seen
        };
        let reached: BTreeMap<&str, BTreeSet<&str>> = graph.keys().map(|file| (*file, reach(file))).collect();
        let mut groups = BTreeSet::new();
        for (file, theirs) in &reached {
            let group: Vec<&str> = theirs.iter().copied().filter(|other| reached[other].contains(file)).collect();
            if !group.is_empty() {
                groups.insert(group);
            }
        }
        groups.into_iter().collect()
    }

    /// File that defines the name at the end of `path`.
    fn file_of(&self, path: &[String], depth: usize) -> Option<&str> {
        let length = (0..=path.len()).rev().find(|length| self.files.contains_key(&path[..*length]))?;
        let module = &path[..length];
        let Some(name) = path.get(length) else { return Some(&self.files[module]) };
        match self.names.get(module).and_then(|names| names.get(name)) {
            Some(target) if depth < 8 && target != path => {
                let more: Path = target.iter().chain(&path[length + 1..]).cloned().collect();
                self.file_of(&more, depth + 1)
            }
            _ if module.is_empty() => None,
            _ => Some(&self.files[module]),
        }
    }

    fn read(&mut self, source: &Source) {
        let here = source.module();
        let (mut paths, mut names) = (BTreeSet::new(), BTreeMap::new());
        let tokens = &source.tokens;
        let mut at = 0;
        while at < tokens.len() {
            let is_use = tokens[at].is("use") && !tokens.get(at + 1).is_some_and(|next| next.is("<"));
            let start = at + usize::from(is_use);
            let is_path = tokens[at].kind == Kind::Word
                && tokens.get(at + 1).is_some_and(|next| next.is("::"))
                && (at == 0 || !tokens[at - 1].is("::"));
            at += 1;
            if !is_use && !is_path {
                continue;
            }
            if let Some((base, skip)) = self.base(&here, &tokens[start..]) {
                let mut found = Vec::new();
                tree(&tokens[start + skip..], &base, &mut found);
                paths.extend(found.iter().map(|(path, _)| path.clone()));
                if is_use {
                    names.extend(found.into_iter().map(|(path, name)| (name, path)));
                }
            }
            if is_use {
                at = item_end(tokens, start);
            }
        }
        self.paths.insert(source.path.clone(), paths);
        self.names.insert(here, names);
    }

    /// Module that a path starts from, and how many tokens that takes; `None` for paths to other crates.
    fn base(&self, here: &[String], tokens: &[Token]) -> Option<(Path, usize)> {
        let mut base = here.to_vec();
        let mut at = 0;
        loop {
            match tokens.get(at)?.text.as_str() {
                "crate" => base.clear(),
                "self" => {}
                "super" => drop(base.pop()),
                name => {
                    let child: Path = here.iter().cloned().chain([name.to_owned()]).collect();
                    let is_ours = at > 0 || self.files.contains_key(&child);
                    return is_ours.then_some((base, at));
                }
            }
            if !tokens.get(at + 1)?.is("::") {
                return None;
            }
            at += 2;
        }
    }
}

/// Reports whether `part` lies in the module of the file `whole`.
fn is_part(part: &str, whole: &str) -> bool {
    let directory = whole.trim_end_matches(".rs");
    part.strip_prefix(directory).is_some_and(|rest| rest.starts_with('/'))
}

/// Collects the paths of a use tree and the name that each is imported by; returns the number of tokens read.
fn tree(tokens: &[Token], base: &[String], found: &mut Vec<(Path, String)>) -> usize {
    let mut path = base.to_vec();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        if token.is("{") {
            at += 1;
            while tokens.get(at).is_some_and(|token| !token.is("}")) {
                at += tree(&tokens[at..], &path, found);
                at += usize::from(tokens.get(at).is_some_and(|token| token.is(",")));
            }
            return at + 1;
        }
        if token.kind != Kind::Word {
            // A turbofish, a glob or a macro variable ends the path.
            break;
        }
        if token.text != "self" {
            path.push(token.text.clone());
        }
        at += 1;
        if !tokens.get(at).is_some_and(|next| next.is("::")) {
            break;
        }
        at += 1;
    }
    let mut name = path.last().cloned().unwrap_or_default();
    if tokens.get(at).is_some_and(|token| token.is("as")) {
        name = tokens.get(at + 1).map_or(name, |token| token.text.clone());
        at += 2;
    }
    found.push((path, name));
    at.max(1)
}
