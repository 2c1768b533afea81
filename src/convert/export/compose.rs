//! `compose`: an override file that sets the images of services to their pins.
//!
//! A lock has no services; they are those of compose files: each with the image of a tag gets `image: repository@digest`
//! (Compose file reference, "services", "image"). A digest that a later file sets is replaced if it was pinned for the tag
//! at some time; any other digest was set by a person and remains. So do built images and images with variables, whose
//! values may come from elsewhere.

use std::borrow::Cow;
use std::sync::Arc;

use crate::formats;
use crate::formats::compose::{MergedImage, MergedService, merge};
use crate::model::image::{Digest, ImageRef, NameError, complete};
use crate::text::diagnostics::lines::LineIndex;
use crate::text::diagnostics::{Problem, SourceFile};
use crate::text::yaml::write::YamlOutput;

use super::{ExportResult, PinnedTag, conflict, named, one, problem};

/// Returns the override file for the services of `files`.
pub(super) fn text(files: &[Arc<SourceFile>], pins: &[PinnedTag<'_>]) -> Result<ExportResult, Vec<Problem>> {
    let mut export = ComposeExport { pins, used: vec![false; pins.len()], ..ComposeExport::default() };
    for (name, service) in merge(files)? {
        export.add(name, &service);
    }
    export.finish(files)
}

#[derive(Default)]
struct ComposeExport<'p, 'a> {
    pins: &'p [PinnedTag<'a>],
    /// Set for each pin whose image a service uses.
    used: Vec<bool>,
    services: Vec<(String, YamlOutput)>,
    notes: Vec<String>,
    problems: Vec<Problem>,
    has_other_digest: bool,
}

impl<'p, 'a> ComposeExport<'p, 'a> {
    fn add(&mut self, name: String, service: &MergedService) {
        let MergedService { is_built: false, image: Some(image), digest } = service else { return };
        let pins = match self.pins(image, digest.as_ref()) {
            Ok(pins) => pins,
            Err((MergedImage { file, site }, why)) => {
                let line = site.line(&LineIndex::new(&file.text));
                self.notes.push(format!("`{}`, line {line}: image of service `{name}` unchanged: {why}", file.path));
                return;
            }
        };
        match one(&pins) {
            Some(only) => {
                let image = YamlOutput::map([("image", YamlOutput::Text(only.pin.repository_at_digest()))]);
                self.services.push((name, image));
            }
            None if pins.is_empty() => {}
            None => {
                let why = format!("service `{name}` has one image");
                self.problems.push(conflict(&pins, &pins[0].pin.image, &why, "compose"));
            }
        }
    }

    /// Returns the pins for the image of a service, or the image that remains.
    fn pins<'s>(
        &mut self,
        image: &'s MergedImage,
        digest: Option<&'s MergedImage>,
    ) -> Result<Vec<&'p PinnedTag<'a>>, (&'s MergedImage, NameError)> {
        let of_image = self.pins_of(&*literal(image).map_err(|why| (image, why))?);
        let Some(digest) = digest else { return Ok(of_image) };
        let later = literal(digest).map_err(|why| (digest, why))?;
        if of_image.iter().any(|pinned| later.digest().is_some_and(|digest| was_pinned(pinned, digest))) {
            return Ok(of_image);
        }
        let of_digest = self.pins_of(&later);
        if of_digest.is_empty() && !of_image.is_empty() {
            self.has_other_digest = true;
            return Err((digest, NameError::new(format!("its digest was never pinned for {}", named(of_image)))));
        }
        Ok(of_digest)
    }

    fn pins_of(&mut self, image: &ImageRef) -> Vec<&'p PinnedTag<'a>> {
        let used = |(pinned, used): (&'p PinnedTag<'a>, &mut bool)| {
            let is_used = uses(image, &pinned.pin.image);
            *used |= is_used;
            is_used.then_some(pinned)
        };
        self.pins.iter().zip(&mut self.used).filter_map(used).collect()
    }

    fn finish(mut self, files: &[Arc<SourceFile>]) -> Result<ExportResult, Vec<Problem>> {
        let files = formats::list(files.iter().map(|file| format!("`{}`", file.path)));
        if self.services.is_empty() && self.problems.is_empty() && !self.has_other_digest {
            let message = format!("no service in {files} uses the image of a selected tag");
            self.problems.push(problem(message, "add a tag for an image with `pinstream tag IMAGE STREAM:TAG`"));
        }
        if !self.problems.is_empty() {
            return Err(self.problems);
        }
        let unused: Vec<&PinnedTag<'_>> =
            self.pins.iter().zip(self.used).filter(|(_, used)| !used).map(|(pinned, _)| pinned).collect();
        if !unused.is_empty() {
            self.notes.push(format!("no service in {files} uses the image of {}", named(unused)));
        }
        let text = YamlOutput::map([("services", YamlOutput::Map(self.services))]).document();
        Ok(ExportResult { text, notes: self.notes })
    }
}

