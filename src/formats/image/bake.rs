//! `docker-bake.hcl` and `docker-bake.json` (docs.docker.com, "Bake file reference"): contexts with `docker-image://`, and
//! arguments and defaults of variables whose names end in `image`.

use std::sync::Arc;

use super::super::{DocumentTree, Evidence, FileText, json};
use crate::text::diagnostics::Problem;

use super::kind::{KnownKind, RuleScope, file_name};
use super::rule::ImageRule;
use super::spelling::{prefixed, tagged_value};

pub(super) const KIND: KnownKind = KnownKind {
    patterns: &["**/docker-bake*.{hcl,json}"],
    recognize: |file| {
        let name = file_name(file);
        let is_bake = name.starts_with("docker-bake") && (name.ends_with(".hcl") || name.ends_with(".json"));
        is_bake.then_some(Evidence::Name)
    },
    scope: RuleScope::All,
    tree,
    rules: &[
        ImageRule { at: "target.*.contexts.*", images: |place| prefixed(place, "docker-image://") },
        ImageRule { at: "target.*.args.*image", images: tagged_value },
        ImageRule { at: "variable.*image.default", images: tagged_value },
    ],
};

fn tree(text: &FileText) -> Result<Arc<DocumentTree>, Problem> {
    if text.path().ends_with(".json") { json::tree(text) } else { super::hcl::tree(text) }
}

#[cfg(test)]
mod tests {
    use super::super::tests::check_kind;

    #[test]
    fn f17_contexts_arguments_and_variables_of_bake_are_found_and_written() {
        check_kind(
            "docker-bake.hcl",
            r#"variable "BASE_IMAGE" {
  default = "python:3.12@DIGEST" # base
}
variable "TAG" { default = "3.12" }
target "web" {
  contexts = {
    base = "docker-image://docker.io/library/python:3.12@DIGEST"
    src  = "."
  }
  args = { APP_IMAGE = "redis:7", OTHER = "python:3.12" }
  tags = ["example.com/web:${TAG}"]
}
target "db" {
  contexts = { base = "docker-image://${BASE_IMAGE}" }
}
"#,
            &[
                r#"2 python:3.12; image = { PATH, at = "variable.BASE_IMAGE.default" }"#,
                r#"7 docker.io/library/python:3.12; image = { PATH, at = "target.web.contexts.base" }"#,
                r#"10 redis:7"#,
                r#"14 ${BASE_IMAGE} ! contains a variable without a value"#,
            ],
        );
    }
}
