//! Cost of a new member of a family: few source files name a member.

use std::collections::BTreeSet;

use crate::support::source::files;

/// Lists the source files that name a member: by their own name, or in code or a string. Comments and tests do not count,
/// nor do directories such as `.gitea/workflows`.
fn naming(member: &str) -> BTreeSet<String> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let names = |line: &str| {
        let line = line.to_ascii_lowercase();
        line.match_indices(member).any(|(at, _)| {
            let (before, after) = (&line[..at], &line[at + member.len()..]);
            !before.ends_with(is_word) && !before.ends_with("\".") && !after.starts_with(is_word)
        })
    };
    let in_code = |text: &str| {
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        code.lines().filter(|line| !line.trim_start().starts_with("//")).any(names)
    };
    let sources = files("src").into_iter().filter(|(path, _)| !path.ends_with("/tests.rs"));
    sources
        .filter(|(path, text)| path.ends_with(&format!("/{member}.rs")) || in_code(text))
        .map(|(path, _)| path)
        .collect()
}

#[test]
fn three_files_name_a_forge() {
    // GitHub and GitLab are output formats as well.
    for forge in ["gitea", "bitbucket", "azure"] {
        let expected = [
            "src/forge.rs".to_owned(),
            format!("src/forge/{forge}.rs"),
            "src/model/settings/publish/forges.rs".to_owned(),
        ];
        assert_eq!(naming(forge), expected.into(), "{forge}");
    }
}
