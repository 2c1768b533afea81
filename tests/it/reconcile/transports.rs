//! One story over each registry authentication and each Git transport, with `skopeo` as an independent witness of
//! every digest.

use pinstream::model::image::Digest;
use serde_json::json;

use super::stage::{TELL, in_short, pin};
use crate::support::canary::CANARY;
use crate::support::encoding::base64;
use crate::support::lane::{needs, slow};
use crate::support::registry::docker::USER;
use crate::support::registry::{DockerRegistry, Image};
use crate::support::remote::BareRepo;
use crate::support::remote::daemon::GitDaemon;
use crate::support::remote::http::HttpBackend;
use crate::support::remote::ssh::Sshd;
use crate::support::sandbox::{RunResult, Sandbox};

/// The parts that differ between stories.
struct Cast<'a> {
    sandbox: Sandbox,
    docker: &'a DockerRegistry,
    /// Settings of the registry and its token server.
    settings: String,
    repo: &'a BareRepo,
    remote: String,
    /// Additional arguments.
    args: Vec<String>,
}

impl<'a> Cast<'a> {
    /// An open registry and a directory as remote.
    fn open(docker: &'a DockerRegistry, repo: &'a BareRepo) -> Self {
        // History that a shallow fetch omits.
        repo.commit("main", &[("README.md", "read me\n")]);
        repo.commit("main", &[("README.md", "read me again\n")]);
        let settings = format!("[registry.\"{}\"]\nplain-http = true\n", docker.host());
        Self { sandbox: Sandbox::new(), docker, settings, repo, remote: repo.url(), args: Vec::new() }
    }

    /// A registry with TLS; the repository configures its CA for `hosts`.
    fn secure(docker: &'a DockerRegistry, repo: &'a BareRepo, hosts: &[String]) -> Self {
        repo.commit("main", &[("certs/ca.pem", &String::from_utf8(docker.ca()).unwrap())]);
        let tables = hosts.iter().map(|host| format!("[registry.\"{host}\"]\nca = \"certs/ca.pem\"\n"));
        Self { settings: tables.collect(), ..Self::open(docker, repo) }
    }

    fn pass(&self) -> RunResult {
        let mut args = vec!["reconcile", "--remote", &self.remote];
        args.extend(self.args.iter().map(String::as_str));
        self.sandbox.run(&args)
    }

    #[track_caller]
    fn succeeds(&self) {
        let ran = self.pass();
        assert_eq!(ran.code, Some(0), "\n{}", self.sandbox.shown(&ran));
    }

    /// Runs the story: first pins, an unchanged pass, a change.
    fn tell(&self) {
        let host = self.docker.host();
        let stream = format!("[tags]\none = \"{host}/team/app:one\"\ntwo = \"{host}/team/app:two\"\n");
        let settings = format!("{}{TELL}", self.settings);
        self.repo.commit("main", &[("pinstream.toml", &settings), ("streams/app.toml", &stream)]);
        let one = self.docker.push("team/app", "one", &Image::new(1).version("1"));
        let two =
            self.docker.push("team/app", "two", &Image::new(2).version("2").platforms(&["linux/amd64", "linux/s390x"]));
        self.succeeds();
        self.pinned(&one, &two, "app:one - > 1\napp:two - > 2\n");
        let before = self.repo.git(&["for-each-ref"]);
        self.succeeds();
        assert_eq!(self.repo.git(&["for-each-ref"]), before);
        let three = self.docker.push("team/app", "one", &Image::new(3).version("3").docker());
        self.succeeds();
        self.pinned(&three, &two, "app:one - > 1\napp:two - > 2\napp:one 1 > 3\n");
        self.repo.git(&["fsck", "--strict", "--no-dangling"]);
        // The library logs are searched for secrets.
        let mut args = vec!["reconcile", "--remote", &self.remote, "-vv"];
        args.extend(self.args.iter().map(String::as_str));
        let ran = self.sandbox.run(&args);
        assert!(ran.code == Some(0) && ran.stderr.contains("TRACE"), "{}", ran.stderr);
    }

