//! `compose`: an override file that gives services the pins of their images.
//!
//! A lock knows no services, so they are those of compose files: each that has the image of a tag gets `image:
//! repository@digest` (Compose file reference, "services", "image"; "Merge Compose files"). Of several files the later one
//! rules, as for `docker compose -f a -f b`: what it marks with `!reset` is taken out, and what with `!override` stands
//! alone. A later `image` that is nothing but a digest of the same repository is taken for a pin of the one before where
//! the tag stands or stood there, so that what was exported may stand among them; any other digest is a person's, and left
//! alone. So is what is built, and an image with variables: what their values are is not for this file to say. What a
//! file includes or extends is not looked into.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use crate::formats;
use crate::formats::find::{self, FoundImage, NotAnImage};
use crate::model::image::{Digest, ImageRef, complete};
use crate::text::diagnostics::lines::LineIndex;
use crate::text::diagnostics::{Problem, SourceFile};
use crate::text::yaml::write::YamlOutput;
use crate::text::yaml::{self, YamlNode};

use super::{ExportResult, PinnedTag, named, one, problem, several};

/// What a file says of the image of a service, and which file that is.
type ServiceImage<'a> = (&'a SourceFile, FoundImage);

/// A service, as all files together have it.
#[derive(Default)]
struct MergedService<'a> {
    is_built: bool,
    /// Its image.
    image: Option<ServiceImage<'a>>,
    /// A digest of the repository of that, which a later file says.
    digest: Option<ServiceImage<'a>>,
}

/// The override file.
pub(super) fn text(files: &[Arc<SourceFile>], pins: &[PinnedTag<'_>]) -> Result<ExportResult, Vec<Problem>> {
    let (mut services, mut notes, mut problems) = (Vec::new(), Vec::new(), Vec::new());
    let (mut used, mut is_by_hand) = (vec![false; pins.len()], false);
    for (name, service) in merged(files)? {
        let MergedService { is_built: false, image: Some(said), digest } = service else { continue };
        let mut left = |(file, mention): &ServiceImage<'_>, why: &str| {
            let at = format!("`{}`, line {}", file.path, mention.line(&LineIndex::new(&file.text)));
            notes.push(format!("{at}: the image of the service `{name}` is left as it is: {why}"));
        };
        let image = match image(&said) {
            Ok(image) => image,
            Err(why) => {
                left(&said, &why);
                continue;
            }
        };
        let mut found = |image: &ImageRef| {
            let is_of = |pinned: &PinnedTag<'_>| is_same(image, &pinned.pin.image);
            used.iter_mut().zip(pins).for_each(|(used, pinned)| *used |= is_of(pinned));
            pins.iter().filter(|pinned| is_of(pinned)).collect::<Vec<_>>()
        };
        let mut of_image = found(&image);
        if let Some(said) = &digest {
            let later = match self::image(said) {
                Ok(later) => later,
                Err(why) => {
                    left(said, &why);
                    continue;
                }
            };
            let was_pinned = |pinned: &&PinnedTag<'_>| later.digest().is_some_and(|digest| was_at(pinned, digest));
            if !of_image.iter().any(was_pinned) {
                let of_digest = found(&later);
                if of_digest.is_empty() && !of_image.is_empty() {
                    let why = format!("its digest is none that {} stood at", named(of_image));
                    left(said, &why);
                    is_by_hand = true;
                    continue;
                }
                of_image = of_digest;
            }
        }
        match one(&of_image) {
            Some(only) => {
                services.push((name, YamlOutput::map([("image", YamlOutput::Text(only.pin.repository_at_digest()))])))
            }
            None if of_image.is_empty() => {}
            None => {
                let why = format!("the service `{name}` has one image");
                problems.push(several(&of_image, &image.to_string(), &why, "compose"));
            }
        }
    }
    let shown = formats::list(files.iter().map(|file| format!("`{}`", file.path)));
    if services.is_empty() && problems.is_empty() && !is_by_hand {
        let message = format!("no service of {shown} has the image of a tag that was asked for");
        problems.push(problem(message, "`pinstream tag IMAGE STREAM:TAG` makes a tag of an image"));
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let idle: Vec<&PinnedTag<'_>> = pins.iter().zip(used).filter(|(_, used)| !used).map(|(pinned, _)| pinned).collect();
    if !idle.is_empty() {
        notes.push(format!("no service of {shown} has the image of {}", named(idle)));
    }
    Ok(ExportResult { text: YamlOutput::map([("services", YamlOutput::Map(services))]).document(), notes })
}

/// The services of all files, by name.
fn merged(files: &[Arc<SourceFile>]) -> Result<BTreeMap<String, MergedService<'_>>, Vec<Problem>> {
    let (mut all, mut problems) = (BTreeMap::new(), Vec::new());
    for file in files {
        if let Err(problem) = merge(&mut all, file) {
            problems.push(problem);
        }
    }
    if problems.is_empty() { Ok(all) } else { Err(problems) }
}

