//! A `[[target]]` as it is first written. People own it from then on: nothing here reads or changes one that is there.

use crate::text::escape::toml_string;

use super::part::ReferencePart;
use super::{Target, TargetKind, dockerfile, helm};

impl TargetKind {
    /// The key that it has in a `[[target]]`, and the keys of its own in that, without `path`.
    pub fn keys(&self) -> (&'static str, Vec<(&'static str, &str)>) {
        match self {
            Self::Yaml(way) => ("yaml", vec![("at", way.as_str())]),
            Self::Json(way) => ("json", vec![("at", way.as_str())]),
            Self::Toml(way) => ("toml", vec![("at", way.as_str())]),
            Self::Kustomize(name) => ("kustomize", vec![("name", name)]),
            Self::Helm(way) if way.as_str() == helm::AT => ("helm", Vec::new()),
            Self::Helm(way) => ("helm", vec![("at", way.as_str())]),
            Self::Compose(service) => ("compose", service.iter().map(|name| ("service", name.as_str())).collect()),
            Self::Dockerfile(place) => {
                let key = match place {
                    dockerfile::DockerfileSelector::Repository => None,
                    dockerfile::DockerfileSelector::Stage(name) => Some(("stage", name.as_str())),
                    dockerfile::DockerfileSelector::Arg(name) => Some(("arg", name.as_str())),
                };
                ("dockerfile", key.into_iter().collect())
            }
            Self::Workflow(place) => {
                let keys = [("job", &place.job), ("service", &place.service)];
                let keys = keys.into_iter().filter_map(|(key, name)| Some((key, name.as_deref()?)));
                ("workflow", keys.collect())
            }
            Self::Marker => ("marker", Vec::new()),
        }
    }
}

impl Target {
    /// The place as it is written: `yaml = { path = "a.yaml", at = "image" }`.
    pub fn place_written(&self) -> String {
        let (name, keys) = self.kind.keys();
        let path = [("path", self.path.as_str())];
        let pairs: Vec<String> =
            path.into_iter().chain(keys).map(|(key, value)| format!("{key} = {}", toml_string(value))).collect();
        format!("{name} = {{ {} }}", pairs.join(", "))
    }

    /// The whole table, each line with the end `eol`.
    pub fn written(&self, eol: &str) -> String {
        let from = self.from.iter().map(|from| format!("from = {}", toml_string(&from.to_string())));
        let write =
            (self.write != ReferencePart::default()).then(|| format!("write = {}", toml_string(self.write.name())));
        let lines = std::iter::once("[[target]]".to_owned()).chain(from).chain(write).chain([self.place_written()]);
        lines.map(|line| line + eol).collect()
    }
}
