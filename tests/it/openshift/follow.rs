//! Tags that follow tags, and their history (openshift/openshift-apiserver, `imageutil/helpers_test.go` and
//! `imagestream/strategy_test.go`; openshift/oc, `helpers/image`).

use super::{at, digest, history, settles};
use crate::reconcile::stage::{Stage, TELL};
use crate::support::lane::slow;
use crate::support::registry::Image;
use crate::support::sandbox::same;

const ALL: &str = "[tags]\n\"2.0\" = \"REGISTRY/ruby:2.0\"\nother = \"REGISTRY/ruby:other\"\n";

/// The stream `ruby` with the tags of [`ALL`] and `more`, pinned.
fn ruby(more: &str) -> Stage {
    let stage = Stage::new(TELL);
    stage.push("ruby:2.0", 1);
    stage.push("ruby:other", 9);
    stage.commit("streams/ruby.toml", &format!("{ALL}{more}"));
    stage.ends(0, &[]);
    stage
}

#[test]
fn test_add_tag_event_to_image_stream() {
    let stage = Stage::new("");
    let step = |image: &str, seed: u64, expected: (&str, &str)| {
        stage.push(image, seed);
        stage.commit("streams/web.toml", &format!("[tags]\n\"1\" = \"REGISTRY/{image}\"\n"));
        stage.ends(0, &[]);
        let image = at(&stage, "web:1").replace(&stage.registry.host(), "");
        assert_eq!((image.as_str(), history(&stage, "web:1").as_str()), expected);
    };
    // No entry yet; the same reference and image; another image; another reference; both.
    step("web:1", 1, ("/web:1", "1"));
    step("web:1", 1, ("/web:1", "1"));
    step("web:1", 2, ("/web:1", "2 1"));
    step("copy:1", 2, ("/copy:1", "2 1"));
    step("copy:2", 3, ("/copy:2", "3 2 1"));
}

#[test]
fn test_update_tracking_tags() {
    let copied = digest(1);
    let stage = ruby(&format!(
        "fixed = \"REGISTRY/ruby:2.0@{copied}\"\nlatest = {{ follow = \"2.0\" }}\nlong = {{ follow = \"ruby:2.0\" }}\n\
         none = {{ follow = \"other\" }}\n"
    ));
    stage.commit("streams/app.toml", "[tags]\nbase = { follow = \"ruby:2.0\" }\nown = \"REGISTRY/ruby:other\"\n");
    stage.ends(0, &[]);
    settles(&stage);
    stage.push("ruby:2.0", 2);
    stage.check(
        &[],
        "
--- out
updated  app:base     5ba3d1f9b164 → 8085abc7215c  1.0.1 → 1.0.2
updated  ruby:2.0     5ba3d1f9b164 → 8085abc7215c  1.0.1 → 1.0.2
updated  ruby:latest  5ba3d1f9b164 → 8085abc7215c  1.0.1 → 1.0.2
updated  ruby:long    5ba3d1f9b164 → 8085abc7215c  1.0.1 → 1.0.2
hook tell succeeded for 4 changes
4 updated, 4 unchanged; landed as [COMMIT 6] on main
--- exit 0
",
    );
    for tag in ["ruby:2.0", "ruby:latest", "ruby:long", "app:base"] {
        assert_eq!(history(&stage, tag), "2 1", "{tag}");
    }
    for (tag, seed) in [("ruby:fixed", "1"), ("ruby:none", "9"), ("app:own", "9")] {
        assert_eq!(history(&stage, tag), seed, "{tag}");
    }
    settles(&stage);
}

