//! `kustomize = { path, name }`: an entry of `images` in a kustomization: `newName`, `newTag` and `digest` (the Kustomize
//! reference, "images"). A `newTag` without `digest` receives both.

mod overlays;

use std::collections::HashMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    DocumentTree, Evidence, FileFormat, FileText, ImageSite, KEEP_ONE, NotAnImage, ReferencePart, Selector,
    SiteCandidate, TargetEdit, TargetError, TargetKind, TargetReader, WriteSpec,
};
use crate::model::image::complete;
use crate::text::diagnostics::{At, Problem, SourceFile};
use crate::text::yaml::YamlNode;

use super::image_site::given;
use super::suggest::by_start;
use super::yaml::{field, tree, write};

pub use overlays::{ImageOverride, KustomizeOverlays};

/// The entry of `images` with this `name`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KustomizePlace(String);

/// An entry of `images` in a kustomization.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[schemars(rename = "TargetKustomize", extend("required" = ["path", "name"]))]
pub(super) struct KustomizeTable {
    /// A file below the root, or a glob.
    pub(super) path: Option<At<String>>,
    /// The `name` of the entry.
    name: Option<At<String>>,
}

impl FileFormat for KustomizePlace {
    type Table = KustomizeTable;
    const PATTERNS: &'static [&'static str] = &["**/Kustomization"];

    fn read(table: &KustomizeTable, reader: &mut TargetReader<'_, '_>) -> Option<Self> {
        let name = reader.required(table.name.as_ref(), "name", "name = \"web\"")?;
        Some(Self(name.value.clone()))
    }

    fn refuse_part(_: ReferencePart) -> Option<&'static str> {
        Some("remove it; the keys `newName`, `newTag` and `digest` are written if they exist")
    }

    fn keys(&self) -> Vec<(&'static str, &str)> {
        vec![("name", &self.0)]
    }

    /// Writes the keys that the entry has.
    fn edits(&self, spec: &WriteSpec<'_>) -> Result<Vec<TargetEdit>, TargetError> {
        let (text, name, repository) = (spec.text, &self.0, spec.pin.image.repository());
        let selector = Selector::of(&["images"], Some(("name", name)));
        let mut edits = Vec::new();
        for entry in selector.select(text, &*tree(text)?, KEEP_ONE)? {
            let start = entry.span.start;
            let invalid = |message: String, help: &str| Err(text.invalid(start..start, message, help));
            match field(text, &selector, &entry, "newName")? {
                Some(node) => edits.push(write(spec, &node, &repository.to_string())?),
                None if complete(name).is_ok_and(|image| image.repository() == repository) => {}
                None => {
                    let message = format!("image `{name}` would remain `{name}`, but the pin is from `{repository}`");
                    return invalid(message, "add a line `newName: \"\"` to the entry");
                }
            }
            let (tag, digest) = (field(text, &selector, &entry, "newTag")?, field(text, &selector, &entry, "digest")?);
            if tag.is_none() && digest.is_none() {
                let message = format!("image `{name}` has neither `newTag` nor `digest`");
                return invalid(message, "add a line `digest: \"\"` to the entry");
            }
            // Kustomize appends `newTag` as it is.
            let part = if digest.is_some() { ReferencePart::Tag } else { ReferencePart::TagAtDigest };
            edits.extend(tag.map(|node| write(spec, &node, &spec.part_of(part)?)).transpose()?);
            edits.extend(digest.map(|node| write(spec, &node, spec.pin.digest.as_str())).transpose()?);
        }
        Ok(edits)
    }

    fn recognize(file: &SourceFile) -> Option<Evidence> {
        is_kustomization(&file.path).then_some(Evidence::Name)
    }

    fn find(text: &FileText) -> Result<Vec<ImageSite>, Problem> {
        let site = |entry: &YamlNode| {
            let name = given(entry, "newName").or(given(entry, "name"))?.to_owned();
            let mut site =
                ImageSite::map(entry, name, "newTag", "has neither tag nor digest; the manifests set the tag");
            if matches!(site.image, Err(NotAnImage::None(_))) && given(entry, "tagSuffix").is_some() {
                site.image = Err(NotAnImage::Open("has a `tagSuffix`, which drops the digest of the manifests"));
            }
            Some(site)
        };
        Ok(entries(&*tree(text)?).filter_map(site).collect())
    }

    fn suggest(text: &FileText, sites: &[ImageSite]) -> Result<Vec<Vec<SiteCandidate>>, Problem> {
        let tree = tree(text)?;
        let name = |entry: &YamlNode| Some((entry.span.start, entry.get("name")?.text()?.to_owned()));
        let names: HashMap<usize, String> = entries(&tree).filter_map(name).collect();
        Ok(by_start(sites, &names, |name| TargetKind::Kustomize(Self(name.clone()))))
    }
}

