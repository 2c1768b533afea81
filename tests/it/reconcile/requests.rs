//! Requests of a pass: one HEAD for each distinct image, and no others without changes.

use super::stage::{Stage, TELL};
use crate::support::registry::fake::{Access, TokenRules};
use crate::support::registry::{FakeRegistry, Image};
use crate::support::remote::http::HttpBackend;
use crate::support::remote::{git_in, run};

/// Twelve tags of four images in two repositories.
fn crowd(stage: &Stage) {
    for (name, seed) in [("a:1", 1), ("a:2", 2), ("b:1", 3), ("b:2", 4)] {
        stage.push(name, seed);
    }
    let mut text = "[tags]\n".to_owned();
    for image in ["a:1", "a:2", "b:1", "b:2"] {
        let name = image.replace(':', "-");
        text += &format!("{name} = \"REGISTRY/{image}\"\nagain-{name} = \"REGISTRY/{image}\"\n");
        text += &format!("after-{name} = {{ follow = \"{name}\" }}\n");
    }
    stage.commit("streams/all.toml", &text);
}

#[test]
fn unchanged_tags_cost_one_head_per_image() {
    let mut stage = Stage::new(TELL);
    crowd(&stage);
    let server = HttpBackend::start(stage.repo.base());
    stage.remote = server.url();
    stage.registry.require(Access::Token(TokenRules::default()));
    stage.ends(0, &[]);
    let (refs, told) = (stage.repo.git(&["for-each-ref"]), stage.events());

    server.take_requests();
    stage.registry.forget();
    stage.ends(0, &[]);
    let asked = stage.registry.counts();
    assert_eq!((asked.head - asked.challenged, asked.get, asked.ping, asked.token), (4, 0, 0, 1), "{asked:?}");
    assert!(asked.challenged <= 1, "{asked:?}");
    let lines: Vec<String> = server.take_requests().into_iter().map(|asked| asked.line).collect();
    assert!(!lines.is_empty() && lines.iter().all(|line| !line.contains("receive-pack")), "{lines:?}");
    // Nothing is fetched from Git either: the cache has everything.
    assert!(lines.iter().all(|line| !line.starts_with("POST") || line.ends_with("git-upload-pack")), "{lines:?}");
    assert_eq!(stage.repo.git(&["for-each-ref"]), refs);
    assert_eq!(stage.events(), told);
}

#[test]
fn a_changed_image_costs_at_most_three_requests_for_each_side() {
    let stage = Stage::new("");
    crowd(&stage);
    stage.ends(0, &[]);
    stage.push("a:2", 5);
    stage.registry.forget();
    let commits = stage.commits().len();
    stage.ends(0, &[]);
    let asked = stage.registry.counts();
    assert_eq!((asked.head, asked.ping, asked.token), (4, 0, 0), "{asked:?}");
    let gets: Vec<_> = stage.registry.requests().into_iter().filter(|asked| asked.method == "GET").collect();
    let targets: Vec<&str> = gets.iter().map(|asked| asked.target.as_str()).collect();
    let manifests = targets.iter().filter(|target| target.contains("/manifests/sha256:")).count();
    assert!(manifests == 2 && targets.len() <= 4, "{targets:?}");
    assert_eq!(stage.commits().len(), commits + 1);
}

#[test]
fn a_changed_index_costs_no_more() {
    let stage = Stage::with(FakeRegistry::start(), "");
    stage.stream("a", &[("1", 1)]);
    stage.ends(0, &[]);
    let image = Image::new(9).platforms(&["linux/amd64", "linux/arm64"]).attestation(1);
    let digest = stage.registry.push("a", "1", &image);
    stage.registry.forget();
    stage.ends(0, &[]);
    let asked = stage.registry.counts();
    assert!(asked.head == 1 && asked.get <= 5, "{asked:?}");
    assert_eq!(stage.pin("a:1").as_deref(), Some(digest.as_str()));
}

#[test]
fn a_rejected_push_does_not_resolve_new_tags_again() {
    let stage = Stage::new("");
    stage.stream("web", &[("1", 1), ("2", 2), ("3", 3)]);
    stage.repo.git(&["branch", "next", "main"]);
    let next = stage.repo.commit("next", &[("README", "hello\n")]);
    // Somebody commits while the pass resolves.
    let (repository, mut is_done) = (stage.repo.path(), false);
    stage.registry.lie(move |request| {
        if request.path().contains("/blobs/") && !std::mem::replace(&mut is_done, true) {
            run(git_in(&repository).args(["update-ref", "refs/heads/main", &next]), b"");
        }
        None
    });
    let said = stage.ends(0, &[]);
    assert!(said.contains("3 added; landed as "), "{said}");
    assert!(stage.commits().contains(&stage.repo.tip("refs/heads/next").unwrap()));
    let asked = stage.registry.counts();
    assert_eq!((asked.head, asked.get), (3, 6), "{asked:?}");
}

#[test]
fn answers_of_a_mirror_removed_during_the_pass_are_discarded() {
    let mirror = FakeRegistry::start();
    mirror.push("web", "1", &Image::new(9));
    let table = format!("[registry.\"{}\"]\nplain-http = true\n", mirror.host());
    let stage = Stage::new(&format!("mirrors = [\"{}\"]\n{table}", mirror.host()));
    let digest = stage.push("web:1", 1);
    stage.commit("streams/web.toml", "[tags]\n1 = \"REGISTRY/web:1\"\n");
    stage.repo.git(&["branch", "next", "main"]);
    let settings = format!("[registry.\"{}\"]\nplain-http = true\n", stage.registry.host());
    let next = stage.repo.commit("next", &[("pinstream.toml", &settings)]);
    let (repository, mut is_done) = (stage.repo.path(), false);
    mirror.lie(move |request| {
        if request.path().contains("/blobs/") && !std::mem::replace(&mut is_done, true) {
            run(git_in(&repository).args(["update-ref", "refs/heads/main", &next]), b"");
        }
        None
    });
    stage.ends(0, &[]);
    assert!(!mirror.requests().is_empty());
    assert_eq!(stage.pin("web:1").as_deref(), Some(digest.as_str()));
}

#[test]
fn ten_tags_of_one_digest_are_fetched_once() {
    let stage = Stage::new("");
    let names: Vec<String> = (0..10).map(|tag| format!("t{tag}")).collect();
    let tags: Vec<(&str, u64)> = names.iter().map(|name| (name.as_str(), 1)).collect();
    let text: String = names.iter().map(|name| format!("{name} = \"REGISTRY/web:{name}\"\n")).collect();
    for (name, seed) in &tags {
        stage.registry.push("web", name, &Image::new(*seed));
    }
    stage.commit("streams/web.toml", &format!("[tags]\n{text}"));
    stage.ends(0, &[]);
    let asked = stage.registry.counts();
    assert_eq!((asked.head, asked.get), (10, 2), "{asked:?}");
    assert_eq!(stage.pin("web:t9"), stage.pin("web:t0"));

    // Each failing tag has an error of its own.
    let text: String = text
        .lines()
        .map(|line| line.replace(" = \"", " = { image = \"") + ", platform = \"linux/arm64\" }\n")
        .collect();
    stage.commit("streams/web.toml", &format!("[tags]\n{text}"));
    let told = stage.ends(4, &[]);
    for name in &names {
        assert!(told.contains(&format!("/web:{name}` has no `linux/arm64`")), "{told}");
    }
}
