//! Suggested targets for the images in files of each kind.

use super::*;
use crate::formats::TargetWriter;
use crate::model::settings;
use crate::text::diagnostics::lines::LineIndex;

const DIGEST: &str = "sha256:abababababababababababababababababababababababababababababababab";

/// Pins each official image as a tag of a stream with its name.
fn pins(id: &TagId) -> TargetPin {
    let image = format!("docker.io/library/{id}").parse().unwrap();
    TargetPin::At(PinnedRef { image, digest: DIGEST.parse().unwrap() })
}

/// Returns the tag of an official image, except those of `other`.
fn wanted(site: &ImageSite) -> Option<TagId> {
    let image = site.image.as_ref().ok()?;
    let name = image.repository().path().strip_prefix("library/").filter(|name| *name != "other")?;
    let tag = image.tag().map_or_else(|| "latest".to_owned(), ToString::to_string);
    format!("{name}:{tag}").parse().ok()
}

/// Returns the suggestion for each image of a file with its line.
fn suggested(path: &str, text: &str, targets: &[Target]) -> Vec<(usize, SuggestedTarget)> {
    let file = Arc::new(SourceFile { path: path.to_owned(), text: text.to_owned() });
    let kind = FileKind::of(&file).unwrap();
    let sites = kind.find(&file).unwrap();
    let wanted: Vec<_> = sites.iter().map(wanted).collect();
    let request =
        TargetRequest { file: &file, kind, companions: &[], sites: &sites, wanted: &wanted, targets, pins: &pins };
    let lines = LineIndex::new(text);
    sites.iter().map(|site| site.line(&lines)).zip(suggest(&request)).collect()
}

/// Checks the suggestions for a file. The new targets are parsed again and applied; then nothing is suggested any more.
#[track_caller]
fn check(path: &str, text: &str, expected: &[&str]) {
    let found = suggested(path, text, &[]);
    let shown = found.iter().map(|(line, suggestion)| match suggestion {
        SuggestedTarget::None => format!("{line} -"),
        SuggestedTarget::Existing => format!("{line} existing"),
        SuggestedTarget::Shared => format!("{line} shared"),
        SuggestedTarget::New(target) => {
            let table = target.to_toml("; ");
            let table = table.trim_start_matches("[[target]]; from = ").trim_end_matches("; ");
            format!("{line} {}", table.replace(&format!("path = \"{path}\""), "PATH"))
        }
        SuggestedTarget::Unsupported(problem) | SuggestedTarget::BadPath(problem) => {
            format!("{line} ! {}; {}", problem.message, problem.help.as_deref().unwrap())
        }
    });
    assert_eq!(shown.collect::<Vec<_>>(), expected);

    let new = found.iter().filter_map(|(_, suggestion)| match suggestion {
        SuggestedTarget::New(target) => Some(target),
        _ => None,
    });
    let new: Vec<&Target> = new.collect();
    let written: String = new.iter().map(|target| target.to_toml("\n")).collect();
    let (settings, problems) = settings::read(written.as_bytes());
    assert_eq!(problems, []);
    for (read, target) in settings.targets.iter().zip(&new) {
        assert_eq!(*read, Target { place: read.place.clone(), ..(*target).clone() });
    }
    let mut writer = TargetWriter::new(&settings.targets, &pins);
    writer.file(path, Some(text.as_bytes()), &(0..new.len()).collect::<Vec<_>>());
    let edited = writer.finish().unwrap();
    let text = edited.first().map_or(text, |file| &file.new);
    for ((_, before), (_, after)) in found.iter().zip(suggested(path, text, &settings.targets)) {
        let is_new = matches!(before, SuggestedTarget::New(_) | SuggestedTarget::Shared);
        assert!(!is_new || after == SuggestedTarget::Existing, "{before:?} {after:?}");
        assert!(!matches!(after, SuggestedTarget::New(_) | SuggestedTarget::Shared), "{before:?} {after:?}");
    }
}

