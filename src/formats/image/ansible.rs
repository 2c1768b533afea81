//! Ansible (docs.ansible.com, "Sample Ansible setup", "docker_container module"): variables that end in `_image`, with a
//! `_tag` beside them if the image has none, and the `image` of modules that run containers.

use std::sync::Arc;

use super::super::{Evidence, ImageSite, ReferencePart, yaml, yaml::has_line};
use crate::model::image::has_tag_or_digest;
use crate::text::yaml::YamlNode;

use super::super::image_site::{parse, unquoted};
use super::kind::{KnownKind, RuleScope, file_name, is_below, is_yaml};
use super::known::{ImageForm, ImageKey, KnownImage};
use super::rule::{ImageRule, RulePlace};
use super::spelling::tagged_value;

pub(super) const KIND: KnownKind = KnownKind {
    patterns: &[],
    recognize: |file| {
        let is_role = |directory: &str| file.path.rsplit('/').nth(1) == Some(directory);
        let has_variables = ["group_vars", "host_vars"].iter().any(|directory| is_below(file, directory))
            || (["defaults", "vars"].iter().any(|directory| is_role(directory))
                && file_name(file).starts_with("main."));
        let has_tasks = || ["tasks", "handlers"].iter().any(|directory| is_role(directory)) && has_line(file, &["- "]);
        let is_playbook =
            || has_line(file, &["- hosts:"]) || (has_line(file, &["- name:"]) && has_line(file, &["  hosts:"]));
        (is_yaml(file_name(file)) && (has_variables || has_tasks() || is_playbook())).then_some(Evidence::Hint)
    },
    scope: RuleScope::All,
    tree: yaml::tree,
    rules: &[
        ImageRule { at: "", images: variables },
        ImageRule { at: "[*].vars", images: variables },
        ImageRule { at: "**.\"community.docker.docker_container\".image", images: tagged_value },
        ImageRule { at: "**.docker_container.image", images: tagged_value },
        ImageRule { at: "**.\"community.docker.docker_swarm_service\".image", images: tagged_value },
        ImageRule { at: "**.docker_swarm_service.image", images: tagged_value },
        ImageRule { at: "**.\"containers.podman.podman_container\".image", images: tagged_value },
        ImageRule { at: "**.podman_container.image", images: tagged_value },
    ],
};

/// Finds `X_image: name:tag`, and `X_image: name` beside `X_tag` or `X_image_tag`.
fn variables(place: &RulePlace<'_>) -> Vec<KnownImage> {
    let image = |(name, value): &(Arc<YamlNode>, Arc<YamlNode>)| {
        let name = name.text().filter(|name| name.ends_with("_image"))?;
        let stem = name.trim_end_matches("image");
        let tag = [format!("{name}_tag"), format!("{stem}tag")].into_iter().find_map(|tag| place.node.get(&tag));
        match tag {
            Some(tag) if !has_tag_or_digest(value.text()?) => pair(&place.below(value), tag),
            _ => tagged_value(&place.below(value)).pop(),
        }
    };
    place.node.entries().iter().filter_map(image).collect()
}

/// Returns the image whose tag is another variable, which receives the digest as well.
fn pair(place: &RulePlace<'_>, tag: &Arc<YamlNode>) -> Option<KnownImage> {
    let text = format!("{}:{}", place.node.text()?, tag.text().filter(|tag| !tag.is_empty())?);
    let key = ImageKey { node: Arc::clone(tag), part: ReferencePart::TagAtDigest };
    let image = place.image(&text, ImageForm::Keys(vec![key]));
    let decided = unquoted(place.text.text(), tag.span.clone());
    let is_image = parse(&text).is_ok() || text.contains("{{");
    is_image.then_some(KnownImage { site: ImageSite { decided, ..image.site }, ..image })
}

#[cfg(test)]
mod tests {
    use super::super::tests::check_kind;

    #[test]
    fn f17_variables_and_modules_of_ansible_are_found_and_written() {
        check_kind(
            "roles/web/defaults/main.yml",
            r#"web_image: python:3.12@DIGEST
app_image: docker.io/library/python
app_tag: "3.12@DIGEST"
old_image: "{{ registry }}/app:{{ app_tag }}"
background_image: a.png
"#,
            &[
                r#"1 python:3.12; image = { PATH, at = "web_image" }"#,
                r#"2 docker.io/library/python:3.12; image = { PATH, at = "app_image" }"#,
                r#"4 {{ registry }}/app:{{ app_tag }} ! contains a template expression"#,
            ],
        );
    }

    #[test]
    fn f17_containers_of_ansible_are_found_and_written() {
        check_kind(
            "roles/web/tasks/main.yml",
            r#"- name: run
  community.docker.docker_container:
    name: a
    image: "docker.io/library/python:3.12@DIGEST"
- name: other
  ansible.builtin.template: {image: 'x:1'}
"#,
            &[
                r#"4 docker.io/library/python:3.12; image = { PATH, at = "[name=run].\"community.docker.docker_container\".image" }"#,
            ],
        );
    }
}