#[test]
fn test_tag_ref_changed() {
    let stage = ruby("latest = { follow = \"2.0\" }\n");
    let lock = stage.lock();
    // The name of the stream itself may be left out.
    for same in ["latest = { follow = \"ruby:2.0\" }\n", "[tags.latest]\nfollow = \"2.0\"\n"] {
        stage.commit("streams/ruby.toml", &format!("{ALL}{same}"));
        settles(&stage);
        assert_eq!(stage.lock(), lock);
    }
    stage.commit("streams/ruby.toml", &format!("{ALL}latest = {{ follow = \"other\" }}\n"));
    stage.ends(0, &[]);
    assert_eq!(history(&stage, "ruby:latest"), "9 1");
}

#[test]
fn test_tags_changed_tag_changes_and_referenced_tag_should_react() {
    let stage = ruby("t2 = { follow = \"t1\" }\nt1 = { follow = \"2.0\" }\n");
    let others =
        |stage: &Stage| stage.lock().split("[[pin]]").filter(|pin| pin.contains("tag = \"other\"")).collect::<String>();
    let before = others(&stage);
    stage.commit("streams/ruby.toml", &format!("{ALL}t2 = {{ follow = \"t1\" }}\nt1 = \"REGISTRY/ruby:other\"\n"));
    stage.check(
        &[],
        "
--- out
updated  ruby:t1  5ba3d1f9b164 → 83f82e9d922a  1.0.1 → 1.0.9
updated  ruby:t2  5ba3d1f9b164 → 83f82e9d922a  1.0.1 → 1.0.9
hook tell succeeded for 2 changes
2 updated, 2 unchanged; landed as [COMMIT 5] on main
--- exit 0
",
    );
    assert_eq!((history(&stage, "ruby:t2").as_str(), history(&stage, "ruby:2.0").as_str()), ("9 1", "1"));
    assert_eq!(others(&stage), before);
    settles(&stage);
}

#[test]
fn test_tags_changed_single_tag_update_preserves_history() {
    let stage = ruby("");
    stage.push("ruby:2.0", 2);
    stage.ends(0, &[]);
    let blocks = |stage: &Stage| stage.lock().split("[[pin]]").map(str::to_owned).collect::<Vec<_>>();
    let before = blocks(&stage);
    stage.push("ruby:other", 8);
    stage.ends(0, &[]);
    let after = blocks(&stage);
    assert_eq!((before.len(), &before[..2]), (after.len(), &after[..2]));
    assert_eq!((history(&stage, "ruby:2.0").as_str(), history(&stage, "ruby:other").as_str()), ("2 1", "8 9"));
}

#[test]
fn test_resolve_image_id() {
    slow!();
    let stage = ruby("");
    for (two, other) in [(2, 8), (3, 7)] {
        stage.push("ruby:2.0", two);
        stage.push("ruby:other", other);
        stage.ends(0, &[]);
    }
    assert_eq!((history(&stage, "ruby:2.0").as_str(), history(&stage, "ruby:other").as_str()), ("3 2 1", "7 8 9"));
    stage.commit("streams/empty.toml", "[tags]\n");
    stage.sandbox.git(&["clone", "--quiet", &stage.remote, "."]);
    let run = |args: &[&str]| {
        stage.sandbox.git(&["checkout", "--quiet", "."]);
        stage.sandbox.run(args)
    };
    // The current and the oldest digest of each tag: complete, or a prefix, with or without the algorithm.
    for seed in [1, 3, 7, 9] {
        let whole = digest(seed);
        let hex = &whole["sha256:".len()..];
        for id in [&whole, hex, &hex[..63], &hex[..20]] {
            let ran = run(&["tag", &format!("ruby@{id}"), "ruby:old"]);
            assert_eq!(ran.code, Some(0), "{id}: {}", ran.stderr);
            assert!(ran.stdout.contains(&format!("@{whole}\n")), "{id}: {}", ran.stdout);
            if seed == 1 {
                let ran = run(&["rollback", "ruby:2.0", "--to", id, "--reason", "bad"]);
                assert_eq!(ran.code, Some(0), "{id}: {}", ran.stderr);
                assert!(stage.sandbox.read("pinstream.lock").contains(&format!("digest = \"{whole}\"")), "{id}");
            }
        }
        // A prefix one character longer than the known digest.
        for longer in [format!("{whole}0"), format!("{hex}0")] {
            let ran = run(&["tag", &format!("ruby@{longer}"), "ruby:old"]);
            assert_eq!(ran.code, Some(64), "{longer}");
            let ran = run(&["rollback", "ruby:2.0", "--to", &longer, "--reason", "bad"]);
            assert_eq!(ran.code, Some(64), "{longer}");
        }
    }
    for nothing in ["empty@", "nowhere@"] {
        let ran = run(&["tag", &format!("{nothing}{}", digest(1)), "ruby:old"]);
        assert_eq!((ran.code, ran.stderr.contains("is or was pinned to")), (Some(64), true), "{}", ran.stderr);
    }
}

