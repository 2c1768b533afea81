//! `compose = { path, service }`: the `image` of a service in a compose file; without `service`, of all that name the
//! pin's repository.

use std::ops::Range;

use crate::yaml::Node;

use super::spot::{Spot, of_repository};
use super::text::Text;
use super::way::Way;
use super::yaml::{field, write};
use super::{Change, Unfit, Writing};

/// What the image of `service` becomes.
pub(super) fn edits(service: Option<&str>, text: &Text, writing: &Writing<'_>) -> Result<Vec<Change>, Unfit> {
    let new = writing.value(text)?;
    let documents = text.yaml()?;
    if let Some(name) = service {
        let mut changes = Vec::new();
        for service in Way::of(&["services", name], None).follow(text, documents)? {
            let here = service.span.start..service.span.start;
            let wrong = |message: &str, help: &str| Unfit::Wrong(text.problem(&here, message).help(help));
            if service.get("build").is_some() {
                let message = format!("the service `{name}` is built here, and its `image` names what comes out");
                return Err(wrong(&message, "write a target for the `FROM` of its Dockerfile"));
            }
            let image = field(text, &service, "image")?;
            let image =
                image.ok_or_else(|| wrong(&format!("the service `{name}` has no `image`"), "add `image: \"\"`"))?;
            if image.text().is_some_and(|text| text.contains('$')) {
                let problem = text.problem(&image.span, "the image is put together of variables");
                return Err(Unfit::Wrong(problem.help("write it out, or write a target for the file that sets them")));
            }
            changes.push(write(text, &image, &new)?);
        }
        return Ok(changes);
    }
    let mut spots = Vec::new();
    for document in documents {
        let services = document.get("services").map(|services| services.entries()).unwrap_or_default();
        for (name, service) in services.iter().filter(|(_, service)| service.get("build").is_none()) {
            let Some(image) = service.get("image") else { continue };
            let own = service.entries().iter().any(|(key, _)| key.text() == Some("image"));
            let is_shared = service.anchored || image.anchored || !own;
            spots.extend(Spot::of(image, "", is_shared.then(|| name.span.clone())));
        }
    }
    let spots = of_repository(spots, text, writing, "name one with `service = \"…\"`")?;
    spots.iter().filter_map(|spot| spot.node.as_ref()).map(|node| write(text, node, &new)).collect()
}

/// The service whose image stands at `span`.
pub(super) fn service(text: &Text, span: &Range<usize>) -> Option<String> {
    let services = text.yaml().ok()?.iter().filter_map(|document| document.get("services"));
    let has_it = |service: &Node| service.get("image").is_some_and(|image| image.holds(span));
    let found = services.flat_map(|services| services.entries()).find(|(_, service)| has_it(service));
    found.and_then(|(name, _)| name.text()).map(str::to_owned)
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
        for (service, way, line) in [("base", "services.base", 8), ("py", "image", 10)] {
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
            "services:\n  a: {image: pyton:3}\n",
            "2 ! `compose.yaml` names no image of `docker.io/library/python`; there are: `pyton:3` in line 2",
        );
    }
}
