//! Tags that follow tags of another repository: its pins are verified and land here under our own rules.

use super::stage::{Stage, pin};
use crate::support::canary::CANARY;
use crate::support::lane::slow;
use crate::support::remote::BareRepo;
use crate::support::remote::http::HttpBackend;
use crate::support::sandbox::RunResult;

const PLATFORM: &str = "[tags]\n\"3.12\" = \"REGISTRY/python:3.12\"\nlatest = { follow = \"3.12\" }\n";
const WEB: &str = "[tags]\nbase = { follow = \"platform//python:latest\" }\nprod = { follow = \"base\" }\n";

/// A root that follows tags of another team's root, which is pinned; both remotes are directories.
struct Two {
    stage: Stage,
    platform: BareRepo,
}

impl Two {
    fn new() -> Self {
        let two = Self { stage: Stage::new(""), platform: BareRepo::new() };
        two.stage.push("python:3.12", 1);
        two.theirs("pinstream.toml", "[registry.\"REGISTRY\"]\nplain-http = true\n");
        two.theirs("streams/python.toml", PLATFORM);
        two.their_pass();
        two.follow(&two.platform.url());
        two.stage.commit("streams/web.toml", WEB);
        two
    }

    /// Sets the URL of the other repository.
    fn follow(&self, url: &str) {
        self.stage.settings(&format!("[remote.platform]\nurl = \"{url}\"\n"));
    }

    fn theirs(&self, path: &str, text: &str) -> String {
        self.platform.commit("main", &[(path, &text.replace("REGISTRY", &self.stage.registry.host()))])
    }

    fn their_pass(&self) -> RunResult {
        let ran = self.stage.sandbox.run(&["reconcile", "--remote", &self.platform.url()]);
        assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
        ran
    }

    fn their_pin(&self, name: &str) -> Option<String> {
        pin(&self.platform.read("main", "pinstream.lock").unwrap(), name)
    }

    fn their_tip(&self) -> String {
        self.platform.tip("refs/heads/main").unwrap()
    }
}

#[test]
fn a_change_reaches_the_next_repository_with_one_pass_each() {
    let two = Two::new();
    let report = two.stage.report(0, &[]);
    assert_eq!(report["remotes"][0]["commit"], two.their_tip());
    assert_eq!(report["remotes"][0]["name"], "platform");
    assert_eq!(report["tags"][0]["follow"], "platform//python:latest");
    for tag in ["web:base", "web:prod"] {
        assert_eq!(two.stage.pin(tag), two.their_pin("python:3.12"), "{tag}");
    }
    let lock = two.stage.lock();
    assert!(lock.contains("tag = \"base\"\nfollow = \"platform//python:latest\"\nimage = "), "{lock}");
    assert!(lock.contains("version = \"1.0.1\"\n"), "{lock}");

    // Unchanged pins cost no registry request.
    two.stage.registry.forget();
    two.stage.ends(0, &[]);
    assert_eq!(two.stage.registry.requests().len(), 0);

    let moved = two.stage.push("python:3.12", 2);
    two.their_pass();
    two.stage.registry.forget();
    let said = two.stage.ends(0, &[]);
    assert!(said.contains(&format!("read remote platform at {} (file://", &two.their_tip()[..9])), "{said}");
    assert_eq!(two.stage.registry.counts().head, 0);
    assert!(two.stage.registry.counts().get >= 2);
    for tag in ["web:base", "web:prod"] {
        assert_eq!(two.stage.pin(tag).as_deref(), Some(moved.as_str()), "{tag}");
    }
    // The other repository received only two commits of a person and two passes of its own.
    assert_eq!(two.platform.log("main").len(), 4);
}