#[test]
fn stages_and_arguments_of_a_dockerfile_are_selected() {
    check(
        "Dockerfile",
        "ARG TAG=3.12\nARG BASE='redis:7'\nFROM python:${TAG} AS build\nFROM other:1\nFROM --platform=$X python:3.11\nFROM \
         $BASE\nFROM ${BASE} AS again\nFROM python:3.12 AS run\nFROM build\n",
        &[
            "3 \"python:3.12\"; write = \"tag@digest\"; dockerfile = { PATH, arg = \"TAG\" }",
            "4 -",
            "5 \"python:3.11\"; dockerfile = { PATH, stage = \"2\" }",
            "6 \"redis:7\"; dockerfile = { PATH, arg = \"BASE\" }",
            "7 shared",
            "8 \"python:3.12\"; dockerfile = { PATH, stage = \"run\" }",
        ],
    );
}

#[test]
fn an_image_of_copy_needs_a_target_for_its_whole_repository() {
    check(
        "Dockerfile",
        "FROM python:3 AS a\nFROM redis:7\nCOPY --from=python:3 /a /a\nCOPY --from=other /a /a\n",
        &[
            "1 shared",
            "2 \"redis:7\"; dockerfile = { PATH, stage = \"1\" }",
            "3 \"python:3\"; dockerfile = { PATH }",
            "4 -",
        ],
    );
    check(
        "Dockerfile",
        "FROM python:3 AS a\nCOPY --from=python:2 /a /a\n",
        &[
            "1 \"python:3\"; dockerfile = { PATH, stage = \"a\" }",
            "2 ! `Dockerfile` has images from `docker.io/library/python` with different tags: `python:3` (line 1), \
             `python:2` (line 2); select one with `stage = \"…\"`",
        ],
    );
}

#[test]
fn other_composed_images_are_not_supported() {
    const COMPOSED: &str = "the image is composed of parts that no single target can write; write it out in one place";
    check(
        "Dockerfile",
        "ARG V=3\nARG A=python:${V}\nARG W=7\nFROM $A\nFROM python:${V}-slim\nFROM python:${X:-1}\nFROM redis:$W\nARG W\n\
         FROM redis:7 AS x\n",
        &[
            &format!("4 ! {COMPOSED}"),
            &format!("5 ! {COMPOSED}"),
            &format!("6 ! {COMPOSED}"),
            &format!("7 ! {COMPOSED}"),
            "9 \"redis:7\"; dockerfile = { PATH, stage = \"x\" }",
        ],
    );
    check(
        "Dockerfile",
        "ARG V=3\nFROM python:$V\nFROM other:$V\n",
        &[
            "2 ! a target for it would change other places as well; write the image out separately, so that a target can select it alone",
            "3 -",
        ],
    );
    check(
        "Dockerfile",
        "ARG BASE=python:3\nARG SLIM=${BASE}-slim\nFROM $BASE\nFROM $SLIM\nFROM redis:7\n",
        &[
            "3 ! after the edit, a target here would not produce the pinned reference; write the whole image in one place",
            &format!("4 ! {COMPOSED}"),
            "5 \"redis:7\"; dockerfile = { PATH, stage = \"2\" }",
        ],
    );
}

