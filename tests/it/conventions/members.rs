//! Cost of one more member of a family: the files that name one of its members today.

use super::none;
use crate::support::source::{Kind, Source, library};

/// A family of alternatives, such as forges.
struct Family {
    name: &'static str,
    /// Members that stand for the others, in lower case.
    members: &'static [&'static str],
    /// The directory in which their names mean a member of this family.
    directory: &'static str,
    /// The most files that may name one member: its own, the enum, and the settings table if there is one.
    files: usize,
}

const FAMILIES: [Family; 4] = [
    Family { name: "forge", members: &["bitbucket"], directory: "src/", files: 3 },
    Family { name: "target kind", members: &["helm", "kustomize"], directory: "src/formats", files: 2 },
    Family { name: "output format", members: &["junit", "sarif"], directory: "src/", files: 2 },
    Family { name: "registry auth scheme", members: &["basic"], directory: "src/registry", files: 2 },
];

fn names(source: &Source, member: &str) -> bool {
    source.tokens.iter().any(|token| match token.kind {
        Kind::Word => token.text.to_lowercase().split('_').any(|part| part == member),
        Kind::Text => token.text.to_lowercase().split(|c: char| !c.is_alphanumeric()).any(|part| part == member),
        _ => false,
    })
}

/// Returns whether a file declares the formats of tools, whose paths and API groups contain the names of other tools.
fn names_tools(source: &Source) -> bool {
    source.path == "src/formats/image.rs" || source.path.starts_with("src/formats/image/")
}

#[test]
fn a_new_member_of_a_family_touches_few_files() {
    let library = library();
    let mut beyond = Vec::new();
    for family in FAMILIES {
        for member in family.members {
            let naming: Vec<&str> = library
                .iter()
                .filter(|source| source.path.starts_with(family.directory) && !names_tools(source))
                .filter(|source| names(source, member))
                .map(|source| source.path.as_str())
                .collect();
            assert!(!naming.is_empty(), "no file names `{member}`");
            let excess = naming.iter().skip(family.files);
            beyond.extend(excess.map(|file| format!("{file} names the {} `{member}`", family.name)));
        }
    }
    none("keep what is special about a member in its own file", &beyond);
}
