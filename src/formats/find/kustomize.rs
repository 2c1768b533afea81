//! Kustomizations: the entries of `images`, each a name with `newName`, `newTag` and `digest` (the Kustomize reference,
//! "images").

use std::sync::Arc;

use crate::text::diagnostics::{Problem, SourceFile};
use crate::text::yaml;

use super::FoundImage;

/// The images of a kustomization.
pub(super) fn find(file: &Arc<SourceFile>) -> Result<Vec<FoundImage>, Problem> {
    let mut found = Vec::new();
    for document in yaml::parse(file)? {
        for entry in document.get("images").map(|images| images.items()).unwrap_or_default() {
            let text = |key: &str| entry.get(key).and_then(|node| node.text()).filter(|text| !text.is_empty());
            let Some(name) = text("newName").or(text("name")) else { continue };
            let none = "it has neither tag nor digest: what the manifests have stays";
            found.push(FoundImage::apart(entry, name.to_owned(), text("newTag"), text("digest"), none));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use crate::formats::find::tests::check;

    #[test]
    fn entries_name_images_in_parts() {
        let digest = format!("sha256:{}", "ab".repeat(32));
        check(
            "kustomization.yaml",
            &format!(
                "images:\n- {{name: web, newName: quay.io/a/web, newTag: '1'}}\n- {{name: redis, digest: '{digest}'}}\n- \
                 {{name: a, newTag: 2, digest: '{digest}'}}\n- {{name: b, newTag: ''}}\n- {{newTag: x}}\n"
            ),
            &[
                "2 {name: web, newName: quay.io/a/web, newTag: '1'} = quay.io/a/web:1",
                &format!("3 {{name: redis, digest: '{digest}'}} = docker.io/library/redis@{digest}"),
                &format!("4 {{name: a, newTag: 2, digest: '{digest}'}} = docker.io/library/a:2@{digest}"),
                "5 {name: b, newTag: ''} ! it has neither tag nor digest: what the manifests have stays",
            ],
        );
        check("kustomization.yaml", "resources: []\n", &[]);
    }
}
