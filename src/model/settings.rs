//! `pinstream.toml`: the settings of a root.
//!
//! The file is read into `SettingsTable`, with positions, and validated into [`Settings`]. Nothing in a repository can
//! widen what the operator's [`policy`] allows.

pub mod adoption_rules;
pub mod duration;
pub mod globs;
pub mod path;
pub mod policy;
pub mod publish;
pub mod remote;
pub mod schedule;
pub(crate) mod table;
pub(crate) mod validate;
pub mod verify;
pub(crate) mod import_overlay;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;

use crate::formats::Target;
use crate::model::image::{NameError, Platform, RegistryHost, RemoteName};
use crate::text::diagnostics::{Problem, SourceLocation};
use crate::text::template::Template;
use crate::text::toml::source;
use adoption_rules::AdoptionRules;
use globs::TagGlobs;
use publish::Publish;
use remote::RemoteSettings;
use schedule::{Schedule, Schedules};
use verify::TrustFile;

/// The file's name, in its root.
pub const FILE_NAME: &str = "pinstream.toml";
/// The remedy for a file that is too large.
pub(crate) const SIZE_HELP: &str = "use one target with a pattern as `path`, or a `marker`, instead of many targets, or \
                                    split the root";

/// The validated settings of a root.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// `[git]`
    pub git: GitSettings,
    /// `[import]`: defaults for stream files and tags.
    pub import: ImportSettings,
    /// `[registry."host"]`
    pub registries: BTreeMap<RegistryHost, RegistrySettings>,
    /// `[remote.name]`: other repositories whose tags are followed.
    pub remotes: BTreeMap<RemoteName, RemoteSettings>,
    /// `[[hook]]`, in the order of the file.
    pub hooks: Vec<Hook>,
    /// `[publish]`: where changes are proposed; `None` pushes them to the branch.
    pub publish: Option<Publish>,
    /// `[[target]]`, in the order of the file.
    pub targets: Vec<Target>,
    /// Other files of the root named by these settings, existing or not.
    pub files: Vec<ReferencedFile>,
    /// The file named by `verify` of `[import]`, existing or not.
    pub trust_files: Vec<TrustFile>,
}

/// A file of the root named by the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReferencedFile {
    /// The path from the root.
    pub path: String,
    /// The key that names it, e.g. "`ca` of …".
    pub named_by: String,
    /// The source location.
    pub place: SourceLocation,
}

impl ReferencedFile {
    /// Reports that the file does not exist.
    pub fn missing(&self) -> Problem {
        let help = "commit the file at that path, relative to the directory of `pinstream.toml`";
        self.problem("which does not exist").help(help)
    }

    /// Reports that the file cannot be used.
    pub fn unusable(&self, reason: &str) -> Problem {
        self.problem(&format!("which cannot be used: {reason}")).help("use a regular file")
    }

    /// Reports that the file has invalid content.
    pub fn invalid(&self, error: &NameError) -> Problem {
        let problem = self.problem(&format!("which cannot be used: {}", error.message));
        problem.help(error.help.clone().unwrap_or_default())
    }

    fn problem(&self, what: &str) -> Problem {
        let SourceLocation { file, span } = &self.place;
        Problem::at(file, span.clone(), format!("{} names `{}`, {what}", self.named_by, self.path))
    }
}

/// Reads `pinstream.toml`; returns the valid settings next to all problems.
pub fn read(bytes: &[u8]) -> (Settings, Vec<Problem>) {
    let (file, problems) = source::definition_file(FILE_NAME, bytes, SIZE_HELP);
    if problems.is_empty() {
        return validate::settings(&file, &mut Schedules::default());
    }
    (Settings::default(), problems)
}

/// `[git]`: branch, author, message and signature of commits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GitSettings {
    /// The branch; `None` means the remote's `HEAD`.
    pub branch: Option<String>,
    /// Author and committer; `None` means `pinstream <pinstream@localhost>`.
    pub author: Option<Author>,
    /// The template of commit messages; `None` means the default.
    pub message: Option<Template>,
    /// The signature; `None` leaves commits unsigned.
    pub sign: Option<Sign>,
}

/// Signature of commits. The key is never in a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// Signed with a key of the operator.
    Key(SigningKeyKind),
    /// Signed by GitHub, which creates the commits of proposals and shows them as verified.
    GitHub,
}

/// Kinds of keys for signing commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SigningKeyKind {
    /// An SSH key.
    Ssh,
    /// An OpenPGP key.
    OpenPgp,
}

/// The author of commits, `name <address>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Author {
    /// The author's name.
    pub name: String,
    /// The e-mail address.
    pub email: String,
}

impl Default for Author {
    /// Returns the author used unless the settings name one.
    fn default() -> Self {
        Self { name: "pinstream".to_owned(), email: "pinstream@localhost".to_owned() }
    }
}

/// Import settings; overridden by streams and tags.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ImportSettings {
    /// The schedule for `--due`; `None` means at every pass.
    pub schedule: Option<Schedule>,
    /// The time zone of schedules; `None` means UTC.
    pub timezone: Option<TimeZone>,
    /// Platforms that an index must have.
    pub platforms: Vec<Platform>,
    /// The rules for adopting digests; `None` for the defaults.
    pub adoption: Option<Arc<AdoptionRules>>,
}

/// `[registry."host[:port]"]`: access to one registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistrySettings {
    /// Mirrors, tried in order before the registry itself.
    pub mirrors: Vec<Mirror>,
    /// A PEM file of the root with the authorities trusted for this registry only.
    pub ca: Option<String>,
    /// Use HTTP without TLS.
    pub plain_http: bool,
    /// The maximum number of concurrent requests.
    pub requests: usize,
}

impl Default for RegistrySettings {
    fn default() -> Self {
        Self { mirrors: Vec::new(), ca: None, plain_http: false, requests: 16 }
    }
}

/// A mirror: `mirror.corp.example:5000/redhat` is prepended to the paths of the mirrored registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirror {
    /// The mirror's host.
    pub registry: RegistryHost,
    /// The prefix of repository paths; may be empty.
    pub prefix: String,
}

/// `[[hook]]`: a command for changes that have landed.
#[derive(Clone, Debug, PartialEq)]
pub struct Hook {
    /// The name, which identifies its state.
    pub name: String,
    /// The tags it runs for.
    pub on: TagGlobs,
    /// The program and its arguments; a program with a slash is a file of the landed commit, from the root.
    pub run: Vec<String>,
    /// Other files of the landed commit in its directory, from the root.
    pub files: Vec<String>,
    /// Environment variables that are passed on to it.
    pub env: Vec<String>,
    /// The time limit.
    pub timeout: Duration,
    /// Run once for each change instead of once for all.
    pub each: bool,
}

impl Hook {
    /// The default time limit.
    pub const TIMEOUT: Duration = Duration::from_secs(300);

    /// Returns the file of the landed commit that is its program, from the root; `None` if it is looked up in `PATH`.
    pub fn program_file(&self) -> Option<&str> {
        let program = self.run.first().filter(|program| program.contains('/'))?;
        Some(program.strip_prefix("./").unwrap_or(program))
    }
}

/// Parses a branch name, by the rules of git-check-ref-format(1).
///
/// # Errors
/// Returns an error if the name is invalid.
pub fn branch(text: &str) -> Result<String, NameError> {
    validate::branch(text)
}

/// Returns the JSON schema of `pinstream.toml`.
pub fn schema() -> serde_json::Value {
    crate::text::toml::schema::<table::SettingsTable>()
}
