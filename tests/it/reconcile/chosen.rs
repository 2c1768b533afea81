//! Tags that are selected from a repository, and streams that discover many.

use super::stage::Stage;
use crate::support::lane::slow;

/// Pushes an image for each tag to the repository `app`.
fn fill(stage: &Stage, tags: &[&str]) {
    for tag in tags {
        stage.push(&format!("app:{tag}"), u64::from_le_bytes(format!("{tag:_<8.8}").into_bytes().try_into().unwrap()));
    }
}

/// The lock as `tag repository-tag`, one pin per line.
fn pins(stage: &Stage) -> String {
    let lock: toml::Table = stage.lock().parse().unwrap();
    let pin = |pin: &toml::Value| {
        let image = pin["image"].as_str().unwrap();
        format!("{} {}\n", pin["tag"].as_str().unwrap(), image.rsplit_once('/').unwrap().1)
    };
    lock.get("pin").and_then(toml::Value::as_array).into_iter().flatten().map(pin).collect()
}

const CHOOSING: &str = "[tags]\n\
    edge = { repository = \"REGISTRY/app\", semver = \">=3.13, <4\" }\n\
    beta = { repository = \"REGISTRY/app\", semver = \">=3.14.0-0\" }\n\
    night = { repository = \"REGISTRY/app\", pattern = '^night-(\\d{8})$', order = \"number\" }\n\
    stable = { follow = \"edge\" }\n";

#[test]
fn the_highest_tag_is_selected_with_one_list_per_repository() {
    let stage = Stage::new("");
    stage.commit("streams/app.toml", CHOOSING);
    fill(&stage, &["latest", "3.12.9", "3.13.0", "3.13", "3.14.0-rc1", "night-20261123", "night-20261122"]);
    stage.ends(0, &[]);
    let first = "beta app:3.14.0-rc1\nedge app:3.13.0\nnight app:night-20261123\nstable app:3.13.0\n";
    assert_eq!(pins(&stage), first);

    // Without changes: one list, and one HEAD per selected tag.
    stage.registry.forget();
    stage.ends(0, &[]);
    let asked = stage.registry.requests();
    let count = |part: &str| asked.iter().filter(|request| request.path().contains(part)).count();
    assert_eq!((count("/tags/list"), count("/manifests/"), asked.len()), (1, 3, 4));
    assert_eq!(stage.commits().len(), 3);

    fill(&stage, &["3.13.1", "3.14.0", "4.0.0", "night-20261124"]);
    stage.ends(0, &[]);
    assert_eq!(pins(&stage), "beta app:4.0.0\nedge app:3.14.0\nnight app:night-20261124\nstable app:3.14.0\n");
}

#[test]
fn a_tie_is_explained_on_request() {
    let stage = Stage::new("");
    stage.commit("streams/app.toml", CHOOSING);
    fill(&stage, &["3.13.0", "3.13", "v3.13.0", "3.14.0-rc1", "night-20261123"]);
    stage.ends(0, &[]);
    assert!(!stage.ends(0, &[]).contains("ranks equal to"));
    let told = stage.ends(0, &["-v"]);
    assert!(
        told.contains(
            "`app:edge` selects `3.13.0`, which ranks equal to `v3.13.0`, `3.13`: the most specific tag wins"
        ),
        "{told}"
    );
}

#[test]
fn a_selector_without_a_match_keeps_its_pin_and_lists_candidates() {
    let stage = Stage::new("");
    stage.commit("streams/app.toml", "[tags]\nedge = { repository = \"REGISTRY/app\", semver = \"^3\" }\n");
    fill(&stage, &["3.0.0"]);
    stage.ends(0, &[]);
    stage.registry.remove("app", "3.0.0");
    fill(&stage, &["2.0.0", "latest"]);
    stage.check(
        &[],
        "
--- out
failed  app:edge  not-found: `[REGISTRY]/app` has no matching tag: in ^3
                  help: the repository has 2 tags, e.g. `latest`, `2.0.0`
1 failed; nothing to write
--- exit 3
",
    );
    assert_eq!(pins(&stage), "edge app:3.0.0\n");
}

