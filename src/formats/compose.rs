//! `compose = { path, service }`: the `image` of a service in a compose file; without `service`, of all services whose
//! image is from the pin's repository. `merge` combines files as `docker compose -f a -f b` does.

mod merge;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    DocumentTree, Evidence, FileFormat, FileText, ImageSite, ImageSites, KEEP_ONE, NotAnImage, Selector, SharedValue,
    SiteCandidate, TargetEdit, TargetError, TargetKind, TargetReader, WriteSpec, dockerfile, dotenv,
};
use crate::text::diagnostics::{At, Problem, SourceFile};
use crate::text::yaml::YamlNode;

use super::suggest::by_start;
use super::table::optional;
use super::variables::{expand, trailing_variable};
use super::yaml::{field, first_byte, has_line, tree, write};

pub use merge::{MergedImage, MergedService, merge};

/// The image of this service, or all images from the pin's repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComposePlace {
    service: Option<String>,
}

/// Images of services in a compose file.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[schemars(rename = "TargetCompose", extend("required" = ["path"]))]
pub(super) struct ComposeTable {
    /// A file below the root, or a glob.
    pub(super) path: Option<At<String>>,
    /// The service; by default all whose image is from the tag's repository.
    service: Option<At<String>>,
}

impl FileFormat for ComposePlace {
    type Table = ComposeTable;
    const COMPANIONS: &'static [&'static str] = &[dotenv::NAME];

    fn read(table: &ComposeTable, _: &mut TargetReader<'_, '_>) -> Option<Self> {
        Some(Self { service: optional(table.service.as_ref()) })
    }

    fn keys(&self) -> Vec<(&'static str, &str)> {
        self.service.iter().map(|name| ("service", name.as_str())).collect()
    }

    fn edits(&self, spec: &WriteSpec<'_>) -> Result<Vec<TargetEdit>, TargetError> {
        let text = spec.text;
        let Some(name) = &self.service else {
            let sites = text.parsed("compose", || Ok(ImageSites::new(text, unbuilt_images(text, &*tree(text)?))))?;
            let sites = sites.of_pin(spec, "select one with `service = \"…\"`")?;
            return sites.iter().map(|site| edit(spec, site)).collect();
        };
        let mut edits = Vec::new();
        let selector = Selector::of(&["services", name], None);
        for service in selector.select(text, &*tree(text)?, KEEP_ONE)? {
            let start = service.span.start;
            let invalid = |message: String, help: &str| Err(text.invalid(start..start, message, help));
            if service.get("build").is_some() {
                let message = format!("service `{name}` is built here; its `image` names the result");
                return invalid(message, "add a target for the `FROM` of its Dockerfile");
            }
            let Some(image) = field(text, &selector, &service, "image")? else {
                return invalid(format!("service `{name}` has no `image`"), "add `image: \"\"`");
            };
            edits.push(match service_image(&text.file, &service, &BTreeMap::new()) {
                Some(site) => edit(spec, &site)?,
                None => write(spec, &image, &spec.value()?)?,
            });
        }
        Ok(edits)
    }

    fn recognize(file: &SourceFile) -> Option<Evidence> {
        let name = file.path.rsplit('/').next().unwrap_or_default();
        let is_named = ["compose.", "docker-compose."].iter().any(|start| name.starts_with(start));
        let has_services = || has_line(file, &["services:"]).then_some(Evidence::Hint);
        if is_named { Some(Evidence::Name) } else { has_services() }
    }

    fn find(text: &FileText) -> Result<Vec<ImageSite>, Problem> {
        let values = text.companions.iter().map(|file| dotenv::values(file)).next().unwrap_or_default();
        let mut found = Vec::new();
        for (_, service) in services(&*tree(text)?) {
            found.extend(service_image(&text.file, service, &values));
            found.extend(inline_images(text, service));
        }
        Ok(found)
    }

    fn suggest(text: &FileText, sites: &[ImageSite]) -> Result<Vec<Vec<SiteCandidate>>, Problem> {
        let tree = tree(text)?;
        // Images of `dockerfile_inline` have no name.
        let inline = services(&tree).flat_map(|(_, service)| inline_images(text, service));
        let mut names: HashMap<usize, Option<String>> = inline.map(|site| (site.span.start, None)).collect();
        for (name, service) in services(&tree) {
            if let (Some(name), Some(image)) = (name.text(), service.get("image")) {
                // A shared value belongs to its first use.
                names.entry(first_byte(text, image)).or_insert_with(|| Some(name.to_owned()));
            }
        }
        Ok(by_start(sites, &names, |name| TargetKind::Compose(Self { service: name.clone() })))
    }
}