#[test]
fn containers_are_selected_by_unique_keys() {
    let containers = "spec:\n  containers:\n  - name: web\n    image: python:3 # x\n  - {name: side, image: 'redis:7'}\n  - \
                      image: other\n  - image: redis:6\n";
    check(
        "deploy/a.yaml",
        &format!("kind: Pod\n{containers}"),
        &[
            "5 \"python:3\"; yaml = { PATH, at = \"spec.containers[name=web].image\" }",
            "6 \"redis:7\"; yaml = { PATH, at = \"spec.containers[name=side].image\" }",
            "7 -",
            "8 \"redis:6\"; yaml = { PATH, at = \"spec.containers[3].image\" }",
        ],
    );
    let pod = |kind: &str, name: &str| {
        format!("kind: {kind}\nmetadata: {{name: '{name}'}}\nspec: {{containers: [{{name: a, image: 'python:3'}}]}}\n")
    };
    check(
        "a.yaml",
        &[pod("Pod", "a"), pod("Job", "a"), pod("Pod", "b]"), pod("Job", "a").replace("containers", "initContainers")]
            .join("---\n"),
        &[
            "3 \"python:3\"; yaml = { PATH, at = \"[kind=Pod][metadata.name=a].spec.containers[name=a].image\" }",
            "7 \"python:3\"; yaml = { PATH, at = \"[kind=Job].spec.containers[name=a].image\" }",
            "11 \"python:3\"; yaml = { PATH, at = \"[metadata.name=\\\"b]\\\"].spec.containers[name=a].image\" }",
            "15 \"python:3\"; yaml = { PATH, at = \"spec.initContainers[name=a].image\" }",
        ],
    );
    check(
        "a.yaml",
        "kind: List\nitems:\n- {kind: Pod, metadata: {name: a}, spec: {containers: [{image: 'python:3'}]}}\n- {kind: Job, \
         metadata: {name: a}, spec: {\"a.b\": {containers: [{image: 'python:3'}]}}}\n",
        &[
            "3 \"python:3\"; yaml = { PATH, at = \"items[kind=Pod][metadata.name=a].spec.containers[0].image\" }",
            "4 \"python:3\"; yaml = { PATH, at = \"items[kind=Job][metadata.name=a].spec.\\\"a.b\\\".containers[0].image\" }",
        ],
    );
    check(
        "a.json",
        "{\"kind\": \"Pod\",\n\t\"spec\": {\"containers\": [{\"name\": \"a\", \"image\": \"python:3\"}]}}",
        &["2 \"python:3\"; json = { PATH, at = \"spec.containers[name=a].image\" }"],
    );
}

#[test]
fn shared_values_are_not_supported() {
    let shared = |selector: &str| {
        format!(
            "cannot edit `{selector}` in `PATH`: an anchor, an alias or a merge key shares it; write the value out there, \
             without `&`, `*` or `<<`"
        )
    };
    check(
        "a.yaml",
        "kind: Pod\nspec:\n  initContainers: &c\n  - image: python:3\n  containers: *c\n",
        &[&format!("4 ! {}", shared("spec.initContainers[0].image").replace("PATH", "a.yaml"))],
    );
    check(
        "compose.yaml",
        "x-a: &a\n  image: python:3\nservices:\n  a: {<<: *a}\n  b: {image: &i 'redis:7'}\n",
        &[
            &format!("2 ! {}", shared("services.a.image").replace("PATH", "compose.yaml")),
            &format!("5 ! {}", shared("services.b.image").replace("PATH", "compose.yaml")),
        ],
    );
    let twins = "kind: Pod\nspec:\n  containers:\n  - image: python:3\n";
    check(
        "a.yaml",
        &format!("{twins}---\n{twins}"),
        &[4, 9].map(|line| {
            format!(
                "{line} ! `spec.containers[0].image` matches 2 values in `a.yaml`: line 4, line 9; select one, e.g. \
                 `[kind=Deployment][metadata.name=web].spec…` for one document of several, or all of them with `[*]`"
            )
        })
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>(),
    );
}

#[test]
fn services_of_compose_are_selected() {
    check(
        "compose.yaml",
        "services:\n  web:\n    image: \"python:3\"\n  old: {image: 'python:2'}\n  own: {build: ., image: python}\n  var:\n    \
         image: redis:${V:-7}\n",
        &[
            "3 \"python:3\"; compose = { PATH, service = \"web\" }",
            "4 \"python:2\"; compose = { PATH, service = \"old\" }",
            "5 -",
            "7 ! the image contains variables; write the image out, or add a target for the file that sets them",
        ],
    );
}

