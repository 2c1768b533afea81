//! The operator's policy: a file outside the repository that limits what a repository may use. `--policy FILE`.
//!
//! An absent key restricts nothing, except `realms`, which only adds to the built-in ones. Nothing in a repository can
//! widen it; a refusal names the key of the policy.

use std::sync::{Arc, LazyLock};

use globset::GlobMatcher;
use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

use super::globs::glob;
use super::hook::Hook;
use crate::model::image::{NameError, RegistryHost};
use crate::text::diagnostics::{At, Diagnostics, Problem, Problems, SourceFile};
use crate::text::toml::schema_check::SchemaShape;
use crate::text::toml::{ParsedFile, source};

static SHAPE: LazyLock<SchemaShape> = LazyLock::new(SchemaShape::of::<PolicyTable>);

/// Limits on what repositories may use on this machine; all keys are optional.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[schemars(rename = "Policy")]
struct PolicyTable {
    /// Globs over the names of hooks that may run.
    hooks: Option<Vec<At<String>>>,
    /// Globs over the programs that hooks may run: the first element of `run`.
    programs: Option<Vec<At<String>>>,
    /// Globs over the registries and mirrors that may be contacted, e.g. `quay.io` or `*.corp.example:*`.
    registries: Option<Vec<At<String>>>,
    /// Token servers that may receive credentials, in addition to the registry's own host and the well-known ones.
    realms: Option<Vec<At<String>>>,
    /// Globs over the Git remotes that may be used, e.g. `https://git.example/**`.
    remotes: Option<Vec<At<String>>>,
}

/// The globs of a key; `None` if it is absent and everything is allowed.
type Globs = Option<Vec<GlobMatcher>>;

/// The remedy for a file that is too large.
const SIZE_HELP: &str = "replace names with globs";

/// The registries, realms, remotes, hooks and programs that a repository may use on this machine.
#[derive(Clone, Debug)]
pub struct Policy {
    file: Arc<SourceFile>,
    hooks: Globs,
    programs: Globs,
    registries: Globs,
    realms: Vec<String>,
    remotes: Globs,
}

impl Policy {
    /// Reads the policy from the content of `path`.
    ///
    /// # Errors
    /// Returns every problem of the file.
    pub fn read(path: &str, bytes: &[u8]) -> Result<Self, Problems> {
        let (file, problems) = source::definition_file(path, bytes, SIZE_HELP);
        Problems::check(problems)?;
        let mut findings = Diagnostics::new(&file);
        let read: Option<ParsedFile<PolicyTable>> = crate::text::toml::read(&SHAPE, &mut findings, |_, _| {});
        let table = read.map(|read| read.table).unwrap_or_default();
        let policy = Self {
            file: Arc::clone(&file),
            hooks: globs(table.hooks, &mut findings, str::to_owned),
            programs: globs(table.programs, &mut findings, program),
            registries: globs(table.registries, &mut findings, str::to_ascii_lowercase),
            realms: realms(table.realms.as_deref().unwrap_or_default(), &mut findings),
            remotes: globs(table.remotes, &mut findings, str::to_owned),
        };
        Problems::check(findings.problems)?;
        Ok(policy)
    }

    /// Returns the origins, `scheme://host[:port]`, of the token servers that the operator adds to the built-in ones.
    pub fn realms(&self) -> &[String] {
        &self.realms
    }

    /// Returns the globs over registries; `None` if all are allowed.
    pub fn registries(&self) -> Option<Vec<String>> {
        let texts = |globs: &Vec<GlobMatcher>| globs.iter().map(|glob| glob.glob().glob().to_owned()).collect();
        self.registries.as_ref().map(texts)
    }

    /// Checks the name and the program of a hook.
    pub fn forbids_hook(&self, hook: &Hook) -> Option<Problem> {
        let name = &hook.name;
        let argv0 = hook.run.first().map(String::as_str).unwrap_or_default();
        let of_name = self.refusal(&self.hooks, name, "hooks", || format!("hook `{name}`"));
        let what = || format!("program `{argv0}` of the hook `{name}`");
        of_name.or_else(|| self.refusal(&self.programs, &program(argv0), "programs", what))
    }