/// Writes the pin over an image.
fn edit(spec: &WriteSpec<'_>, site: &ImageSite) -> Result<TargetEdit, TargetError> {
    let help = "write the image out, or add a target for the file that sets them";
    let new = spec.value_over(&site.span, site.image.as_ref().ok(), help)?;
    match &site.node {
        Some(node) => write(spec, node, &new),
        None => Ok(spec.replace(site.span.clone(), &spec.text.text()[site.span.clone()], &new)),
    }
}

/// Returns the services of all documents, each with the node of its name.
fn services(tree: &DocumentTree) -> impl Iterator<Item = &(Arc<YamlNode>, Arc<YamlNode>)> {
    let maps = tree.documents.iter().filter_map(|document| document.get("services"));
    maps.flat_map(|services| services.entries())
}

/// Returns the image of a service, with the values in `.env` and the defaults of its variables.
fn service_image(file: &SourceFile, service: &YamlNode, values: &BTreeMap<String, String>) -> Option<ImageSite> {
    let node = service.get("image")?;
    let written = node.text()?;
    let value = |name: &str| values.get(name).cloned();
    let mut site = ImageSite::scalar(file, node, expand(written, value));
    let is_set = || trailing_variable(written).and_then(|(_, name)| value(name)).is_some_and(|value| !value.is_empty());
    if service.get("build").is_some() {
        site.image = Err(NotAnImage::None("names the result of `build`"));
    } else if is_set() {
        site.image = Err(NotAnImage::None("is set in `.env`"));
    }
    Some(site)
}

/// Returns the images of services that are not built here, as they are written; none of an invalid file.
pub(super) fn image_names(file: &Arc<SourceFile>) -> Vec<String> {
    let Ok(tree) = tree(&FileText::of(Arc::clone(file))) else { return Vec::new() };
    let unbuilt = services(&tree).filter(|(_, service)| service.get("build").is_none());
    unbuilt.filter_map(|(_, service)| Some(service.get("image")?.text()?.to_owned())).collect()
}

/// Returns the images of the Dockerfile in `build` of a service.
fn inline_images(text: &FileText, service: &YamlNode) -> Vec<ImageSite> {
    let build = service.get("build");
    let Some(inline) = build.and_then(|build| build.get("dockerfile_inline")) else { return Vec::new() };
    let is_shared = [Some(inline), build].iter().flatten().any(|node| node.is_anchored) || service.is_anchored;
    let selector = || Selector::of(&["build", "dockerfile_inline"], None);
    let shared = is_shared.then(|| SharedValue { selector: selector(), span: inline.span.clone() });
    let sites = dockerfile::inline_images(text, inline).into_iter();
    sites.map(|site| ImageSite { shared: shared.clone(), ..site }).collect()
}

