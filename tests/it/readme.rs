//! The README is correct: every block is run or parsed, and its table lists all commands.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use crate::support::sandbox::Sandbox;

/// A fenced code block.
struct Block {
    language: String,
    text: String,
}

fn home() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn readme() -> String {
    std::fs::read_to_string(home().join("README.md")).unwrap()
}

fn blocks() -> Vec<Block> {
    let readme = readme();
    let mut parts = readme.split("\n```");
    parts.next();
    let mut blocks = Vec::new();
    while let Some(open) = parts.next() {
        let (language, text) = open.split_once('\n').unwrap();
        blocks.push(Block { language: language.to_owned(), text: text.to_owned() });
        assert!(parts.next().is_some_and(|rest| rest.starts_with('\n')), "a block does not end: {text}");
    }
    blocks
}

/// Lists the commands in a help text, except `help`.
pub(crate) fn commands(help: &str) -> BTreeSet<String> {
    let list = help.split("\nCommands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let lines = list.lines().filter_map(|line| line.strip_prefix("  ")).filter(|line| !line.starts_with(' '));
    let names: BTreeSet<String> = lines.map(|line| line.split(' ').next().unwrap().to_owned()).collect();
    names.into_iter().filter(|name| name != "help").collect()
}

#[test]
fn each_command_in_the_readme_runs() {
    let mut lines = 0;
    for line in blocks().iter().filter(|block| block.language == "sh").flat_map(|block| block.text.lines()) {
        lines += 1;
        match line.strip_prefix("cargo run --release -- ") {
            Some(arguments) => {
                let mut sandbox = Sandbox::new();
                sandbox.env("TMPDIR", sandbox.home().to_str().unwrap().to_owned());
                let ran = sandbox.run(&arguments.split(' ').collect::<Vec<_>>());
                assert_eq!(ran.code, Some(0), "{line}: {}{}", ran.stdout, ran.stderr);
            }
            None => {
                let script = home().join(line);
                assert!(script.metadata().unwrap().permissions().mode() & 0o111 != 0, "{line} cannot be run");
                assert!(Command::new("bash").arg("-n").arg(&script).status().unwrap().success(), "{line}");
            }
        }
    }
    assert_eq!(lines, 2);
}

#[test]
fn the_files_in_the_readme_are_a_valid_root() {
    let sandbox = Sandbox::new();
    let blocks = blocks();
    let files: Vec<&str> =
        blocks.iter().filter(|block| block.language == "toml").map(|block| block.text.as_str()).collect();
    let [stream, settings] = files[..] else { panic!("{} files", files.len()) };
    assert!(readme().contains("`streams/python.toml`"));
    sandbox.write("streams/python.toml", stream);
    sandbox.write("pinstream.toml", settings);
    let ran = sandbox.run(&["list"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    assert_eq!(ran.stdout.lines().count(), 11, "{}", ran.stdout);
}

#[test]
fn every_block_of_the_readme_is_tested() {
    for block in blocks() {
        assert!(["sh", "toml"].contains(&block.language.as_str()), "{}", block.language);
    }
}

#[test]
fn the_table_of_commands_matches_the_help() {
    let readme = readme();
    let table = readme.split("| command | does |").nth(1).unwrap().split("\n\n").next().unwrap();
    let mut named = BTreeSet::new();
    for row in table.lines().skip(2) {
        let cell = row.split('|').nth(1).unwrap();
        for word in cell.split('`').skip(1).step_by(2) {
            let name = word.strip_prefix("pinstream ").unwrap_or(word);
            assert!(named.insert(name.to_owned()), "`{name}` is listed twice");
        }
    }
    assert_eq!(named, commands(&Sandbox::new().run(&["--help"]).stdout));
}

#[test]
fn each_option_in_the_readme_exists() {
    let sandbox = Sandbox::new();
    let mut help = sandbox.run(&["--help"]).stdout;
    for command in commands(&help) {
        help.push_str(&sandbox.run(&[&command, "--help"]).stdout);
    }
    let readme = readme();
    let table = readme.split("| command | does |").nth(1).unwrap().split("\n\n").next().unwrap();
    let options: BTreeSet<&str> =
        table.split(['`', ' ']).filter(|word| word.starts_with("--") && word.contains(char::is_alphabetic)).collect();
    assert!(options.len() >= 3, "{options:?}");
    for option in options {
        assert!(help.contains(option), "{option}");
    }
}
