//! `helm = { path, at }`: an image in the values of a chart, as one text, or as `registry`, `repository`, `tag` and
//! `digest` apart.

use crate::text::yaml::YamlValue;

use super::part::ReferencePart;
use super::text::FileText;
use super::way::Selector;
use super::yaml::{field, write};
use super::{TargetError, TextChange, WriteSpec};

/// Where charts have their image where nothing else is said.
pub(super) const AT: &str = "image";

/// What the image at the end of `way` becomes. Of a map the keys that it has are written over; a tag without a `digest`
/// beside it gets the digest as well.
pub(super) fn edits(way: &Selector, text: &FileText, writing: &WriteSpec<'_>) -> Result<Vec<TextChange>, TargetError> {
    let mut changes = Vec::new();
    let image = &writing.pin.image;
    let part = |part: ReferencePart| part.of(writing.pin).ok_or_else(|| writing.without_tag(text));
    for node in way.follow(text, text.yaml()?)? {
        if !matches!(node.value, YamlValue::Map(_)) {
            changes.push(write(text, &node, &part(ReferencePart::Reference)?)?);
            continue;
        }
        let registry = field(text, way, &node, "registry")?;
        let repository = field(text, way, &node, "repository")?;
        let (tag, digest) = (field(text, way, &node, "tag")?, field(text, way, &node, "digest")?);
        if repository.is_none() || (tag.is_none() && digest.is_none()) {
            let here = node.span.start..node.span.start;
            let problem =
                text.problem(&here, "an image in a chart's values has a `repository`, and a `tag` or a `digest`");
            return Err(TargetError::Wrong(
                problem.help("let `at` lead to the map that has them, or use `yaml` for single values"),
            ));
        }
        let path = match registry {
            Some(_) => image.repository().path().to_owned(),
            None => image.repository().to_string(),
        };
        let tagged = if digest.is_some() { ReferencePart::Tag } else { ReferencePart::TagAtDigest };
        let tagged = tag.is_some().then(|| part(tagged)).transpose()?;
        let host = registry.is_some().then(|| image.repository().registry().to_string());
        let values =
            [(registry, host), (repository, Some(path)), (tag, tagged), (digest, Some(part(ReferencePart::Digest)?))];
        for (node, new) in values {
            if let (Some(node), Some(new)) = (node, new) {
                changes.push(write(text, &node, &new)?);
            }
        }
    }
    Ok(changes)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{DIGEST, check};

    #[track_caller]
    fn at(way: &str, yaml: &str, expected: &str) {
        let expected = expected.replace("DIGEST", DIGEST);
        check(&format!("helm = {{ path = \"values.yaml\"{way} }}"), "values.yaml", yaml, &expected);
    }

    #[test]
    fn an_image_is_written_together_or_apart() {
        at("", "image: python:3\n", "image: docker.io/library/python:3.12@DIGEST\n");
        at(
            "",
            "image:\n  repository: python\n  tag: \"3\" # app\n  digest: \"\"\n  pullPolicy: Always\n",
            "image:\n  repository: docker.io/library/python\n  tag: \"3.12\" # app\n  digest: \"DIGEST\"\n  pullPolicy: \
             Always\n",
        );
        at(
            ", at = \"web.image\"",
            "web: {image: {registry: x, repository: 'y', tag: 3}}\n",
            "web: {image: {registry: docker.io, repository: 'library/python', tag: 3.12@DIGEST}}\n",
        );
        at(
            "",
            "image: {repository: x, digest: y}\n",
            "image: {repository: docker.io/library/python, digest: DIGEST}\n",
        );
    }

    #[test]
    fn a_map_that_is_no_image_is_refused() {
        const NONE: &str = "1 ! an image in a chart's values has a `repository`, and a `tag` or a `digest`; let `at` lead to \
                            the map that has them, or use `yaml` for single values";
        at("", "image: {repository: x}\n", NONE);
        at("", "image: {tag: x}\n", NONE);
        at("", "imag: x\n", "1 ! `values.yaml` has no `image`; did you mean `imag`?");
    }
}