/// Returns whether a tag is or was pinned to `digest`.
fn was_pinned(pinned: &PinnedTag<'_>, digest: &Digest) -> bool {
    pinned.pin.digest == *digest || pinned.pin.previous.contains(digest)
}

/// Returns the image of a service that is not built, if it contains no variables.
fn literal(image: &MergedImage) -> Result<Cow<'_, ImageRef>, NameError> {
    match &image.site.image {
        Ok(_) if image.has_variable() => Err(NameError::new("contains a variable whose value may differ")),
        Ok(image) => Ok(Cow::Borrowed(image)),
        Err(_) if image.was_built() && !image.has_variable() => complete(&image.site.text).map(Cow::Owned),
        Err(why) => Err(NameError::new(why.to_string())),
    }
}

/// Returns whether a service with the image `written` uses `image`; a digest beside a tag is an earlier pin.
fn uses(written: &ImageRef, image: &ImageRef) -> bool {
    match written.tag() {
        Some(tag) => written.repository() == image.repository() && image.tag() == Some(tag),
        None => written == image,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::convert::export::ExportFormat;
    use crate::convert::export::tests::{Image, check, exported, fails, yaml};
    use crate::model::lock::sample::digest;

    const IMAGES: [Image; 3] = [
        ("python:3.12", "docker.io/library/python:3.12", 1),
        ("python:latest", "docker.io/library/python:3.12", 1),
        ("redis:7", "docker.io/library/redis:7", 2),
    ];

    fn files<const N: usize>(texts: [&str; N]) -> Vec<Arc<SourceFile>> {
        let numbered = texts.into_iter().enumerate();
        let file = |(number, text): (usize, &str)| SourceFile { path: format!("{number}.yaml"), text: text.to_owned() };
        numbered.map(file).map(Arc::new).collect()
    }

    #[test]
    fn a_service_gets_the_pin_of_its_image() {
        let files = files([
            "services:\n  web: { image: \"python:3.12\" }\n  \"1\":\n    image: docker.io/redis:7\n  no: {}\n  \
                            own: { build: ., image: \"python:3.12\" }\n  other: { image: nginx }\n",
        ]);
        let [python, redis] = [("python", 1), ("redis", 2)].map(
            |(name, number)| serde_json::json!({ "image": format!("docker.io/library/{name}@{}", digest(number)) }),
        );
        let expected = serde_json::json!({ "services": { "1": redis, "web": python } });
        assert_eq!(yaml(ExportFormat::Compose(&files), &IMAGES), expected);
        check(
            ExportFormat::Compose(&files),
            &IMAGES,
            "services:\n  \"1\":\n    image: docker.io/library/redis@D2\n  web:\n    image: docker.io/library/python@D1\n",
        );
    }

    #[test]
    fn a_later_file_has_precedence_unless_it_only_pins() {
        let pinned = format!("services:\n  a: {{image: \"python@{}\"}}\n", digest(1));
        let base = "services:\n  a: {image: \"python:3.12\"}\n  b: {image: \"python:3.12\"}\n";
        let later = "services:\n  b: {image: \"redis:7\"}\n";
        check(
            ExportFormat::Compose(&files([base, &pinned, later])),
            &IMAGES,
            "services:\n  a:\n    image: docker.io/library/python@D1\n  b:\n    image: docker.io/library/redis@D2\n",
        );
        let built = "services:\n  a: {build: .}\n";
        check(
            ExportFormat::Compose(&files([base, built])),
            &IMAGES[..1],
            "services:\n  b:\n    image: docker.io/library/python@D1\n",
        );
    }

    const BASE: &str = "services:\n  a: {image: \"python:3.12\"}\n  b: {image: \"redis:7\"}\n";
    const A: &str = "services:\n  a:\n    image: docker.io/library/python@D1\n";
    const B: &str = "services:\n  b:\n    image: docker.io/library/redis@D2\n";

    #[test]
    fn reset_values_are_removed_and_can_be_defined_again() {
        for out in
            ["a: !reset null", "a: !reset {image: \"python:3.12\"}", "a: {image: !reset null}", "a: {image: !reset x}"]
        {
            let out = format!("services:\n  {out}\n");
            check(ExportFormat::Compose(&files([BASE, &out])), &IMAGES, B);
            let back = "services:\n  a: {image: \"python:3.12\"}\n  b: !reset\n";
            check(ExportFormat::Compose(&files([BASE, &out, back])), &IMAGES, A);
        }
        let out = "services: !reset\n  b: {image: \"redis:7\"}\n";
        check(ExportFormat::Compose(&files([BASE, out, "services:\n  a: {image: \"python:3.12\"}\n"])), &IMAGES, A);
        // In one file with two documents, too, and through an alias.
        let both = format!("{BASE}---\nx: &out !reset null\nservices:\n  b: *out\n  a: {{ports: !reset []}}\n");
        check(ExportFormat::Compose(&files([&both])), &IMAGES, A);
    }

    #[test]
    fn overriding_values_replace_earlier_ones() {
        check(ExportFormat::Compose(&files([BASE, "services: !override\n  b: {image: \"redis:7\"}\n"])), &IMAGES, B);
        let own = "services:\n  a: !override {ports: []}\n  b: {ports: !override []}\n";
        check(ExportFormat::Compose(&files([BASE, own])), &IMAGES, B);
        let other = "services:\n  a: {image: !override \"redis:7\"}\n  b: !override {build: .}\n";
        check(ExportFormat::Compose(&files([BASE, other])), &IMAGES, &B.replace("b:", "a:"));
    }

    #[test]
    fn a_service_that_is_no_longer_built_has_its_image() {
        let base = "services:\n  a: {build: ., image: \"python:3.12\"}\n";
        check(ExportFormat::Compose(&files([base, "services:\n  a: {build: !reset null}\n"])), &IMAGES, A);
        let one = "services:\n  a: {build: .}\n---\nservices:\n  a: {build: !reset null, image: \"python:3.12\"}\n";
        check(ExportFormat::Compose(&files([one])), &IMAGES, A);
    }

    #[test]
    fn a_digest_that_was_never_pinned_remains() {
        let later = format!("services:\n  a: {{image: \"python@{}\"}}\n", digest(9));
        let found = files([BASE, &later]);
        check(ExportFormat::Compose(&found), &IMAGES, B);
        let left = "`1.yaml`, line 2: image of service `a` unchanged: its digest was never pinned for `python:3.12`, \
                    `python:latest`";
        assert_eq!(exported(ExportFormat::Compose(&found), &IMAGES).unwrap().notes, [left]);
        // Nothing else to export is not an error.
        check(ExportFormat::Compose(&found), &IMAGES[..2], "services: {}\n");
        let fixed = format!("docker.io/library/python@{}", digest(9));
        let fixed = [IMAGES[0], ("golden:1", fixed.as_str(), 9)];
        check(ExportFormat::Compose(&found), &fixed, &format!("services:\n  a:\n    image: {}\n", fixed[1].1));
        // The digest goes with its image.
        let other = "services:\n  a: {image: \"redis:7\"}\n";
        check(
            ExportFormat::Compose(&files([BASE, &later, other])),
            &IMAGES,
            &format!("{}{}", B.replace("b:", "a:"), &B[10..]),
        );
        let variable = "services:\n  a: {image: \"python@${D:-sha256:x}\"}\n";
        let variable = variable.replace("sha256:x", digest(1).as_str());
        check(ExportFormat::Compose(&files([BASE, &variable])), &IMAGES, B);
    }

    #[test]
    fn an_earlier_pin_is_replaced() {
        let text = format!("services:\n  a: {{image: \"python:3.12@{}\"}}\n", digest(9));
        check(
            ExportFormat::Compose(&files([&text])),
            &IMAGES[..1],
            "services:\n  a:\n    image: docker.io/library/python@D1\n",
        );
    }

    #[test]
    fn images_that_remain_are_noted() {
        let text =
            "services:\n  a: {image: \"python:3.12\"}\n  b: {image: \"redis:${V:-7}\"}\n  c:\n    image: ${IMAGE}\n";
        assert_eq!(
            exported(ExportFormat::Compose(&files([text])), &IMAGES).unwrap().notes,
            [
                "`0.yaml`, line 3: image of service `b` unchanged: contains a variable whose value may differ",
                "`0.yaml`, line 5: image of service `c` unchanged: contains a variable without a value",
                "no service in `0.yaml` uses the image of `redis:7`",
            ]
        );
    }

    #[test]
    fn conflicts_and_invalid_files_are_errors() {
        fails(
            ExportFormat::Compose(&files(["services:\n  a: {image: nginx}\n", "x: 1\n"])),
            &IMAGES,
            &[
                "no service in `0.yaml`, `1.yaml` uses the image of a selected tag; add a tag for an image with `pinstream tag \
               IMAGE STREAM:TAG`",
            ],
        );
        fails(
            ExportFormat::Compose(&files(["services:\n  a: {image: \"python:3.12\"}\n"])),
            &[IMAGES[0], ("python:arm", "docker.io/library/python:3.12", 3)],
            &[
                "`python:3.12`, `python:arm` are pinned to different digests of `docker.io/library/python:3.12`; service `a` has \
               one image; select one tag, e.g. `pinstream export compose python:3.12`",
            ],
        );
        fails(
            ExportFormat::Compose(&files(["services: [\n", "services: {\n"])),
            &IMAGES,
            &["invalid YAML: unclosed bracket '['", "invalid YAML: unclosed bracket '{'"]
                .map(|message| {
                    format!("{message}; if it is a template, add a comment `# pinstream: stream:tag` beside the image, and a `marker` target")
                })
                .each_ref()
                .map(String::as_str),
        );
    }
}
