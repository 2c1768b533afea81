//! One file with three thousand images: suggesting, listing and writing a target for each takes about as long as reading
//! the file. With a search through the file per target it would take minutes.

use std::sync::Arc;
use std::time::Duration;

use pinstream::formats::suggest::{SuggestedTarget, TargetRequest, suggest};
use pinstream::formats::{FileKind, Target, TargetFile, TargetPin, TargetWriter};
use pinstream::model::image::{PinnedRef, TagId};
use pinstream::text::diagnostics::SourceFile;
use pinstream::text::diagnostics::lines::LineIndex;

use super::targets;
use crate::support::lane::slow;
use crate::support::worked;

const IMAGES: usize = 3_000;
const DIGEST: &str = "sha256:abababababababababababababababababababababababababababababababab";
/// Several times the duration without optimization.
const MOST: Duration = Duration::from_secs(10);

/// Pins each tag to the official image with its name.
fn pins(id: &TagId) -> TargetPin {
    let image = format!("docker.io/library/{id}").parse().unwrap();
    TargetPin::At(PinnedRef { image, digest: DIGEST.parse().unwrap() })
}

/// Writes a file with `top` and a part for each image.
fn file(path: &str, top: &str, part: impl Fn(usize) -> String) -> Arc<SourceFile> {
    let text = std::iter::once(top.to_owned()).chain((0..IMAGES).map(part)).collect();
    Arc::new(SourceFile { path: path.to_owned(), text })
}

/// Returns the suggestion for each image of a file with its line.
fn suggested(file: &Arc<SourceFile>) -> Vec<(usize, SuggestedTarget)> {
    let (kind, lines) = (FileKind::of(file).unwrap(), LineIndex::new(&file.text));
    let sites = kind.find(file).unwrap();
    let tag = |image: &pinstream::model::image::ImageRef| {
        let name = image.repository().path().trim_start_matches("library/");
        format!("{name}:{}", image.tag()?).parse().ok()
    };
    let wanted: Vec<_> = sites.iter().map(|site| site.image.as_ref().ok().and_then(tag)).collect();
    let found = suggest(&TargetRequest {
        file,
        kind,
        companions: &[],
        sites: &sites,
        wanted: &wanted,
        targets: &[],
        pins: &pins,
    });
    sites.iter().map(|site| site.line(&lines)).zip(found).collect()
}

/// Lists the edits of all targets, and writes them.
fn written(file: &SourceFile, targets: &[Target], places: usize) {
    let target_file = TargetFile::new(&file.path, Some(file.text.as_bytes()));
    let edits = targets.iter().flat_map(|target| target.edits(&target_file, &pins).unwrap());
    assert_eq!(edits.filter(|edit| !edit.is_current).count(), places);
    let mut writer = TargetWriter::new(targets, &pins);
    writer.file(&file.path, Some(file.text.as_bytes()), &(0..targets.len()).collect::<Vec<_>>());
    let edited = writer.finish().unwrap();
    assert_eq!(edited[0].edits.len(), places);
    assert_eq!(edited[0].new.matches(DIGEST).count(), IMAGES);
}

/// Checks a file in which each image receives its own target, which writes `places` values.
#[track_caller]
fn check(places: usize, file: &Arc<SourceFile>) {
    let start = worked();
    let found = suggested(file);
    let targets = found.into_iter().filter_map(|(line, suggestion)| match suggestion {
        SuggestedTarget::New(target) => Some(target),
        // `scratch` is not an image.
        SuggestedTarget::None => None,
        other => panic!("line {line}: {other:?}"),
    });
    let targets: Vec<Target> = targets.collect();
    assert_eq!(targets.len(), IMAGES);
    written(file, &targets, places * IMAGES);
    let took = worked() - start;
    assert!(took < MOST, "{} {took:?}", file.path);
}

#[test]
fn a_dockerfile() {
    slow!();
    check(1, &file("Dockerfile", "", |at| format!("FROM a:{at}\nRUN x\n")));
    check(1, &file("b.dockerfile", "", |at| format!("FROM scratch AS s{at}\nCOPY --from=b{at}:1 a b\n")));
    let defaults: String = (0..IMAGES).map(|at| format!("ARG A{at}=a:{at}\n")).collect();
    check(1, &file("c.dockerfile", &defaults, |at| format!("FROM ${{A{at}}} AS s{at}\n")));
}