/// Lays the services of `file` over those of the files before it.
fn merge<'a>(all: &mut BTreeMap<String, MergedService<'a>>, file: &'a Arc<SourceFile>) -> Result<(), Problem> {
    for document in yaml::parse(file)? {
        let Some(services) = document.get("services") else { continue };
        if stands_alone(services) {
            all.clear();
        }
        for (name, node) in services.entries() {
            let name = name.text().unwrap_or_default();
            if stands_alone(node) {
                all.remove(name);
            }
            if is_reset(services) || is_reset(node) {
                continue;
            }
            let merged = all.entry(name.to_owned()).or_default();
            if let Some(build) = node.get("build") {
                merged.is_built = !is_reset(build);
            }
            let written = node.get("image");
            if written.is_some_and(stands_alone) {
                (merged.image, merged.digest) = (None, None);
            }
            let image = find::of_service(file, node).filter(|_| !written.is_some_and(is_reset));
            let Some(image) = image else { continue };
            let said = Some((file.as_ref(), image));
            match (&merged.image, &said) {
                (Some((_, before)), Some((_, image))) if is_pin_of(image, before) => merged.digest = said,
                _ => (merged.image, merged.digest) = (said, None),
            }
        }
    }
    Ok(())
}

/// Whether a value takes out what earlier files say there, and its own is none (Compose file reference, "Merge", "Reset
/// value").
fn is_reset(node: &Rc<YamlNode>) -> bool {
    node.tag.as_deref() == Some("reset")
}

/// Whether what earlier files say there is taken out ("Replace value" of the same page).
fn stands_alone(node: &Rc<YamlNode>) -> bool {
    is_reset(node) || node.tag.as_deref() == Some("override")
}

/// Whether `image` is nothing but a digest of the repository of `before`, which has a tag.
fn is_pin_of(image: &FoundImage, before: &FoundImage) -> bool {
    let (Ok(image), Ok(before)) = (&image.image, &before.image) else { return false };
    image.tag().is_none() && before.tag().is_some() && image.repository() == before.repository()
}

/// Whether a tag stands or stood at `digest`.
fn was_at(pinned: &PinnedTag<'_>, digest: &Digest) -> bool {
    pinned.pin.digest == *digest || pinned.pin.previous.contains(digest)
}

/// The image of a service that is not built, where it is written out.
fn image<'a>((file, mention): &'a ServiceImage<'_>) -> Result<Cow<'a, ImageRef>, String> {
    let has_variable = file.text.get(mention.span.clone()).is_some_and(|written| written.contains('$'));
    match &mention.image {
        Ok(_) if has_variable => {
            Err("it has a variable, which may have another value than is written there".to_owned())
        }
        Ok(image) => Ok(Cow::Borrowed(image)),
        // It was the name of what is built, until a later file took that out.
        Err(NotAnImage::None(_)) if !has_variable => {
            complete(&mention.text).map(Cow::Owned).map_err(|error| error.message)
        }
        Err(why) => Err(why.to_string()),
    }
}

