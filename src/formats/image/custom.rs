//! Custom resources of Kubernetes: strings and maps at keys that end in `image` below `spec`, as in the values of a Helm
//! chart; also the files of kind and k3d, which look like objects.

use super::super::{Evidence, yaml::has_line};
use crate::text::yaml::YamlNode;

use super::kind::{KnownKind, RuleScope, yaml_or_json};
use super::known::KnownImage;
use super::rule::{ImageRule, RulePlace};
use super::spelling::{helm_values, tagged_value};

/// API groups whose objects contain patterns of images, or repositories to watch.
const OTHER_GROUPS: [&str; 6] = [
    "image.toolkit.fluxcd.io",
    "kyverno.io",
    "policies.kyverno.io",
    "constraints.gatekeeper.sh",
    "templates.gatekeeper.sh",
    "policy.sigstore.dev",
];

pub(super) const KIND: KnownKind = KnownKind {
    patterns: &[],
    recognize: |file| has_line(file, &["apiVersion:", "{"]).then_some(Evidence::Content),
    scope: RuleScope::Additional,
    tree: yaml_or_json,
    rules: &[
        ImageRule { at: "", images: custom_resource },
        ImageRule { at: "[apiVersion^=postgresql.cnpg.io/].spec.imageName", images: tagged_value },
        ImageRule { at: "[apiVersion^=pkg.crossplane.io/].spec.package", images: tagged_value },
        ImageRule { at: "[apiVersion^=kind.x-k8s.io/].nodes[*].image", images: tagged_value },
        ImageRule { at: "[apiVersion^=k3d.io/].image", images: tagged_value },
    ],
};

fn custom_resource(place: &RulePlace<'_>) -> Vec<KnownImage> {
    let group = |document: &YamlNode| {
        let version = document.get("apiVersion")?.text()?;
        Some(version.split_once('/')?.0.to_owned())
    };
    match (group(place.node), place.node.get("spec")) {
        (Some(group), Some(spec)) if is_custom(&group) => helm_values(&place.below(spec)),
        _ => Vec::new(),
    }
}

/// Returns whether an API group is not one of Kubernetes itself.
fn is_custom(group: &str) -> bool {
    group.contains('.') && !group.ends_with(".k8s.io") && !OTHER_GROUPS.contains(&group)
}

#[cfg(test)]
mod tests {
    use super::super::tests::check_kind;

    #[test]
    fn f17_images_of_custom_resources_are_found_and_written() {
        check_kind(
            "cr.yaml",
            r#"apiVersion: monitoring.coreos.com/v1
kind: Prometheus
metadata: {name: a}
spec:
  image: docker.io/library/python:3.12@DIGEST
  thanos: {image: "quay.io/thanos/thanos:v0.36"}
  logo: {iconImage: 'https://a.example/b:c.png'}
  baseImage: python
---
apiVersion: postgresql.cnpg.io/v1
kind: Cluster
spec:
  imageName: docker.io/library/python:3.12@DIGEST
---
kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
nodes:
- role: worker
  image: docker.io/library/python:3.12@DIGEST
"#,
            &[
                r#"5 docker.io/library/python:3.12; yaml = { PATH, at = "spec.image" }"#,
                r#"6 quay.io/thanos/thanos:v0.36"#,
                r#"13 docker.io/library/python:3.12; yaml = { PATH, at = "spec.imageName" }"#,
                r#"19 docker.io/library/python:3.12; yaml = { PATH, at = "nodes[0].image" }"#,
            ],
        );
    }

    #[test]
    fn f17_objects_that_only_look_like_custom_resources_name_no_images() {
        for (group, kind) in [
            ("kyverno.io/v1", "ClusterPolicy"),
            ("image.toolkit.fluxcd.io/v1", "ImageRepository"),
            ("networking.k8s.io/v1", "Ingress"),
        ] {
            let text = format!("apiVersion: {group}\nkind: {kind}\nspec:\n  image: python:3.12\n");
            super::super::super::tests::check_find("a.yaml", &text, &[]);
        }
        super::super::super::tests::check_find(
            "a.yaml",
            "apiVersion: a.example/v1\nkind: A\nspec: {image: '*:latest', other: {image: 'Some Text: x'}}\n",
            &[],
        );
        super::super::super::tests::check_find(
            "a.yaml",
            "apiVersion: a.example/v1\nkind: A\nimage: python:3.12\n",
            &[],
        );
    }
}
