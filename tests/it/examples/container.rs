//! The Dockerfile: checked as text, because tests cannot build containers.

use std::sync::Arc;

use pinstream::formats::FileKind;
use pinstream::text::diagnostics::SourceFile;

use super::{home, text};

const PATH: &str = "container/Dockerfile";

/// Splits a Dockerfile into instructions, without comments and line continuations.
fn instructions(text: &str) -> Vec<Vec<String>> {
    let lines = text.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n");
    let whole = lines.replace("\\\n", " ");
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    whole.lines().map(words).filter(|words| !words.is_empty()).collect()
}

/// Groups instructions by stage.
fn stages(text: &str) -> Vec<Vec<Vec<String>>> {
    let mut found: Vec<Vec<Vec<String>>> = Vec::new();
    for words in instructions(text) {
        if words[0] == "FROM" {
            found.push(Vec::new());
        }
        found.last_mut().unwrap().push(words);
    }
    found
}

/// Lists the problems of a Dockerfile whose program must not run as root.
fn faults(text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let stages = stages(text);
    let mut names: Vec<String> = Vec::new();
    for stage in &stages {
        for words in stage.iter().filter(|words| words[0] == "COPY") {
            let from = words.iter().find_map(|word| word.strip_prefix("--from="));
            let sources = words[1..words.len() - 1].iter().filter(|word| !word.starts_with("--"));
            match from {
                Some(from) if !names.iter().any(|name| name == from) => wrong.push(format!("no stage is `{from}`")),
                Some(_) => {}
                None => {
                    let missing = sources.filter(|path| !home().join(path).exists());
                    wrong.extend(missing.map(|path| format!("there is no `{path}` to copy")));
                }
            }
        }
        let name = stage[0].iter().skip_while(|word| *word != "AS").nth(1);
        names.extend(name.cloned());
    }
    // The first stage builds; each of the others is a runtime image.
    for stage in &stages[1..] {
        let last = |name: &str| stage.iter().rfind(|words| words[0] == name).map(|words| words[1..].join(" "));
        let user = last("USER").unwrap_or_default();
        let numbers: Vec<Option<u32>> = user.split(':').map(|number| number.parse().ok()).collect();
        if numbers.iter().any(|number| number.is_none_or(|number| number == 0)) {
            wrong.push(format!("`{user}` is not a user other than root, by number"));
        }
        if last("ENTRYPOINT").as_deref() != Some("[\"pinstream\"]") {
            wrong.push("it does not start pinstream".to_owned());
        }
        if last("HEALTHCHECK").as_deref() != Some("NONE") {
            wrong.push("what ends by itself has no health".to_owned());
        }
    }
    let file = Arc::new(SourceFile { path: "Dockerfile".to_owned(), text: text.to_owned() });
    for mention in FileKind::Dockerfile.find(&file).unwrap() {
        let image = mention.image.unwrap();
        if image.digest().is_none() || image.tag().is_none() {
            wrong.push(format!("`{image}` is not a tag at a digest"));
        }
    }
    wrong
}

#[test]
fn the_dockerfile_copies_existing_files_and_runs_unprivileged() {
    let text = text(PATH);
    assert_eq!(stages(&text).len(), 3);
    assert_eq!(faults(&text), Vec::<String>::new());
    // The toolchain satisfies `rust-version` of the manifest.
    let manifest: toml::Table = std::fs::read_to_string(home().join("Cargo.toml")).unwrap().parse().unwrap();
    let version = manifest["package"]["rust-version"].as_str().unwrap();
    assert!(text.contains(&format!("/rust:{version}")), "{version}");
}

#[test]
fn mistakes_in_a_dockerfile_are_found() {
    let check = |from: &str, to: &str, expected: &str| {
        let text = text(PATH);
        assert!(text.contains(from), "{from}");
        let found = faults(&text.replacen(from, to, 1));
        assert!(found.iter().any(|fault| fault.contains(expected)), "{found:?}");
    };
    check("USER 65532:65532", "USER nonroot", "nonroot");
    check("USER 65532:65532", "USER 0:0", "0:0");
    check("COPY src ./src", "COPY sources ./src", "sources");
    check("--from=build /etc", "--from=builder /etc", "builder");
    check("ENTRYPOINT [\"pinstream\"]", "CMD [\"pinstream\"]", "start");
    check("debian:bookworm-slim@", "debian@", "not a tag");
}
