//! Schedules of imports (openshift/openshift-controller-manager, `scheduler_test.go`,
//! `scheduled_image_controller_test.go`).

use crate::reconcile::stage::Stage;

/// Tags of the stream `web`, each with an image of its own, resolved every 15 minutes unless they say otherwise.
fn stage(tags: &[(&str, &str)]) -> Stage {
    let stage = Stage::new("[import]\nschedule = \"*/15 * * * *\"\n");
    for (seed, (tag, _)) in (1..).zip(tags) {
        stage.push(&format!("web:{tag}"), seed);
    }
    write(&stage, tags);
    stage
}

fn write(stage: &Stage, tags: &[(&str, &str)]) {
    let line = |(tag, more): &(&str, &str)| format!("{tag} = {{ image = \"REGISTRY/web:{tag}\"{more} }}\n");
    stage.commit("streams/web.toml", &format!("[tags]\n{}", tags.iter().map(line).collect::<String>()));
}

/// Tags that a pass at `now` requested, once for each request.
#[track_caller]
fn asked(stage: &mut Stage, now: &str, args: &[&str]) -> Vec<String> {
    stage.sandbox.env("PINSTREAM_NOW", format!("2026-11-24T{now}Z"));
    stage.registry.forget();
    stage.ends(0, args);
    let heads = stage.registry.requests().into_iter().filter(|request| request.method == "HEAD");
    let mut tags: Vec<_> = heads.map(|request| request.path().rsplit('/').next().unwrap().to_owned()).collect();
    tags.sort();
    tags
}

#[test]
fn test_scheduler() {
    let mut stage = stage(&[("first", ""), ("second", ""), ("third", "")]);
    let all = ["first", "second", "third"];
    assert_eq!(asked(&mut stage, "12:00:00", &["--due"]), all);
    assert!(asked(&mut stage, "12:14:59", &["--due"]).is_empty());
    assert_eq!(asked(&mut stage, "12:15:00", &["--due"]), all);
    assert!(asked(&mut stage, "12:15:01", &["--due"]).is_empty());
}

#[test]
fn test_scheduler_add_and_delay() {
    let mut stage = stage(&[("first", "")]);
    assert_eq!(asked(&mut stage, "12:00:00", &["--due"]), ["first"]);
    // A new tag is due at once, and then together with the others.
    stage.push("web:second", 2);
    write(&stage, &[("first", ""), ("second", "")]);
    assert_eq!(asked(&mut stage, "12:05:00", &["--due"]), ["second"]);
    assert!(asked(&mut stage, "12:10:00", &["--due"]).is_empty());
    // A pass without `--due` does not delay a scheduled one.
    assert_eq!(asked(&mut stage, "12:14:00", &["web:first"]), ["first"]);
    assert_eq!(asked(&mut stage, "12:15:00", &["--due"]), ["first", "second"]);
}

#[test]
fn test_scheduler_remove() {
    let mut stage = stage(&[("first", ""), ("second", "")]);
    assert_eq!(asked(&mut stage, "12:00:00", &["--due"]), ["first", "second"]);
    write(&stage, &[("second", "")]);
    assert_eq!(asked(&mut stage, "12:15:00", &["--due"]), ["second"]);
    assert_eq!(stage.pin("web:first"), None);
    write(&stage, &[("first", ", schedule = \"never\""), ("second", "")]);
    assert_eq!(asked(&mut stage, "12:30:00", &["--due"]), ["second"]);
}

#[test]
fn test_scheduler_sanity() {
    let names: Vec<String> = (0..20).map(|number| format!("t{number:02}")).collect();
    let tags: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "")).collect();
    let mut stage = stage(&tags);
    assert_eq!(asked(&mut stage, "12:00:00", &["--due"]), names);
    // A pass every five minutes over two rounds: each tag is resolved twice.
    let mut seen: Vec<String> = Vec::new();
    for minute in ["05", "10", "15", "20", "25", "30", "35", "40"] {
        seen.extend(asked(&mut stage, &format!("12:{minute}:00"), &["--due"]));
    }
    seen.sort();
    let twice: Vec<&String> = names.iter().flat_map(|name| [name, name]).collect();
    assert_eq!(seen.iter().collect::<Vec<_>>(), twice);
}

#[test]
fn test_scheduling_checks() {
    let mut stage = stage(&[("never", ", schedule = \"never\"")]);
    // Nothing is scheduled.
    assert!(asked(&mut stage, "12:00:00", &["--due"]).is_empty());
    assert_eq!(stage.registry.counts().get, 0);
    let digest = super::digest(5);
    let stream = format!("[tags]\nfixed = \"REGISTRY/web@{digest}\"\nnormal = \"REGISTRY/web:normal\"\n");
    stage.push("web:normal", 2);
    stage.commit("streams/web.toml", &stream);
    let mut due = |now: &str, code: i32| {
        stage.sandbox.env("PINSTREAM_NOW", format!("2026-11-24T{now}Z"));
        stage.registry.forget();
        let report = stage.report(code, &["--due"]);
        if code == 3 {
            // The image exists from now on.
            stage.push("web:late", 5);
        }
        let rows = report["tags"].as_array().unwrap().iter();
        let rows: Vec<_> =
            rows.map(|row| format!("{} {}", row["tag"].as_str().unwrap(), row["outcome"].as_str().unwrap())).collect();
        let asked = stage.registry.requests();
        (rows.join(", "), asked.iter().filter(|request| request.path().ends_with(&digest)).count())
    };
    // A missing digest is due again early; once it is pinned, it is not resolved any more.
    assert_eq!(due("12:01:00", 3), ("fixed failed, normal added".to_owned(), 1));
    assert_eq!(due("12:02:00", 0), ("fixed added, normal skipped".to_owned(), 1));
    assert_eq!(due("12:03:00", 0), ("fixed skipped, normal skipped".to_owned(), 0));
    assert_eq!(due("12:15:00", 0), ("fixed unchanged, normal unchanged".to_owned(), 0));
}

#[test]
fn test_handle_image_stream() {
    let mut stage = stage(&[("first", ""), ("second", "")]);
    assert_eq!(asked(&mut stage, "12:00:00", &["--due"]), ["first", "second"]);
    // Nothing to do.
    assert!(asked(&mut stage, "12:01:00", &["--due"]).is_empty());
    // A definition that is newer than its pin is resolved at once, and no other.
    stage.push("web:other", 3);
    let stream = "[tags]\nfirst = \"REGISTRY/web:first\"\nsecond = \"REGISTRY/web:other\"\n";
    stage.commit("streams/web.toml", stream);
    assert_eq!(asked(&mut stage, "12:02:00", &["--due"]), ["other"]);
    assert!(asked(&mut stage, "12:03:00", &["--due"]).is_empty());
    stage.push("app:1", 4);
    stage.commit("streams/app.toml", "[discover]\nrepository = \"REGISTRY/app\"\n");
    assert_eq!(asked(&mut stage, "12:04:00", &["--due"]), ["1"]);
    assert!(asked(&mut stage, "12:05:00", &["--due"]).is_empty());
}