#[test]
fn a_compose_file() {
    check(1, &file("compose.yaml", "services:\n", |at| format!("  s{at}:\n    image: a:{at}\n")));
}

#[test]
fn kubernetes_objects_in_documents() {
    slow!();
    let pod = |kind: &str, at: usize, container: &str| {
        format!(
            "---\nkind: {kind}\nmetadata: {{name: n{at}}}\nspec: {{containers: [{{name: {container}, image: 'a:{at}'}}]}}\n"
        )
    };
    check(1, &file("a.yaml", "", |at| pod("Pod", at, "a")));
    check(1, &file("b.yaml", "", |at| pod("Pod", at, &format!("a{at}"))));
    check(1, &file("c.yaml", "", |at| pod(["Pod", "Job"][at % 2], at / 2, "a")));
}

#[test]
fn kubernetes_objects_in_lists() {
    slow!();
    check(
        1,
        &file("a.yaml", "kind: List\nitems:\n", |at| {
            format!(
                "- {{kind: Pod, metadata: {{name: n{at}}}, spec: {{containers: [{{name: a, image: 'a:{at}'}}]}}}}\n"
            )
        }),
    );
    check(
        1,
        &file("b.yaml", "kind: Pod\nspec:\n  containers:\n", |at| format!("  - {{name: n{at}, image: 'a:{at}'}}\n")),
    );
    check(1, &file("c.yaml", "kind: Pod\nspec:\n  containers:\n", |at| format!("  - {{image: 'a:{at}'}}\n")));
}

#[test]
fn a_workflow() {
    slow!();
    let job = |at: usize| format!("  j{at}:\n    container: a:{at}\n");
    check(1, &file(".github/workflows/a.yml", "jobs:\n", job));
    let service = |at: usize| format!("      s{at}: {{image: 'a:{at}'}}\n");
    check(1, &file(".github/workflows/b.yml", "jobs:\n  a:\n    services:\n", service));
    let step = |at: usize| format!("    - uses: docker://a{at}:1\n");
    check(1, &file(".github/workflows/c.yml", "jobs:\n  a:\n    steps:\n", step));
}

#[test]
fn a_kustomization() {
    let entry = |at: usize| format!("- {{name: n{at}, newName: a, newTag: '{at}', digest: ''}}\n");
    check(1, &file("kustomization.yaml", "images:\n", entry));
}

#[test]
fn values_of_a_chart() {
    check(1, &file("values.yaml", "", |at| format!("n{at}:\n  image: {{repository: a, tag: '{at}'}}\n")));
}

#[test]
fn objects_without_unique_keys() {
    let start = worked();
    let pod = "---\nkind: Pod\nmetadata: {name: n}\nspec: {containers: [{image: 'a:1'}]}\n";
    let found = suggested(&file("a.yaml", "", |_| pod.to_owned()));
    assert!(found.iter().all(|(_, suggestion)| matches!(suggestion, SuggestedTarget::Unsupported(_))));
    let took = worked() - start;
    assert!(took < MOST, "{took:?}");
}

#[test]
fn an_unsupported_argument_among_many_images() {
    slow!();
    let start = worked();
    let top = "ARG BASE=a:1\nARG SLIM=${BASE}-slim\nFROM $BASE\nFROM $SLIM\n";
    let found = suggested(&file("Dockerfile", top, |at| format!("FROM a:{at}\n")));
    assert_eq!(found.iter().filter(|(_, suggestion)| matches!(suggestion, SuggestedTarget::New(_))).count(), IMAGES);
    let took = worked() - start;
    assert!(took < MOST, "{took:?}");
}

#[test]
fn lines_with_markers() {
    let start = worked();
    let file = file("run.sh", "", |at| format!("docker run a:1 # pinstream: a:{at}\n"));
    written(&file, &targets("[[target]]\nmarker = { path = \"run.sh\" }\n"), IMAGES);
    let took = worked() - start;
    assert!(took < MOST, "{took:?}");
}