#[test]
fn jobs_and_services_of_a_workflow_are_selected() {
    check(
        ".github/workflows/ci.yml",
        "on: push\njobs:\n  a:\n    container: python:3\n    services:\n      db: {image: 'redis:7'}\n      py: {image: \
         python:3}\n    steps:\n    - uses: docker://python:3\n  b:\n    container: {image: python:3}\n    steps:\n    - uses: \
         docker://python:2\n",
        &[
            "4 \"python:3\"; workflow = { PATH, job = \"a\" }",
            "6 \"redis:7\"; workflow = { PATH, job = \"a\", service = \"db\" }",
            "7 shared",
            "9 shared",
            "11 \"python:3\"; yaml = { PATH, at = \"jobs.b.container.image\" }",
            "13 ! `.github/workflows/ci.yml` has images from `docker.io/library/python` with different tags: `python:3` (line \
             11), `docker://python:2` (line 13); select one with `job = \"…\"`, and `service = \"…\"` for one of its services",
        ],
    );
    check("action.yml", "runs:\n  image: docker://python:3\n", &["2 \"python:3\"; workflow = { PATH }"]);
}

#[test]
fn entries_of_a_kustomization_are_selected() {
    check(
        "base/kustomization.yaml",
        "images:\n- name: web\n  newName: python\n  newTag: '3'\n  digest: ''\n- {name: redis, newTag: 7}\n- {name: python, \
         digest: sha256:00}\n",
        &[
            "2 \"python:3\"; kustomize = { PATH, name = \"web\" }",
            "6 \"redis:7\"; kustomize = { PATH, name = \"redis\" }",
            "7 -",
        ],
    );
}

#[test]
fn images_in_the_values_of_a_chart_are_selected() {
    check(
        "chart/values.yaml",
        "image:\n  repository: python\n  tag: \"3\"\nweb:\n  image: {registry: docker.io, repository: library/redis, tag: 7, \
         digest: ''}\n  initImage: 'python:2'\nown: {image: {repository: other, tag: ''}}\nend:\n  image:\n    tag: 6\n    \
         repository: redis",
        &[
            "2 \"python:3\"; helm = { PATH }",
            "5 \"redis:7\"; helm = { PATH, at = \"web.image\" }",
            "6 \"python:2\"; helm = { PATH, at = \"web.initImage\" }",
            "7 -",
            "10 \"redis:6\"; helm = { PATH, at = \"end.image\" }",
        ],
    );
}

#[test]
fn an_image_without_a_tag_receives_none() {
    check(
        "compose.yaml",
        &format!("services: {{a: {{image: 'python@{DIGEST}'}}}}\n"),
        &["1 \"python:latest\"; write = \"repository@digest\"; compose = { PATH, service = \"a\" }"],
    );
}

#[test]
fn a_file_that_no_target_can_name_is_reported() {
    let form = "rename the file, or write its image in another one";
    check(
        "a*/Dockerfile",
        "FROM python:3\n",
        &[&format!("1 ! `a*/Dockerfile` contains `*`, which would make the target's path a glob; {form}")],
    );
    check(
        "ä/Dockerfile",
        "FROM python:3\n",
        &[&format!("1 ! `ä/Dockerfile` contains `ä` (U+00E4), which is not allowed in the path of a target; {form}")],
    );
}

#[test]
fn an_image_with_a_target_needs_none() {
    let (settings, _) = settings::read(
        b"[[target]]\nmarker = { path = \"*.yaml\" }\n[[target]]\nfrom = \"redis:7\"\nyaml = { path = \"**\", at = \"kind\" }\n",
    );
    let text = "kind: Pod\nspec:\n  containers:\n  - image: python:3 # pinstream: python:3.12\n  - image: python:3\n";
    let found: Vec<_> =
        suggested("a.yaml", text, &settings.targets).into_iter().map(|(_, suggestion)| suggestion).collect();
    assert!(matches!(&found[..], [SuggestedTarget::Existing, SuggestedTarget::New(_)]), "{found:?}");
}