/// Recognizes the names that Kustomize requires.
fn is_kustomization(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    ["kustomization.yaml", "kustomization.yml", "Kustomization"].contains(&name)
}

/// Returns the entries of `images` in all documents.
fn entries(tree: &DocumentTree) -> impl Iterator<Item = &YamlNode> {
    let lists = tree.documents.iter().filter_map(|document| document.get("images"));
    lists.flat_map(|images| images.items()).map(AsRef::as_ref)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{DIGEST, check, check_find};

    #[track_caller]
    fn python(yaml: &str, expected: &str) {
        check("kustomize = { path = \"k.yaml\", name = \"python\" }", "k.yaml", yaml, expected);
    }

    #[test]
    fn existing_keys_are_written() {
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
    fn f21_an_entry_with_a_tag_suffix_is_reported() {
        check_find(
            "kustomization.yaml",
            "images:\n- {name: a, tagSuffix: -x}\n- {name: b, newTag: '1', tagSuffix: -x}\n",
            &[
                "2 {name: a, tagSuffix: -x} ! has a `tagSuffix`, which drops the digest of the manifests",
                "3 {name: b, newTag: '1', tagSuffix: -x} = docker.io/library/b:1",
            ],
        );
    }

    #[test]
    fn f07_a_new_tag_without_digest_receives_both() {
        python(
            "images:\n- name: python\n  newTag: \"1.25\"\n",
            &format!("images:\n- name: python\n  newTag: \"3.12@{DIGEST}\"\n"),
        );
        python(
            "images:\n- {name: python, newName: docker.io/python, newTag: 1.25}\n",
            &format!("images:\n- {{name: python, newName: docker.io/python, newTag: 3.12@{DIGEST}}}\n"),
        );
        let pinned = format!("images:\n- {{name: python, newTag: '3.12@{DIGEST}'}}\n");
        python(&pinned, &pinned);
        check_find(
            "kustomization.yaml",
            &pinned,
            &[&format!("2 {{name: python, newTag: '3.12@{DIGEST}'}} = docker.io/library/python:3.12@{DIGEST}")],
        );
    }

    #[test]
    fn an_entry_that_would_not_deploy_the_pin_is_refused() {
        python(
            "images:\n- name: pyton\n",
            "2 ! `images` in `k.yaml` has no entry with `name=python`; did you mean `pyton`?",
        );
        python(
            "images:\n- name: python\n  newName: ''\n",
            "2 ! image `python` has neither `newTag` nor `digest`; add a line `digest: \"\"` to the entry",
        );
        python(
            "images:\n- name: python\n- name: python\n",
            "3 ! `images[name=python]` matches 2 values in `k.yaml`: line 2, line 3; remove one of them, or select one with a \
             `yaml` target",
        );
        check(
            "kustomize = { path = \"k.yaml\", name = \"web\" }",
            "k.yaml",
            "images:\n- name: web\n  digest: ''\n",
            "2 ! image `web` would remain `web`, but the pin is from `docker.io/library/python`; add a line `newName: \"\"` to \
             the entry",
        );
    }

    #[test]
    fn entries_name_images_in_parts() {
        let digest = format!("sha256:{}", "ab".repeat(32));
        check_find(
            "kustomization.yaml",
            &format!(
                "images:\n- {{name: web, newName: quay.io/a/web, newTag: '1'}}\n- {{name: redis, digest: '{digest}'}}\n- \
                 {{name: a, newTag: 2, digest: '{digest}'}}\n- {{name: b, newTag: ''}}\n- {{newTag: x}}\n"
            ),
            &[
                "2 {name: web, newName: quay.io/a/web, newTag: '1'} = quay.io/a/web:1",
                &format!("3 {{name: redis, digest: '{digest}'}} = docker.io/library/redis@{digest}"),
                &format!("4 {{name: a, newTag: 2, digest: '{digest}'}} = docker.io/library/a:2@{digest}"),
                "5 {name: b, newTag: ''} ! has neither tag nor digest; the manifests set the tag",
            ],
        );
        check_find("kustomization.yaml", "resources: []\n", &[]);
    }
}
