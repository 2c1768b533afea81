//! One file with three thousand images: targets for all of them are proposed, looked at and written in about the time
//! that it takes to read the file. That each target looks through the file anew would take minutes.

use std::sync::Arc;
use std::time::Duration;

use pinstream::formats::find::FileKind;
use pinstream::formats::propose::{SuggestedTarget, TargetRequest, propose};
use pinstream::formats::sites::FileSites;
use pinstream::formats::{Target, TargetPin, TargetWriter};
use pinstream::model::image::{PinnedRef, TagId};
use pinstream::text::diagnostics::SourceFile;
use pinstream::text::diagnostics::lines::LineIndex;

use super::targets;
use crate::support::worked;

const IMAGES: usize = 3_000;
const DIGEST: &str = "sha256:abababababababababababababababababababababababababababababababab";
/// Several times what it takes where the tests are not optimised.
const MOST: Duration = Duration::from_secs(10);

/// Each tag is pinned to the official image of its name.
fn pins(id: &TagId) -> TargetPin {
    let image = format!("docker.io/library/{id}").parse().unwrap();
    TargetPin::At(PinnedRef { image, digest: DIGEST.parse().unwrap() })
}

/// A file that begins with `top` and has a part for each image.
fn file(path: &str, top: &str, part: impl Fn(usize) -> String) -> Arc<SourceFile> {
    let text = std::iter::once(top.to_owned()).chain((0..IMAGES).map(part)).collect();
    Arc::new(SourceFile { path: path.to_owned(), text })
}

/// What is proposed for each image of a file, and in which line it is.
fn proposed(file: &Arc<SourceFile>) -> Vec<(usize, SuggestedTarget)> {
    let (kind, lines) = (FileKind::of(file).unwrap(), LineIndex::new(&file.text));
    let mentions = kind.find(file).unwrap();
    let tag = |image: &pinstream::model::image::ImageRef| {
        let name = image.repository().path().trim_start_matches("library/");
        format!("{name}:{}", image.tag()?).parse().ok()
    };
    let wanted: Vec<_> = mentions.iter().map(|mention| mention.image.as_ref().ok().and_then(tag)).collect();
    let found = propose(&TargetRequest { file, kind, mentions: &mentions, wanted: &wanted, targets: &[], pins: &pins });
    mentions.iter().map(|mention| mention.line(&lines)).zip(found).collect()
}

/// Looks at all targets, and writes them: each holds its place, which then is right.
fn written(file: &SourceFile, targets: &[Target], places: usize) {
    let looked = FileSites::new(&file.path, Some(file.text.as_bytes()));
    let sites = targets.iter().flat_map(|target| target.sites(&looked, &pins).unwrap());
    assert_eq!(sites.filter(|site| !site.is_right).count(), places);
    let mut editing = TargetWriter::new(targets, &pins);
    editing.file(&file.path, Some(file.text.as_bytes()), &(0..targets.len()).collect::<Vec<_>>());
    let edited = editing.finish().unwrap();
    assert_eq!(edited[0].edits.len(), places);
    assert_eq!(edited[0].new.matches(DIGEST).count(), IMAGES);
}

/// A file of which each image gets a target of its own, with `places` that this writes.
#[track_caller]
fn check(places: usize, file: &Arc<SourceFile>) {
    let start = worked();
    let found = proposed(file);
    let targets = found.into_iter().filter_map(|(line, proposal)| match proposal {
        SuggestedTarget::New(target) => Some(target),
        // `scratch` is no image.
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
    check(2, &file("kustomization.yaml", "images:\n", entry));
}

#[test]
fn values_of_a_chart() {
    check(2, &file("values.yaml", "", |at| format!("n{at}:\n  image: {{repository: a, tag: '{at}'}}\n")));
}

#[test]
fn objects_that_nothing_tells_apart() {
    let start = worked();
    let pod = "---\nkind: Pod\nmetadata: {name: n}\nspec: {containers: [{image: 'a:1'}]}\n";
    let found = proposed(&file("a.yaml", "", |_| pod.to_owned()));
    assert!(found.iter().all(|(_, proposal)| matches!(proposal, SuggestedTarget::Unfit(_))));
    let took = worked() - start;
    assert!(took < MOST, "{took:?}");
}

#[test]
fn an_argument_that_cannot_be_written_among_others() {
    let start = worked();
    let top = "ARG BASE=a:1\nARG SLIM=${BASE}-slim\nFROM $BASE\nFROM $SLIM\n";
    let found = proposed(&file("Dockerfile", top, |at| format!("FROM a:{at}\n")));
    assert_eq!(found.iter().filter(|(_, proposal)| matches!(proposal, SuggestedTarget::New(_))).count(), IMAGES);
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
