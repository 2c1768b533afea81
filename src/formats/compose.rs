//! `compose = { path, service }`: the `image` of a service in a compose file; without `service`, of all that name the
//! pin's repository.

use std::collections::HashMap;
use std::rc::Rc;

use super::spot::{ImageSite, ImageSites};
use super::text::FileText;
use super::tree::DocumentTree;
use super::way::Selector;
use super::yaml::{field, first_byte, write};
use super::{TargetError, TextChange, WriteSpec};

/// What the image of `service` becomes.
pub(super) fn edits(
    service: Option<&str>,
    text: &FileText,
    writing: &WriteSpec<'_>,
) -> Result<Vec<TextChange>, TargetError> {
    let new = writing.value(text)?;
    if let Some(name) = service {
        let mut changes = Vec::new();
        let way = Selector::of(&["services", name], None);
        for service in way.alone(text, text.yaml()?)? {
            let here = service.span.start..service.span.start;
            let wrong = |message: &str, help: &str| TargetError::Wrong(text.problem(&here, message).help(help));
            if service.get("build").is_some() {
                let message = format!("the service `{name}` is built here, and its `image` names what comes out");
                return Err(wrong(&message, "write a target for the `FROM` of its Dockerfile"));
            }
            let image = field(text, &way, &service, "image")?;
            let image =
                image.ok_or_else(|| wrong(&format!("the service `{name}` has no `image`"), "add `image: \"\"`"))?;
            if image.text().is_some_and(|text| text.contains('$')) {
                let problem = text.problem(&image.span, "the image is put together of variables");
                return Err(TargetError::Wrong(
                    problem.help("write it out, or write a target for the file that sets them"),
                ));
            }
            changes.push(write(text, &image, &new)?);
        }
        return Ok(changes);
    }
    let spots = text.compose()?.ours(text, writing, "name one with `service = \"…\"`")?;
    spots.iter().filter_map(|spot| spot.node.as_ref()).map(|node| write(text, node, &new)).collect()
}

/// The images of all services that are not built here.
pub(super) fn spots(tree: &DocumentTree) -> ImageSites {
    let mut spots = ImageSites::default();
    for document in &tree.documents {
        let services = document.get("services").map(|services| services.entries()).unwrap_or_default();
        for (name, service) in services.iter().filter(|(_, service)| service.get("build").is_none()) {
            let Some(image) = service.get("image") else { continue };
            let own = service.entries().iter().any(|(key, _)| key.text() == Some("image"));
            let is_shared = service.is_anchored || image.is_anchored || !own;
            let way = || Selector::of(&["services", name.text().unwrap_or_default(), "image"], None);
            let spot = ImageSite::of(image, "", is_shared.then(|| (way(), name.span.clone())));
            spot.into_iter().for_each(|spot| spots.add(Rc::new(spot)));
        }
    }
    spots
}

/// The names of all services that have an image, each by the first byte of that, without its quotes.
pub(super) fn names(text: &FileText) -> HashMap<usize, String> {
    let documents = text.yaml().map(|tree| tree.documents.as_slice()).unwrap_or_default();
    let services = documents.iter().filter_map(|document| document.get("services"));
    let mut names = HashMap::new();
    for (name, service) in services.flat_map(|services| services.entries()) {
        if let (Some(name), Some(image)) = (name.text(), service.get("image")) {
            // What several share, the first has.
            names.entry(first_byte(text, image)).or_insert_with(|| name.to_owned());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::super::tests::{DIGEST, check};

    #[track_caller]
    fn at(service: &str, yaml: &str, expected: &str) {
        let expected = expected.replace("NEW", &format!("docker.io/library/python:3.12@{DIGEST}"));
        check(&format!("compose = {{ path = \"compose.yaml\"{service} }}"), "compose.yaml", yaml, &expected);
    }

    #[test]
    fn the_image_of_a_service_is_written_over() {
        let yaml = "services:\n  web: { image: \"python:3\", ports: [] }\n  db:\n    image: postgres:16 # db\n  own:\n    \
                    build: .\n    image: python\n";
        at(", service = \"web\"", yaml, &yaml.replace("python:3", "NEW"));
        at(", service = \"db\"", yaml, &yaml.replace("postgres:16", "NEW"));
        at("", yaml, &yaml.replace("python:3", "NEW"));
    }

    #[test]
    fn what_is_not_a_services_own_image_is_refused() {
        let yaml = "x: &x\n  image: python:2\nservices:\n  own: {build: ., image: a}\n  var:\n    image: a:${V}\n  none: {}\n  \
                    base: *x\n  py:\n    <<: *x\n";
        at(", service = \"owm\"", yaml, "4 ! `services` of `compose.yaml` has no `owm`; did you mean `own`?");
        at(
            ", service = \"own\"",
            yaml,
            "4 ! the service `own` is built here, and its `image` names what comes out; write a target for the `FROM` of its \
             Dockerfile",
        );
        at(
            ", service = \"var\"",
            yaml,
            "6 ! the image is put together of variables; write it out, or write a target for the file that sets them",
        );
        at(", service = \"none\"", yaml, "7 ! the service `none` has no `image`; add `image: \"\"`");
        for (service, way, line) in [("base", "services.base", 8), ("py", "services.py.image", 10)] {
            at(
                &format!(", service = \"{service}\""),
                yaml,
                &format!(
                    "{line} ! the way `{way}` leads over an anchor, an alias or a merge of `compose.yaml`; write the value out \
                     in full there, without `&`, `*` or `<<`: others share it"
                ),
            );
        }
        at(
            "",
            "services: {a: {image: python:3}, b: {image: python:2}, c: {image: x}}\n",
            "1 ! `compose.yaml` names `docker.io/library/python` at several tags: `python:3` in line 1, `python:2` in line 1; \
             name one with `service = \"…\"`",
        );
        at(
            "",
            "x: &x {image: python:3}\nservices: {a: {<<: *x}}\n",
            "2 ! the way `services.a.image` leads over an anchor, an alias or a merge of `compose.yaml`; write the value out in \
             full there, without `&`, `*` or `<<`: others share it",
        );
        at(
            "",
            "services:\n  a: {image: pyton:3}\n",
            "2 ! `compose.yaml` names no image of `docker.io/library/python`; there are: `pyton:3` in line 2",
        );
    }
}