#[test]
fn test_follow_tag_reference_follow() {
    let stage = ruby("latest = { follow = \"2.0\" }\n");
    assert_eq!((history(&stage, "ruby:latest").as_str(), at(&stage, "ruby:latest")), ("1", at(&stage, "ruby:2.0")));
}

#[test]
fn test_follow_tag_reference_image_stream_tag_form() {
    let stage = ruby("latest = { follow = \"ruby:2.0\" }\n");
    assert_eq!((history(&stage, "ruby:latest").as_str(), at(&stage, "ruby:latest")), ("1", at(&stage, "ruby:2.0")));
}

/// Output of a pass over the stream `ruby` with `more`, which cannot be loaded: nothing is requested or written.
#[track_caller]
fn check(more: &str, expected: &str) {
    let stage = ruby("");
    stage.commit("streams/ruby.toml", &format!("{ALL}{more}"));
    stage.registry.forget();
    let refs = stage.repo.git(&["for-each-ref"]);
    stage.check(&[], expected);
    assert_eq!((stage.repo.git(&["for-each-ref"]), stage.registry.requests().len()), (refs, 0));
}

#[test]
fn test_follow_tag_reference_missing() {
    check(
        "latest = { follow = \"2.1\" }\n",
        r#"
--- err
error: `ruby:latest` follows `ruby:2.1`, which does not exist
 --> streams/ruby.toml:4:21
  |
4 | latest = { follow = "2.1" }
  |                     ^^^^^
  |
  = help: did you mean `ruby:2.0`?
--- exit 1
"#,
    );
}

#[test]
fn test_follow_tag_reference_cross_stream() {
    check(
        "latest = { follow = \"rubby:2.0\" }\n",
        r#"
--- err
error: `ruby:latest` follows `rubby:2.0`, which does not exist
 --> streams/ruby.toml:4:21
  |
4 | latest = { follow = "rubby:2.0" }
  |                     ^^^^^^^^^^^
  |
  = help: there is no stream `rubby`; did you mean `ruby:2.0`?
--- exit 1
"#,
    );
    let stage = ruby("");
    stage.commit("streams/app.toml", "[tags]\nbase = { follow = \"ruby:2.0\" }\n");
    stage.push("ruby:2.0", 2);
    stage.ends(0, &[]);
    assert_eq!(history(&stage, "app:base"), "2");
}

#[test]
fn test_follow_tag_reference_cross_namespace() {
    check(
        "latest = { follow = \"team/ruby:2.0\" }\nfar = { follow = \"team//ruby:2.0\" }\n",
        r#"
--- err
error: `ruby:latest` follows `team/ruby:2.0`, which does not exist
 --> streams/ruby.toml:4:21
  |
4 | latest = { follow = "team/ruby:2.0" }
  |                     ^^^^^^^^^^^^^^^
  |
  = help: there is no stream `team/ruby`

error: `ruby:far` follows a tag of the remote `team`, which does not exist
 --> streams/ruby.toml:5:18
  |
5 | far = { follow = "team//ruby:2.0" }
  |                  ^^^^^^^^^^^^^^^^
  |
  = help: add `[remote.team]` and its `url` to `pinstream.toml`
--- exit 1
"#,
    );
    let stage = ruby("");
    stage.commit("streams/team/app.toml", "[tags]\nbase = { follow = \"ruby:2.0\" }\n");
    stage.ends(0, &[]);
    assert_eq!(history(&stage, "team/app:base"), "1");
}