    /// Checks a registry against the policy.
    pub fn forbids_registry(&self, registry: &RegistryHost) -> Option<Problem> {
        self.refusal(&self.registries, registry.as_str(), "registries", || format!("registry `{registry}`"))
    }

    /// Checks a Git remote; credentials in the URL are ignored and not shown.
    pub fn forbids_remote(&self, remote: &str) -> Option<Problem> {
        let remote = without_credentials(remote);
        self.refusal(&self.remotes, &remote, "remotes", || format!("remote `{remote}`"))
    }

    /// Refuses `text`, described by `what`, if no glob of `key` matches it.
    fn refusal(&self, globs: &Globs, text: &str, key: &str, what: impl FnOnce() -> String) -> Option<Problem> {
        if globs.as_ref().is_none_or(|globs| globs.iter().any(|glob| glob.is_match(text))) {
            return None;
        }
        let message = format!("the policy does not allow the {} (key `{key}`)", what());
        Some(Problem::whole(Some(&self.file), message).help("ask the operator of this pinstream to allow it"))
    }
}

/// Returns the JSON schema of a policy.
pub fn schema() -> serde_json::Value {
    crate::text::toml::schema::<PolicyTable>()
}

/// Normalizes a program: with a slash it is a file of the repository, without one it is looked up in `PATH`.
fn program(text: &str) -> String {
    match text.contains('/') && !text.starts_with("./") && !text.starts_with('/') {
        true => format!("./{text}"),
        false => text.to_owned(),
    }
}

fn without_credentials(remote: &str) -> String {
    match Url::parse(remote) {
        Ok(mut url) if remote.contains("://") => {
            // Both fail only where a URL cannot have credentials.
            let _ = url.set_username("");
            let _ = url.set_password(None);
            url.to_string()
        }
        _ => remote.to_owned(),
    }
}

fn globs(written: Option<Vec<At<String>>>, findings: &mut Diagnostics<'_>, normal: impl Fn(&str) -> String) -> Globs {
    let compile = |text: &At<String>| findings.accept(&text.span, glob(&normal(&text.value)));
    written.map(|list| list.iter().filter_map(compile).collect())
}

fn realms(written: &[At<String>], findings: &mut Diagnostics<'_>) -> Vec<String> {
    written.iter().filter_map(|text| findings.accept(&text.span, realm(&text.value))).collect()
}

