//! Literal images in templates of YAML files, such as those of Helm charts, which are not YAML before they are rendered
//! (helm.sh, "Chart Template Guide").

use std::ops::Range;
use std::sync::LazyLock;

use regex_lite::Regex;

use super::ImageSite;
use crate::model::image::has_tag_or_digest;
use crate::text::diagnostics::SourceFile;

use super::image_site::parse;

/// A line with a key that ends in `image` and a literal value.
static LINE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r#"(?m)^[ \t]*(?:- +)?["']?([A-Za-z]*[Ii]mage)["']?: +["']?([^\s"'#{}$\[\],&*]+)["']?[ \t\r]*(?:#.*)?$"#)
        .ok()
});

/// Returns whether the file contains template expressions, other than those of workflows (`${{ … }}`).
pub fn is_template(file: &SourceFile) -> bool {
    file.text.match_indices("{{").any(|(at, _)| !file.text[..at].ends_with('$'))
}

/// Returns the images that lines of a template name without expressions.
pub fn literal_images(file: &SourceFile) -> Vec<ImageSite> {
    let Some(line) = LINE.as_ref() else { return Vec::new() };
    let site = |key: &str, span: Range<usize>| {
        let text = &file.text[span.clone()];
        // Values of other keys may be anything without a tag.
        let is_image = key == "image" || (has_tag_or_digest(text) && !text.contains("://"));
        let image = is_image.then(|| parse(text).ok())?;
        Some(ImageSite::literal(span, text, Ok(image?)))
    };
    let found = line.captures_iter(&file.text);
    found.filter_map(|found| site(found.get(1)?.as_str(), found.get(2)?.range())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f13_literal_images_in_a_template_are_found() {
        let text = "{{- if .Values.on }}\nkind: Pod\nspec:\n  containers:\n  - image: busybox:1.36 # tools\r\n    name: a\n  - \
                    name: b\n    image: \"{{ .Values.image }}:1\"\n  - \"image\": 'quay.io/a/b'\n    sidecarImage: \
                    nginx\n    otherImage: nginx:1\n    image: $(X):1\n    image: {{ .x }}\n{{- end }}\n";
        let file = SourceFile { path: "templates/a.yaml".to_owned(), text: text.to_owned() };
        assert!(is_template(&file));
        assert!(!is_template(&SourceFile { path: "ci.yml".to_owned(), text: "run: echo ${{ x }}\n".to_owned() }));
        let found: Vec<_> = literal_images(&file).iter().map(|site| text[site.span.clone()].to_owned()).collect();
        assert_eq!(found, ["busybox:1.36", "quay.io/a/b", "nginx:1"]);
    }
}