#[test]
fn a_failing_tag_list_fails_only_its_tags() {
    slow!();
    let stage = Stage::new("");
    stage.commit("streams/app.toml", &format!("{CHOOSING}[discover]\nrepository = \"REGISTRY/app\"\nsemver = \"*\"\n"));
    stage.stream("web", &[("1", 1)]);
    fill(&stage, &["3.13.0", "night-20261123", "3.14.0"]);
    stage.ends(0, &[]);
    let before = pins(&stage);
    stage.registry.fail("/tags/list", 500);
    stage.push("web:1", 2);
    let report = stage.report(3, &[]);
    let outcomes = report["tags"].as_array().unwrap().iter().map(|row| {
        format!(
            "{}:{} {}",
            row["stream"].as_str().unwrap(),
            row["tag"].as_str().unwrap(),
            row["outcome"].as_str().unwrap()
        )
    });
    assert_eq!(
        outcomes.collect::<Vec<_>>(),
        [
            "app:3.13.0 failed",
            "app:3.14.0 failed",
            "app:beta failed",
            "app:edge failed",
            "app:night failed",
            "app:stable unchanged",
            "web:1 updated"
        ]
    );
    assert_eq!(pins(&stage), before);
}

#[test]
fn a_stream_adds_discovered_tags_and_removes_missing_ones() {
    let stage = Stage::new("");
    let stream = "[tags]\nlatest = { follow = \"2.1.0\" }\n\"2.0.0\" = \"REGISTRY/app:old\"\n\
                  [discover]\nrepository = \"REGISTRY/app\"\nsemver = \">=2\"\nlimit = 2\n";
    stage.commit("streams/app.toml", stream);
    fill(&stage, &["old", "1.0.0", "2.0.0", "2.1.0"]);
    stage.ends(0, &[]);
    assert_eq!(pins(&stage), "2.0.0 app:old\n2.1.0 app:2.1.0\nlatest app:2.1.0\n");
    fill(&stage, &["2.2.0"]);
    stage.commit("streams/ahead.toml", "[tags]\nnext = { follow = \"app:3.0.0\" }\n");
    let told = stage.ends(3, &[]);
    assert!(told.contains("ahead:next  not-found: `app:3.0.0`, which it follows, has no pin"), "{told}");
    stage.commit("streams/ahead.toml", "");
    let told = stage.ends(0, &[]);
    assert!(told.contains("`app` discovers 2 of 3 matching tags"), "{told}");
    assert_eq!(pins(&stage), "2.0.0 app:old\n2.1.0 app:2.1.0\n2.2.0 app:2.2.0\nlatest app:2.1.0\n");
    stage.registry.remove("app", "2.2.0");
    stage.ends(0, &[]);
    assert_eq!(pins(&stage), "2.0.0 app:old\n2.1.0 app:2.1.0\nlatest app:2.1.0\n");
}

#[test]
fn a_stream_that_discovers_nothing_at_first_is_a_failure() {
    let stage = Stage::new("");
    stage.commit("streams/app.toml", "[discover]\nrepository = \"REGISTRY/app\"\n");
    let told = stage.ends(3, &[]);
    assert!(told.contains("cannot discover the tags of `app`"), "{told}");
}

#[test]
fn check_verifies_selected_tags_offline() {
    let stage = Stage::new("");
    stage.commit("streams/app.toml", CHOOSING);
    fill(&stage, &["3.13.0", "3.14.0", "night-20261123"]);
    stage.ends(0, &[]);
    stage.sandbox.git(&["clone", "--quiet", &stage.remote, "."]);
    let check = |expected: &str| stage.sandbox.check(&["check"], expected);
    check("--- out\n4 pins in 1 stream: lock matches the definitions\n--- exit 0");
    let stricter = CHOOSING.replace(">=3.13, <4", "~3.13.0").replace("REGISTRY", &stage.registry.host());
    stage.sandbox.write("streams/app.toml", &stricter);
    let ran = stage.sandbox.run(&["check"]);
    assert_eq!(ran.code, Some(2));
    let expected = format!(
        "`app:edge` is pinned to image `{}/app:3.14.0`, which its definition does not select",
        stage.registry.host()
    );
    assert!(ran.stdout.contains(&expected), "{}", ran.stdout);
}