/// Whether a service with `written` runs `image`: beside a tag, a digest is what it was once pinned to.
fn is_same(written: &ImageRef, image: &ImageRef) -> bool {
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
    fn a_later_file_rules_unless_it_only_pins() {
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
    fn what_is_reset_is_taken_out_and_may_come_back() {
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
    fn what_overrides_stands_alone() {
        check(ExportFormat::Compose(&files([BASE, "services: !override\n  b: {image: \"redis:7\"}\n"])), &IMAGES, B);
        let own = "services:\n  a: !override {ports: []}\n  b: {ports: !override []}\n";
        check(ExportFormat::Compose(&files([BASE, own])), &IMAGES, B);
        let other = "services:\n  a: {image: !override \"redis:7\"}\n  b: !override {build: .}\n";
        check(ExportFormat::Compose(&files([BASE, other])), &IMAGES, &B.replace("b:", "a:"));
    }

    #[test]
    fn what_is_no_longer_built_has_its_image() {
        let base = "services:\n  a: {build: ., image: \"python:3.12\"}\n";
        check(ExportFormat::Compose(&files([base, "services:\n  a: {build: !reset null}\n"])), &IMAGES, A);
        let one = "services:\n  a: {build: .}\n---\nservices:\n  a: {build: !reset null, image: \"python:3.12\"}\n";
        check(ExportFormat::Compose(&files([one])), &IMAGES, A);
    }

    #[test]
    fn a_digest_that_is_no_pin_is_a_persons() {
        let later = format!("services:\n  a: {{image: \"python@{}\"}}\n", digest(9));
        let found = files([BASE, &later]);
        check(ExportFormat::Compose(&found), &IMAGES, B);
        let left = "`1.yaml`, line 2: the image of the service `a` is left as it is: its digest is none that \
                    `python:3.12`, `python:latest` stood at";
        assert_eq!(exported(ExportFormat::Compose(&found), &IMAGES).unwrap().notes, [left]);
        // Where there is nothing else, that is no error.
        check(ExportFormat::Compose(&found), &IMAGES[..2], "services: {}\n");
        let fixed = format!("docker.io/library/python@{}", digest(9));
        let fixed = [IMAGES[0], ("golden:1", fixed.as_str(), 9)];
        check(ExportFormat::Compose(&found), &fixed, &format!("services:\n  a:\n    image: {}\n", fixed[1].1));
        // What stood there goes with the image that it was of.
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
    fn what_was_pinned_before_is_pinned_again() {
        let text = format!("services:\n  a: {{image: \"python:3.12@{}\"}}\n", digest(9));
        check(
            ExportFormat::Compose(&files([&text])),
            &IMAGES[..1],
            "services:\n  a:\n    image: docker.io/library/python@D1\n",
        );
    }

    #[test]
    fn what_is_left_alone_is_told() {
        let text =
            "services:\n  a: {image: \"python:3.12\"}\n  b: {image: \"redis:${V:-7}\"}\n  c:\n    image: ${IMAGE}\n";
        assert_eq!(
            exported(ExportFormat::Compose(&files([text])), &IMAGES).unwrap().notes,
            [
                "`0.yaml`, line 3: the image of the service `b` is left as it is: it has a variable, which may have another \
                 value than is written there",
                "`0.yaml`, line 5: the image of the service `c` is left as it is: it has a variable without a value",
                "no service of `0.yaml` has the image of `redis:7`",
            ]
        );
    }

    #[test]
    fn what_cannot_be_said_is_refused() {
        fails(
            ExportFormat::Compose(&files(["services:\n  a: {image: nginx}\n", "x: 1\n"])),
            &IMAGES,
            &[
                "no service of `0.yaml`, `1.yaml` has the image of a tag that was asked for; `pinstream tag IMAGE STREAM:TAG` \
               makes a tag of an image",
            ],
        );
        fails(
            ExportFormat::Compose(&files(["services:\n  a: {image: \"python:3.12\"}\n"])),
            &[IMAGES[0], ("python:arm", "docker.io/library/python:3.12", 3)],
            &[
                "`python:3.12`, `python:arm` stand at different digests of `docker.io/library/python:3.12`; the service `a` has \
               one image: name one of them, as `pinstream export compose python:3.12`",
            ],
        );
        fails(
            ExportFormat::Compose(&files(["services: [\n", "services: {\n"])),
            &IMAGES,
            &["invalid YAML: unclosed bracket '['; ", "invalid YAML: unclosed bracket '{'; "],
        );
    }
}