    /// Checks that the last commit changed only the lock, pins both tags, agrees with the witness, and reached the
    /// hook.
    #[track_caller]
    fn pinned(&self, one: &Digest, two: &Digest, told: &str) {
        assert_eq!(self.repo.git(&["diff", "--name-only", "main^", "main"]), "pinstream.lock");
        let lock = self.repo.read("main", "pinstream.lock").unwrap();
        for (tag, pushed) in [("one", one), ("two", two)] {
            let pinned = pin(&lock, &format!("app:{tag}")).unwrap();
            assert_eq!(pinned, pushed.as_str());
            assert_eq!(pinned, self.witness(tag), "{tag}");
        }
        let events = std::fs::read_to_string(self.sandbox.home().join("told")).unwrap();
        let events = serde_json::Deserializer::from_str(&events).into_iter::<serde_json::Value>();
        assert_eq!(events.flat_map(|event| in_short(&event.unwrap())).collect::<String>(), told);
    }

    /// Digest of a tag according to skopeo.
    fn witness(&self, tag: &str) -> String {
        let mut command = self.sandbox.command("skopeo");
        command.args(["inspect", "--no-tags", "--tls-verify=false", "--format", "{{.Digest}}"]);
        command.args(["--creds", &format!("{}:{}", USER.0, USER.1)]);
        command.arg(format!("docker://{}/team/app:{tag}", self.docker.host()));
        let ran = self.sandbox.finish(command);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        ran.stdout.trim().to_owned()
    }
}

/// Credentials as `docker login` stores them.
fn login(host: &str) -> String {
    let auth = base64(format!("{}:{}", USER.0, USER.1));
    json!({"auths": {host: {"auth": auth}}}).to_string()
}

#[test]
fn the_story_works_with_an_open_registry() {
    slow!();
    needs!("docker-registry", "skopeo");
    let (docker, repo) = (DockerRegistry::start(), BareRepo::new());
    Cast::open(&docker, &repo).tell();
}

#[test]
fn the_story_works_with_passwords_over_tls() {
    slow!();
    needs!("docker-registry", "skopeo");
    let (docker, repo) = (DockerRegistry::start_htpasswd(), BareRepo::new());
    let mut cast = Cast::secure(&docker, &repo, &[docker.host()]);
    cast.sandbox.env("DOCKER_AUTH_CONFIG", login(&docker.host()));
    cast.tell();
}

#[test]
fn the_story_works_with_tokens_over_tls() {
    slow!();
    needs!("docker-registry", "skopeo");
    let (docker, repo) = (DockerRegistry::start_token(), BareRepo::new());
    let tokens = docker.tokens();
    let mut cast = Cast::secure(&docker, &repo, &[docker.host(), tokens.host()]);
    cast.sandbox.log_in(&docker.host());
    cast.sandbox.write("policy.toml", &format!("realms = [\"{}\"]\n", tokens.origin()));
    cast.args = vec!["--policy".to_owned(), "policy.toml".to_owned()];
    cast.tell();
    // Four passes with one token request each.
    assert_eq!(tokens.requests(), 4 + WITNESS_TOKENS);
}

/// Token requests of skopeo: one per call.
const WITNESS_TOKENS: usize = 4;

#[test]
fn the_story_works_with_a_remote_over_http() {
    slow!();
    needs!("docker-registry", "skopeo");
    let (docker, repo) = (DockerRegistry::start(), BareRepo::new());
    let server = HttpBackend::with_password(repo.base(), "someone", CANARY);
    let mut cast = Cast { remote: server.url(), ..Cast::open(&docker, &repo) };
    cast.sandbox.env("PINSTREAM_GIT_TOKEN", CANARY);
    cast.sandbox.env("PINSTREAM_GIT_USERNAME", "someone");
    cast.tell();
}

#[test]
fn the_story_works_with_a_git_daemon() {
    slow!();
    needs!("docker-registry", "skopeo");
    let (docker, repo) = (DockerRegistry::start(), BareRepo::new());
    let server = GitDaemon::start(repo.base());
    Cast { remote: server.url(), ..Cast::open(&docker, &repo) }.tell();
}

#[test]
fn the_story_works_with_a_remote_over_ssh() {
    slow!();
    needs!("docker-registry", "skopeo", "sshd", "ssh-keygen");
    let (docker, repo) = (DockerRegistry::start(), BareRepo::new());
    let mut cast = Cast::open(&docker, &repo);
    let server = Sshd::start(repo.base(), &cast.sandbox.home());
    cast.remote = server.url();
    cast.sandbox.env("GIT_SSH_COMMAND", Sshd::command(&cast.sandbox.home()));
    cast.sandbox.env("PINSTREAM_GIT_SSH_KEY", server.file("user").to_str().unwrap());
    cast.tell();
}
