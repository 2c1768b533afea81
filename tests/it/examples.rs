//! The examples: each is validated with the tools of its ecosystem, or run.

mod air_gapped;
mod ci;
mod cluster;
mod commands;
mod container;
mod gitops;
mod host;
mod words;

use std::path::{Path, PathBuf};

use pinstream::git::RootFiles;
use serde::Deserialize as _;
use serde_json::Value;

use crate::support::files;
use crate::support::sandbox::Sandbox;

/// Returns the top of this repository.
fn home() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn folder(name: &str) -> PathBuf {
    home().join("examples").join(name)
}

/// Reads a file of the examples.
fn text(name: &str) -> String {
    std::fs::read_to_string(folder(name)).unwrap()
}

/// Parses the documents of a YAML file with a crate that the program does not use.
fn documents(text: &str) -> Vec<Value> {
    serde_yaml_ng::Deserializer::from_str(text).map(|document| Value::deserialize(document).unwrap()).collect()
}

fn is_yaml(path: &str) -> bool {
    path.ends_with(".yaml") || path.ends_with(".yml")
}

/// Reads all YAML files of an example.
fn yaml(name: &str) -> Vec<(String, Vec<Value>)> {
    let files: RootFiles = files(&folder(name));
    let yaml = files.into_iter().filter(|(path, _)| is_yaml(path));
    yaml.map(|(path, bytes)| (path, documents(std::str::from_utf8(&bytes).unwrap()))).collect()
}

/// Copies an example to a sandbox, with each file modified by `change`.
fn sandbox(name: &str, change: impl Fn(&str, String) -> String) -> Sandbox {
    let sandbox = Sandbox::new();
    for (path, bytes) in files(&folder(name)) {
        sandbox.write(&path, &change(&path, String::from_utf8(bytes).unwrap()));
    }
    sandbox
}