#[test]
fn test_follow_tag_reference_circular() {
    check(
        "a = { follow = \"b\" }\nb = { follow = \"ruby:a\" }\n",
        r#"
--- err
error: `ruby:a` follows itself: ruby:a → ruby:b → ruby:a
 --> streams/ruby.toml:4:16
  |
4 | a = { follow = "b" }
  |                ^^^
  |
  = help: define one of the tags by an image
--- exit 1
"#,
    );
}

#[test]
fn test_three_hops_change_in_one_run() {
    slow!();
    // In any order of definition: the end of the chain first, last and in between.
    for names in ["abcd", "dcba", "bdac"] {
        let names: Vec<char> = names.chars().collect();
        let hops: String =
            names.windows(2).map(|hop| format!("{} = {{ follow = \"{}\" }}\n", hop[0], hop[1])).collect();
        let stage = ruby(&format!("{hops}{} = {{ follow = \"2.0\" }}\n", names[3]));
        stage.push("ruby:2.0", 2);
        let commits = stage.commits().len();
        stage.ends(0, &[]);
        for tag in &names {
            assert_eq!(history(&stage, &format!("ruby:{tag}")), "2 1", "{names:?}: {tag}");
        }
        assert_eq!(stage.commits().len(), commits + 1);
        settles(&stage);
    }
}

#[test]
fn test_a_run_again_keeps_the_import_mode() {
    let image = |seed: u64| Image::new(seed).platforms(&["linux/amd64", "linux/arm64"]);
    let stage = Stage::new("");
    stage.registry.push("web", "1", &image(1));
    let one = "{ image = \"REGISTRY/web:1\", platform = \"linux/arm64\" }";
    stage.commit("streams/web.toml", &format!("[tags]\nall = \"REGISTRY/web:1\"\none = {one}\n"));
    for (run, seed) in [1, 1, 2, 2, 3].into_iter().enumerate() {
        stage.registry.push("web", "1", &image(seed));
        let named = [&[][..], &["web:one"], &["web:all", "web:one"], &["web:all"], &["web:one", "web:all"]][run];
        stage.ends(0, named);
        let built = image(seed).build();
        let expected = (Some(built.top.digest.to_string()), Some(built.children[1].digest.to_string()));
        assert_eq!((stage.pin("web:all"), stage.pin("web:one")), expected, "run {run}");
    }
    same(
        &stage.repo.read("main", "streams/web.toml").unwrap().replace(&stage.registry.host(), "REGISTRY"),
        &format!("[tags]\nall = \"REGISTRY/web:1\"\none = {one}"),
    );
}

#[test]
fn a_chain_of_five_hops_across_streams_changes_in_one_pass() {
    let stage = ruby("a = { follow = \"2.0\" }\n");
    for (stream, followed) in [("s1", "ruby:a"), ("s2", "s1:x"), ("s3", "s2:x"), ("a0", "s3:x")] {
        stage.commit(&format!("streams/{stream}.toml"), &format!("[tags]\nx = {{ follow = \"{followed}\" }}\n"));
    }
    stage.ends(0, &[]);
    stage.push("ruby:2.0", 2);
    let commits = stage.commits().len();
    stage.ends(0, &[]);
    for tag in ["ruby:2.0", "ruby:a", "s1:x", "s2:x", "s3:x", "a0:x"] {
        assert_eq!(history(&stage, tag), "2 1", "{tag}");
    }
    assert_eq!(stage.commits().len(), commits + 1);
}