/// Returns the images of all services that are not built here, and those of Dockerfiles in the file, each with what shares
/// it.
fn unbuilt_images(text: &FileText, tree: &DocumentTree) -> Vec<ImageSite> {
    let image = |(name, service): &(Arc<YamlNode>, Arc<YamlNode>)| {
        let site = service_image(&text.file, service, &BTreeMap::new());
        let site = site.filter(|_| service.get("build").is_none())?;
        let is_own = service.entries().iter().any(|(key, _)| key.text() == Some("image"));
        let is_shared = service.is_anchored || !is_own || site.node.as_ref().is_some_and(|node| node.is_anchored);
        let selector = || Selector::of(&["services", name.text().unwrap_or_default(), "image"], None);
        let shared = is_shared.then(|| SharedValue { selector: selector(), span: name.span.clone() });
        Some(ImageSite { shared, ..site })
    };
    let inline = services(tree).flat_map(|(_, service)| inline_images(text, service));
    services(tree).filter_map(image).chain(inline).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{DIGEST, check, check_find};

    #[track_caller]
    fn at(service: &str, yaml: &str, expected: &str) {
        let expected = expected.replace("NEW", &format!("python:3.12@{DIGEST}"));
        check(&format!("compose = {{ path = \"compose.yaml\"{service} }}"), "compose.yaml", yaml, &expected);
    }

    #[test]
    fn the_image_of_a_service_is_replaced() {
        let yaml = "services:\n  web: { image: \"python:3\", ports: [] }\n  db:\n    image: postgres:16 # db\n  own:\n    \
                    build: .\n    image: python\n";
        at(", service = \"web\"", yaml, &yaml.replace("python:3", "NEW"));
        at(", service = \"db\"", yaml, &yaml.replace("postgres:16", "docker.io/library/NEW"));
        at("", yaml, &yaml.replace("python:3", "NEW"));
    }

    #[test]
    fn f20_a_dockerfile_in_a_compose_file_is_searched_and_written() {
        let yaml = "services:\r\n  web:\r\n    build:\r\n      dockerfile_inline: |\r\n        # A comment.\r\n        FROM \
                    python:3.11 AS a\r\n\r\n        RUN <<EOF\r\n        FROM inner\r\n        EOF\r\n        COPY --from=redis:7 / /\r\n  \
                    one:\r\n    build: {dockerfile_inline: \"FROM python:3.11\"}\r\n  plain:\r\n    build:\r\n      dockerfile_inline: \
                    FROM python:3.11\r\n";
        check_find(
            "compose.yaml",
            yaml,
            &[
                "6 python:3.11 = docker.io/library/python:3.11",
                "11 redis:7 = docker.io/library/redis:7",
                "13 python:3.11 = docker.io/library/python:3.11",
                "16 python:3.11 = docker.io/library/python:3.11",
            ],
        );
        at("", yaml, &yaml.replace("python:3.11", "NEW"));
        check_find("compose.yaml", "services: {a: {build: {dockerfile_inline: \"FROM a\\nFROM b\"}}}\n", &[]);
    }

    #[test]
    fn images_that_a_service_does_not_own_are_refused() {
        let yaml = "x: &x\n  image: python:2\nservices:\n  own: {build: ., image: a}\n  var:\n    image: a:${V}\n  none: {}\n  \
                    base: *x\n  py:\n    <<: *x\n";
        at(", service = \"owm\"", yaml, "4 ! `services` in `compose.yaml` has no `owm`; did you mean `own`?");
        at(
            ", service = \"own\"",
            yaml,
            "4 ! service `own` is built here; its `image` names the result; add a target for the `FROM` of its Dockerfile",
        );
        at(
            ", service = \"var\"",
            yaml,
            "6 ! the image contains variables; write the image out, or add a target for the file that sets them",
        );
        at(", service = \"none\"", yaml, "7 ! service `none` has no `image`; add `image: \"\"`");
        for (service, selector, line) in [("base", "services.base", 8), ("py", "services.py.image", 10)] {
            at(
                &format!(", service = \"{service}\""),
                yaml,
                &format!(
                    "{line} ! cannot edit `{selector}` in `compose.yaml`: an anchor, an alias or a merge key shares it; write \
                     the value out there, without `&`, `*` or `<<`"
                ),
            );
        }
        at(
            "",
            "services: {a: {image: python:3}, b: {image: python:2}, c: {image: x}}\n",
            "1 ! `compose.yaml` has images from `docker.io/library/python` with different tags: `python:3` (line 1), \
             `python:2` (line 1); select one with `service = \"…\"`",
        );
        at(
            "",
            "x: &x {image: python:3}\nservices: {a: {<<: *x}}\n",
            "2 ! cannot edit `services.a.image` in `compose.yaml`: an anchor, an alias or a merge key shares it; write the value \
             out there, without `&`, `*` or `<<`",
        );
        at(
            "",
            "services:\n  a: {image: pyton:3}\n",
            "2 ! `compose.yaml` has no image from `docker.io/library/python`; it has: `pyton:3` (line 2)",
        );
    }

    #[test]
    fn services_name_images() {
        check_find(
            "compose.yaml",
            "x-base: &base\n  image: redis:7\nservices:\n  web: { image: \"nginx:1\", ports: [] }\n  cache:\n    <<: *base\n  \
             second: *base\n  own:\n    build: .\n    image: acme/own\n  db:\n    image: postgres:${VERSION:-16}\n  bad:\n    \
             image: ${IMAGE}\n  none: {}\n",
            &[
                "2 redis:7 = docker.io/library/redis:7",
                "4 nginx:1 = docker.io/library/nginx:1",
                "10 acme/own ! names the result of `build`",
                "12 postgres:${VERSION:-16} = docker.io/library/postgres:16",
                "14 ${IMAGE} ! contains a variable without a value",
            ],
        );
        check_find("compose.yml", "version: '3'\n", &[]);
        check_find("compose.yml", "services: [\n", &["1 ! invalid YAML: unclosed bracket '['"]);
    }
}