fn realm(text: &str) -> Result<String, NameError> {
    let bad = || NameError::new("invalid token server").help("write scheme and host, e.g. `https://auth.corp.example`");
    let url = Url::parse(text).map_err(|_| bad())?;
    let plain =
        url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
    let fits = matches!(url.scheme(), "https" | "http") && url.has_host() && plain && url.path() == "/";
    if fits { Ok(url.origin().ascii_serialization()) } else { Err(bad()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::settings::globs::TagGlobs;
    use crate::text::diagnostics::{RenderStyle, RenderedProblems};

    fn hook(name: &str, run: &[&str]) -> Hook {
        Hook {
            name: name.to_owned(),
            on: TagGlobs::all(),
            run: run.iter().map(|word| (*word).to_owned()).collect(),
            files: Vec::new(),
            env: Vec::new(),
            timeout: Hook::TIMEOUT,
            each: false,
        }
    }

    #[track_caller]
    fn check(found: Option<Problem>, expected: Option<&str>) {
        assert_eq!(found.map(|problem| problem.message).as_deref(), expected);
    }

    #[test]
    fn an_empty_policy_forbids_nothing() {
        let policy = Policy::read("policy.toml", b"").unwrap();
        check(policy.forbids_hook(&hook("x", &["sh"])), None);
        check(policy.forbids_registry(&"quay.io".parse().unwrap()), None);
        check(policy.forbids_remote("https://git.example/a"), None);
        assert!(policy.realms().is_empty());
    }

    #[test]
    fn an_empty_list_forbids_all() {
        let policy = Policy::read("policy.toml", b"hooks = []\nregistries = []").unwrap();
        check(policy.forbids_hook(&hook("x", &["sh"])), Some("the policy does not allow the hook `x` (key `hooks`)"));
        check(
            policy.forbids_registry(&"quay.io".parse().unwrap()),
            Some("the policy does not allow the registry `quay.io` (key `registries`)"),
        );
    }

    #[test]
    fn hooks_and_programs_are_held_against_their_globs() {
        let policy = Policy::read("p", b"hooks = ['roll*']\nprograms = ['scripts/*', 'kubectl']").unwrap();
        check(policy.forbids_hook(&hook("rollout", &["./scripts/a.sh"])), None);
        check(policy.forbids_hook(&hook("rollout", &["scripts/a.sh"])), None);
        check(policy.forbids_hook(&hook("rollout", &["kubectl", "apply"])), None);
        check(
            policy.forbids_hook(&hook("notify", &["kubectl"])),
            Some("the policy does not allow the hook `notify` (key `hooks`)"),
        );
        for run in ["./kubectl", "./scripts/deep/a.sh", "sh"] {
            let message =
                format!("the policy does not allow the program `{run}` of the hook `rollout` (key `programs`)");
            check(policy.forbids_hook(&hook("rollout", &[run])), Some(&message));
        }
    }

    #[test]
    fn registries_are_held_against_host_and_port() {
        let policy = Policy::read("p", b"registries = ['Quay.io', '*.corp.example:*']").unwrap();
        for (host, allowed) in
            [("quay.io", true), ("a.corp.example:5000", true), ("a.corp.example", false), ("quay.io:444", false)]
        {
            assert_eq!(policy.forbids_registry(&host.parse().unwrap()).is_none(), allowed, "{host}");
        }
    }

    #[test]
    fn remotes_are_held_without_their_credentials() {
        let policy = Policy::read("p", b"remotes = ['https://git.example/**', 'git@git.example:*/*']").unwrap();
        check(policy.forbids_remote("https://me:secret@git.example/a/b.git"), None);
        check(policy.forbids_remote("git@git.example:a/b.git"), None);
        check(
            policy.forbids_remote("https://me:secret@evil.example/git.example/a"),
            Some("the policy does not allow the remote `https://evil.example/git.example/a` (key `remotes`)"),
        );
        for remote in ["https://git.example@evil.example/a", "https://git.example/../../x@y", "ssh://git.example/a"] {
            let allowed = remote.starts_with("https://git.example/");
            assert_eq!(policy.forbids_remote(remote).is_none(), allowed, "{remote}");
        }
    }

    #[test]
    fn realms_are_origins() {
        let policy = Policy::read("p", b"realms = ['https://Auth.corp.example', 'http://a.example:8080/']").unwrap();
        assert_eq!(policy.realms(), ["https://auth.corp.example", "http://a.example:8080"]);
    }

    #[test]
    fn every_mistake_of_a_policy_is_shown_at_once() {
        let problems =
            Policy::read("p.toml", b"hook = ['x']\nrealms = ['auth.example', 1]\nprograms = ['[']").unwrap_err();
        insta::assert_snapshot!(RenderedProblems(&problems, RenderStyle::Plain), @r#"
        error: unknown key `hook`
         --> p.toml:1:1
          |
        1 | hook = ['x']
          | ^^^^
          |
          = help: did you mean `hooks`?

        error: invalid token server
         --> p.toml:2:11
          |
        2 | realms = ['auth.example', 1]
          |           ^^^^^^^^^^^^^^
          |
          = help: write scheme and host, e.g. `https://auth.corp.example`

        error: expected a string, found an integer
         --> p.toml:2:27
          |
        2 | realms = ['auth.example', 1]
          |                           ^
          |
          = help: put it in quotes: `"1"`

        error: invalid glob `[`: unclosed character class; missing ']'
         --> p.toml:3:13
          |
        3 | programs = ['[']
          |             ^^^
          |
          = help: use `*`, `**`, `?`, `[a-z]` and `{a,b}`
        "#);
    }
}
