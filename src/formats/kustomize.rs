//! `kustomize = { path, name }`: an entry of `images` in a kustomization, as the Kustomize reference has it: `newName`,
//! `newTag` and `digest`, of which a digest rules.

use std::collections::HashMap;
use std::rc::Rc;

use crate::model::image::complete;
use crate::text::yaml::YamlNode;

use super::text::FileText;
use super::way::Selector;
use super::yaml::{field, write};
use super::{TargetError, TextChange, WriteSpec};

/// What the entry for `name` becomes: the keys that it has are written over.
pub(super) fn edits(name: &str, text: &FileText, writing: &WriteSpec<'_>) -> Result<Vec<TextChange>, TargetError> {
    let mut changes = Vec::new();
    let pin = writing.pin;
    let way = Selector::of(&["images"], Some(("name", name)));
    for entry in way.alone(text, text.yaml()?)? {
        let here = entry.span.start..entry.span.start;
        let wrong = |message: String, help: &str| TargetError::Wrong(text.problem(&here, message).help(help));
        let repository = pin.image.repository();
        match field(text, &way, &entry, "newName")? {
            Some(node) => changes.push(write(text, &node, &repository.to_string())?),
            None if complete(name).is_ok_and(|image| image.repository() == repository) => {}
            None => {
                let message = format!("the image `{name}` would stay `{name}`, and the pin is of `{repository}`");
                return Err(wrong(message, "add a line `newName: \"\"` to the entry"));
            }
        }
        if let Some(node) = field(text, &way, &entry, "newTag")? {
            let tag = pin.image.tag().ok_or_else(|| writing.without_tag(text))?;
            changes.push(write(text, &node, tag.as_str())?);
        }
        match field(text, &way, &entry, "digest")? {
            Some(node) => changes.push(write(text, &node, pin.digest.as_str())?),
            None => {
                let message = format!("the image `{name}` has no `digest` to write over");
                return Err(wrong(message, "add a line `digest: \"\"` to the entry"));
            }
        }
    }
    Ok(changes)
}

/// The names of all entries, each by the first byte of its entry.
pub(super) fn names(text: &FileText) -> HashMap<usize, String> {
    let documents = text.yaml().map(|tree| tree.documents.as_slice()).unwrap_or_default();
    let entries = documents.iter().filter_map(|document| document.get("images")).flat_map(|images| images.items());
    let name = |entry: &Rc<YamlNode>| Some((entry.span.start, entry.get("name")?.text()?.to_owned()));
    entries.filter_map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{DIGEST, check};

    #[track_caller]
    fn python(yaml: &str, expected: &str) {
        check("kustomize = { path = \"k.yaml\", name = \"python\" }", "k.yaml", yaml, expected);
    }

    #[test]
    fn the_keys_that_are_there_are_written_over() {
        python(
            "images:\n- name: web\n  newTag: '1'\n- name: python\n  newName: x\n  newTag: \"3\"\n  digest: ''\n",
            &format!(
                "images:\n- name: web\n  newTag: '1'\n- name: python\n  newName: docker.io/library/python\n  newTag: \
                 \"3.12\"\n  digest: '{DIGEST}'\n"
            ),
        );
        python("images: [{name: python, digest: ~}]\n", &format!("images: [{{name: python, digest: {DIGEST}}}]\n"));
    }

    #[test]
    fn an_entry_that_would_not_deploy_the_pin_is_refused() {
        python(
            "images:\n- name: pyton\n",
            "2 ! `images` of `k.yaml` has nothing with `name=python`; did you mean `pyton`?",
        );
        python(
            "images:\n- name: python\n  newTag: '3'\n",
            "2 ! the image `python` has no `digest` to write over; add a line `digest: \"\"` to the entry",
        );
        python(
            "images:\n- name: python\n- name: python\n",
            "3 ! `images[name=python]` leads to 2 places of `k.yaml`: line 2, line 3; keep one of them, or let a target `yaml` \
             name the one that is meant",
        );
        check(
            "kustomize = { path = \"k.yaml\", name = \"web\" }",
            "k.yaml",
            "images:\n- name: web\n  digest: ''\n",
            "2 ! the image `web` would stay `web`, and the pin is of `docker.io/library/python`; add a line `newName: \"\"` to \
             the entry",
        );
    }
}
