//! Values of Helm charts: maps of `registry`, `repository`, `tag` and `digest` at a key that ends in `image`, and texts
//! there that name a tag or a digest (helm.sh, "Chart Best Practices Guide", "Values").

use std::sync::Arc;

use crate::text::diagnostics::{Problem, SourceFile};
use crate::text::yaml::{self, YamlNode, YamlValue};

use super::FoundImage;

/// The images of a chart's values.
pub(super) fn find(file: &Arc<SourceFile>) -> Result<Vec<FoundImage>, Problem> {
    let mut found = Vec::new();
    yaml::visit(&yaml::parse(file)?, &mut |node: &YamlNode| {
        let is_image = |key: &YamlNode| key.text().is_some_and(|key| key.to_ascii_lowercase().ends_with("image"));
        for (_, value) in node.entries().iter().filter(|(key, _)| is_image(key)) {
            found.extend(match value.value {
                YamlValue::Map(_) => apart(value),
                _ => together(file, value),
            });
        }
    });
    Ok(found)
}

fn together(file: &SourceFile, node: &YamlNode) -> Option<FoundImage> {
    // Without a tag, it may be the half of an image, or anything else; an address is a picture.
    let text = node.text().filter(|text| text.contains([':', '@']) && !text.contains("://"))?;
    Some(FoundImage::of(file, node, text.to_owned()))
}

fn apart(map: &YamlNode) -> Option<FoundImage> {
    let text = |key: &str| map.get(key).and_then(|node| node.text()).filter(|text| !text.is_empty());
    let repository = text("repository")?;
    if map.get("tag").is_none() && map.get("digest").is_none() {
        return None;
    }
    let name = match text("registry") {
        Some(registry) => format!("{registry}/{repository}"),
        None => repository.to_owned(),
    };
    let none = "it has neither tag nor digest: the chart says which it is";
    Some(FoundImage::apart(map, name, text("tag"), text("digest"), none))
}

#[cfg(test)]
mod tests {
    use crate::formats::find::tests::check;

    #[test]
    fn images_are_named_together_or_in_parts() {
        let digest = format!("sha256:{}", "ab".repeat(32));
        check(
            "values.yaml",
            &format!(
                "image: {{repository: python, tag: 3}}\nweb:\n  initImage: {{registry: quay.io, repository: a/b, tag: '1', \
                 digest: {digest}}}\n  sidecar: {{image: 'redis:7'}}\ncopy:\n  image: {{repository: c, tag: '2@{digest}', \
                 digest: x}}\nown: {{image: {{repository: d, tag: ''}}}}\nname: {{image: nginx}}\nbackgroundImage: https://x.y/z.png\ngit: {{repository: x, tag: y}}\nno: {{image: \
                 {{repository: x}}}}\n"
            ),
            &[
                "1 {repository: python, tag: 3} = docker.io/library/python:3",
                &format!(
                    "3 {{registry: quay.io, repository: a/b, tag: '1', digest: {digest}}} = quay.io/a/b:1@{digest}"
                ),
                "4 redis:7 = docker.io/library/redis:7",
                &format!("6 {{repository: c, tag: '2@{digest}', digest: x}} = docker.io/library/c:2@{digest}"),
                "7 {repository: d, tag: ''} ! it has neither tag nor digest: the chart says which it is",
            ],
        );
    }
}
