//! Effects of a pass, and that a second pass changes nothing (openshift/openshift-apiserver,
//! `imagestreamimport/rest_test.go`).

use super::{history, settles};
use crate::reconcile::stage::{Stage, TELL};
use crate::support::registry::Image;
use crate::support::sandbox::same;

/// Creates a stage with one tag, pinned to the image of seed 1.
fn stage() -> Stage {
    let stage = Stage::new(TELL);
    stage.stream("web", &[("1", 1)]);
    stage.ends(0, &[]);
    settles(&stage);
    stage
}

#[test]
fn test_import_successful_empty_status() {
    assert_eq!(history(&stage(), "web:1"), "1");
}

#[test]
fn test_import_successful_image_differs() {
    let stage = stage();
    stage.push("web:1", 2);
    stage.ends(0, &[]);
    assert_eq!(history(&stage, "web:1"), "2 1");
    settles(&stage);
}

#[test]
fn test_import_successful_reference_differs() {
    let stage = stage();
    stage.push("copy:1", 1);
    stage.commit("streams/web.toml", "[tags]\n\"1\" = \"REGISTRY/copy:1\"\n");
    stage.check(
        &[],
        "
--- out
refreshed  web:1  5ba3d1f9b164                 1.0.1
1 refreshed; landed as [COMMIT 5] on main
--- exit 0
",
    );
    let diff = stage.repo.git(&["diff", "-U0", "main^", "main"]);
    let changed: Vec<&str> = diff.lines().skip(5).collect();
    let changed = stage.sandbox.scrubbed(&changed.join("\n"));
    same(
        &changed,
        r#"
-image = "[REGISTRY]/web:1"
+image = "[REGISTRY]/copy:1"
"#,
    );
    // The digest is unchanged, so no hook runs.
    assert_eq!((history(&stage, "web:1").as_str(), stage.events().len()), ("1", 1));
    settles(&stage);
}

#[test]
fn test_import_successful_only_generation_differs() {
    let stage = stage();
    stage.commit(
        "streams/web.toml",
        "# written anew\n[tags.\"1\"]\nimage = \"REGISTRY/web:1\"\nannotations = { a = \"b\" }\n",
    );
    settles(&stage);
}

#[test]
fn test_import_successful_with_submanifests() {
    let image = Image::new(5).platforms(&["linux/amd64", "linux/arm64"]);
    let child = image.build().children[1].digest.to_string();
    let stage = Stage::new("");
    let list = stage.registry.push("web", "1", &image).to_string();
    let pinned = |tags: &str, expected: &[&str]| {
        stage.commit("streams/web.toml", &format!("[tags]\n{tags}"));
        stage.ends(0, &[]);
        let found: Vec<_> =
            ["all", "arm64", "by-digest"].iter().filter_map(|tag| stage.pin(&format!("web:{tag}"))).collect();
        assert_eq!(found, expected);
        settles(&stage);
    };
    let all = "all = \"REGISTRY/web:1\"\n";
    // First the list, then also one of its children, then also the list by its digest.
    pinned(all, &[&list]);
    let one = format!("{all}arm64 = {{ image = \"REGISTRY/web:1\", platform = \"linux/arm64\" }}\n");
    pinned(&one, &[&list, &child]);
    pinned(&format!("{one}by-digest = \"REGISTRY/web@{list}\"\n"), &[&list, &child, &list]);
    pinned(&one, &[&list, &child]);
}

#[test]
fn test_create_images() {
    let stage = stage();
    stage.commit("streams/new.toml", "[tags]\nnone = \"REGISTRY/none:1\"\n");
    // Only the state records the failure.
    let heads = || stage.repo.git(&["for-each-ref", "refs/heads"]);
    let before = heads();
    for _ in 0..2 {
        let report = stage.report(3, &[]);
        let row = |number: usize| &report["tags"][number];
        assert_eq!((&row(0)["outcome"], &row(0)["error"]["kind"]), (&"failed".into(), &"not-found".into()));
        assert_eq!((&row(1)["outcome"], row(1).get("error")), (&"unchanged".into(), None));
        assert_eq!(heads(), before);
    }
}