#[test]
fn update_in_a_work_tree_follows_like_a_pass_on_a_remote() {
    let two = Two::new();
    let sandbox = &two.stage.sandbox;
    sandbox.git(&["clone", "--quiet", &two.stage.remote, "clone"]);
    let run = |args: &[&str]| {
        let ran = sandbox.run(&[&["-C", "clone"], args].concat());
        (ran.code, format!("{}{}", ran.stdout, ran.stderr))
    };
    let (code, said) = run(&["update"]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(pin(&sandbox.read("clone/pinstream.lock"), "web:prod"), two.their_pin("python:3.12"));
    assert_eq!(run(&["check"]).0, Some(0));
    // Reviewers see whether the other repository vouches for the digest.
    sandbox.git(&["-C", "clone", "add", "-A"]);
    let (code, said) = run(&["check", "--base", "HEAD"]);
    assert_eq!(code, Some(0), "{said}");
    let old = two.their_pin("python:3.12").unwrap();
    let other = two.stage.push("python:other", 7);
    let lock = sandbox.read("clone/pinstream.lock").replace(&old, other.as_str());
    sandbox.write("clone/pinstream.lock", &lock);
    let (code, said) = run(&["check", "--base", "HEAD"]);
    assert_eq!(code, Some(4), "{said}");
    // A definition that follows another repository differs from the lock.
    let text = sandbox.read("clone/streams/web.toml").replace("python:latest", "python:3.12");
    sandbox.write("clone/streams/web.toml", &text);
    let (code, said) = run(&["check"]);
    assert_eq!(code, Some(2), "{said}");
    let expected = "`web:base` is defined to follow `platform//python:3.12`, but its pin does not";
    assert!(said.contains(expected), "{said}");
}

#[test]
fn a_pass_reads_each_remote_once_without_history_over_http() {
    let two = Two::new();
    let (ours, theirs) = (HttpBackend::start(two.stage.repo.base()), HttpBackend::start(two.platform.base()));
    two.theirs("large", &"x".repeat(100_000));
    two.theirs("large", "y");
    two.follow(&theirs.url());
    two.stage.commit(
        "streams/more.toml",
        "[tags]\na = { follow = \"platform//python:3.12\" }\nb = { follow = \"platform//python:latest\" }\n",
    );
    let pass = || {
        let ran = two.stage.sandbox.run(&["reconcile", "--remote", &ours.url()]);
        assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
        theirs.take_requests()
    };
    let first = pass();
    let lines: Vec<&str> = first.iter().map(|asked| asked.line.as_str()).collect();
    assert_eq!(
        lines,
        [
            "GET /repo.git/info/refs?service=git-upload-pack",
            "POST /repo.git/git-upload-pack",
            "POST /repo.git/git-upload-pack"
        ]
    );
    assert!(first.iter().map(|asked| asked.sent).sum::<usize>() < 20_000, "{first:?}");
    assert_eq!(two.stage.pin("more:a"), two.their_pin("python:3.12"));
    // Unchanged remotes are not fetched again.
    assert_eq!(pass().len(), 1);
}

#[test]
fn a_token_is_sent_only_to_its_own_server() {
    let mut two = Two::new();
    let [our_secret, their_secret] = ["ours", "theirs"].map(|whose| format!("{whose}-{CANARY}"));
    let ours = HttpBackend::with_password(two.stage.repo.base(), "x-access-token", &our_secret);
    let theirs = HttpBackend::with_password(two.platform.base(), "me", &their_secret);
    two.follow(&theirs.url());
    two.stage.sandbox.env("PINSTREAM_GIT_TOKEN", our_secret);
    let args = ["reconcile", "--remote", &ours.url()];
    let ran = two.stage.sandbox.run(&args);
    assert_eq!(ran.code, Some(3), "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("failed  web:base  unauthorized: "), "{}", ran.stdout);
    let asked = theirs.take_requests();
    assert!(!asked.is_empty() && asked.iter().all(|asked| asked.authorization.is_none()), "{asked:?}");
    // A helper in Git's own configuration is bound to its server.
    let helper = format!("[credential \"{}\"]\nhelper = \"!f() {{ cat $HOME/login; }}; f\"\n", theirs.url());
    let home = two.stage.sandbox.home();
    std::fs::write(home.join("login"), format!("username=me\npassword={their_secret}\n")).unwrap();
    std::fs::write(home.join(".gitconfig"), helper).unwrap();
    let ran = two.stage.sandbox.run(&args);
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    assert_eq!(two.stage.pin("web:base"), two.their_pin("python:3.12"));
}

#[test]
fn an_unreadable_remote_fails_only_its_tags() {
    slow!();
    let two = Two::new();
    two.stage.stream("own", &[("1", 5)]);
    two.stage.ends(0, &[]);
    let before = two.stage.pin("web:base");
    two.stage.push("own:1", 6);
    let gone = format!("file://{}/gone.git", two.platform.base().display());
    two.follow(&gone);
    let said = two.stage.ends(3, &[]);
    assert!(said.contains("failed   web:base  unsupported: ") && said.contains("there is no such directory"), "{said}");
    assert!(said.contains("updated  own:1 "), "{said}");
    assert_eq!(two.stage.pin("web:base"), before);

    two.follow("http://127.0.0.1:9/repo.git");
    let said = two.stage.ends(3, &[]);
    assert!(
        said.contains("failed  web:base  network: cannot reach the remote `http://127.0.0.1:9/repo.git`: "),
        "{said}"
    );
    // A repository on a server may not follow a directory of this machine.
    two.follow(&two.platform.url());
    let ours = HttpBackend::start(two.stage.repo.base());
    let ran = two.stage.sandbox.run(&["reconcile", "--remote", &ours.url()]);
    assert_eq!(ran.code, Some(4), "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("is a local path"), "{}", ran.stdout);
}

#[test]
fn a_missing_remote_tag_suggests_the_nearest() {
    let two = Two::new();
    two.stage.commit("streams/web.toml", "[tags]\nbase = { follow = \"platform//python:3.13\" }\n");
    let said = two.stage.ends(3, &[]);
    let tip = two.their_tip();
    let expected = format!("not-found: `platform` has no pin for `python:3.13` at {}", &tip[..9]);
    assert!(said.contains(&expected) && said.contains("help: did you mean `python:3.12`?"), "{said}");
    two.theirs("pinstream.lock", "version = 1\n<<<<<<< x\n");
    let said = two.stage.ends(3, &[]);
    assert!(said.contains("conflict marker `<<<<<<<` on line 2"), "{said}");
    two.platform.commit_as("main", "no lock", &[], &["pinstream.lock"]);
    assert!(two.stage.ends(3, &[]).contains("no `pinstream.lock` in"));
    two.stage.settings("");
    let said = two.stage.ends(1, &[]);
    assert!(said.contains("`web:base` follows a tag of the remote `platform`, which does not exist"), "{said}");
}

#[test]
fn adoption_rules_apply_to_remote_tags() {
    slow!();
    let mut two = Two::new();
    let definition = |rules: &str| format!("[tags]\nbase = {{ follow = \"platform//python:3.12\", {rules} }}\n");
    two.stage.commit("streams/web.toml", &definition("soak = \"1d\""));
    two.stage.ends(0, &[]);
    let first = two.stage.pin("web:base");
    let second = two.stage.push("python:3.12", 2);
    two.their_pass();
    two.stage.registry.forget();
    assert_eq!(two.stage.report(0, &[])["tags"][0]["outcome"], "soaking");
    assert_eq!(two.stage.registry.requests().len(), 0);
    two.stage.sandbox.env("PINSTREAM_NOW", "2026-11-25T12:00:00Z");
    assert_eq!(two.stage.report(0, &[])["tags"][0]["outcome"], "updated");
    // The other team rolls back and this root follows: people decided that.
    two.theirs("streams/python.toml", &PLATFORM.replace("python:3.12", "python:old"));
    two.stage.push("python:old", 1);
    two.their_pass();
    two.stage.commit("streams/web.toml", &definition("annotations = { a = \"b\" }"));
    assert_eq!(two.stage.report(0, &[])["tags"][0]["outcome"], "updated");
    assert_eq!(two.stage.pin("web:base"), first);
    two.stage.commit("streams/web.toml", &definition(&format!("reject = [\"{second}\"]")));
    two.theirs("streams/python.toml", PLATFORM);
    two.their_pass();
    assert_eq!(two.stage.report(0, &[])["tags"][0]["outcome"], "rejected");
}

#[test]
fn a_reverted_change_of_a_remote_tag_is_not_made_again() {
    let two = Two::new();
    two.stage.ends(0, &[]);
    let first = two.stage.pin("web:base");
    two.stage.push("python:3.12", 2);
    two.their_pass();
    two.stage.ends(0, &[]);
    two.stage.sandbox.git(&["clone", "--quiet", &two.stage.remote, "clone"]);
    two.stage.sandbox.git(&["-C", "clone", "revert", "--no-edit", "HEAD"]);
    two.stage.sandbox.git(&["-C", "clone", "push", "--quiet", "origin", "HEAD:main"]);
    for _ in 0..2 {
        assert_eq!(two.stage.report(0, &[])["tags"][0]["outcome"], "reverted");
        assert_eq!(two.stage.pin("web:base"), first);
    }
}

#[test]
fn one_platform_of_a_remote_index_is_pinned_with_its_index() {
    let two = Two::new();
    let image = crate::support::registry::Image::new(3).version("3").platforms(&["linux/amd64", "linux/arm64"]);
    let index = two.stage.registry.push("python", "multi", &image);
    two.theirs(
        "streams/python.toml",
        "[tags]\narm = { image = \"REGISTRY/python:multi\", platform = \"linux/arm64\" }\nsame = { follow = \"arm\" }\n",
    );
    two.their_pass();
    two.stage.commit("streams/web.toml", "[tags]\nbase = { follow = \"platform//python:same\" }\n");
    two.stage.ends(0, &[]);
    assert_eq!(two.stage.pin("web:base"), two.their_pin("python:arm"));
    let lock = two.stage.lock();
    assert!(lock.contains(&format!("index = \"{index}\"")) && lock.contains("platforms = [\"linux/arm64\"]"), "{lock}");
    two.stage.registry.forget();
    two.stage.ends(0, &[]);
    assert_eq!(two.stage.registry.requests().len(), 0);
}

#[test]
fn digests_of_another_lock_are_hashed_before_they_are_pinned() {
    let two = Two::new();
    let image = crate::support::registry::Image::new(3).version("3").platforms(&["linux/amd64", "linux/arm64"]);
    let index = two.stage.registry.push("python", "multi", &image);
    two.theirs(
        "streams/python.toml",
        "[tags]\narm = { image = \"REGISTRY/python:multi\", platform = \"linux/arm64\" }\n",
    );
    two.their_pass();
    two.stage.commit("streams/web.toml", "[tags]\nbase = { follow = \"platform//python:arm\" }\n");
    let honest = two.platform.read("main", "pinstream.lock").unwrap();
    let child = two.their_pin("python:arm").unwrap();
    // A digest that no registry has, and one that is not a child of its alleged index.
    let nowhere = format!("sha256:{}", "0".repeat(64));
    let other = two.stage.push("python:other", 9);
    for (lock, code, kind) in [
        (honest.replace(&child, &nowhere).replace(index.as_str(), &nowhere), 3, "not-found"),
        (honest.replace(&child, other.as_str()), 4, "integrity"),
    ] {
        two.theirs("pinstream.lock", &lock);
        let report = two.stage.report(code, &[]);
        assert_eq!(report["tags"][0]["error"]["kind"], kind);
        assert_eq!(two.stage.pin("web:base"), None);
    }
    // Image data comes from the image itself, not from the other lock.
    two.theirs("pinstream.lock", &honest.replace("version = \"3\"", "version = \"4\""));
    two.stage.ends(0, &[]);
    assert_eq!(two.stage.pin("web:base"), Some(child));
    assert!(two.stage.lock().contains("version = \"3\""), "{}", two.stage.lock());
}

#[test]
fn the_policy_restricts_remotes() {
    let two = Two::new();
    let (ours, theirs) = (two.stage.repo.path().display().to_string(), two.platform.path().display().to_string());
    two.stage.sandbox.write("policy.toml", &format!("remotes = [\"{ours}\"]\n"));
    let said = two.stage.ends(4, &["--policy", "policy.toml"]);
    assert!(said.contains("the policy does not allow the remote `"), "{said}");
    assert!(said.contains("refused  web:base  the policy does not allow the remote `"), "{said}");
    assert_eq!(two.stage.pin("web:base"), None);
    two.stage.sandbox.write("policy.toml", &format!("remotes = [\"{ours}\", \"{theirs}\"]\n"));
    two.stage.ends(0, &["--policy", "policy.toml"]);
    assert!(two.stage.pin("web:base").is_some());
}
