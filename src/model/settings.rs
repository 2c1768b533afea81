//! `pinstream.toml`: the settings of a root.
//!
//! What was written is read by `table` into `SettingsTable`, with positions; what is true is [`Settings`].
//! Nothing in a repository can widen what the operator's [`policy`] allows.

pub mod adoption;
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
pub(crate) mod written;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;

use crate::formats::Target;
use crate::model::image::{NameError, Platform, RegistryHost, RemoteName};
use crate::text::diagnostics::{Problem, SourceLocation};
use crate::text::template::Template;
use crate::text::toml::text;
use adoption::AdoptionRules;
use globs::TagGlobs;
use publish::Publish;
use remote::RemoteSettings;
use schedule::{Schedule, Schedules};
use verify::TrustFile;

/// The file's name, in its root.
pub const FILE_NAME: &str = "pinstream.toml";
/// How it becomes smaller, where it is larger than a file may be.
pub(crate) const SMALLER: &str = "let one target stand for many, with a pattern as `path` or as a `marker`, or give a folder \
                                  a `pinstream.toml` of its own";

/// The settings of a root, right in themselves.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// `[git]`
    pub git: GitSettings,
    /// `[import]`: what stream files and tags fall back on.
    pub import: ImportSettings,
    /// `[registry."host"]`
    pub registries: BTreeMap<RegistryHost, RegistrySettings>,
    /// `[remote.name]`: other repositories whose tags are followed.
    pub remotes: BTreeMap<RemoteName, RemoteSettings>,
    /// `[[hook]]`, in the order of the file.
    pub hooks: Vec<Hook>,
    /// `[publish]`: where changes are proposed; none means that passes push to the branch.
    pub publish: Option<Publish>,
    /// `[[target]]`, in the order of the file.
    pub targets: Vec<Target>,
    /// The further files of the root that these settings name, whether they are there or not.
    pub files: Vec<ReferencedFile>,
    /// The file that `verify` of `[import]` names, whether it is there or not.
    pub anchors: Vec<TrustFile>,
}

/// A file of the root that the settings name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReferencedFile {
    /// Its path, from the root.
    pub path: String,
    /// By what it is named, as in "`ca` of …".
    pub by: String,
    /// Where.
    pub place: SourceLocation,
}

impl ReferencedFile {
    /// The problem that it is not there.
    pub fn missing(&self) -> Problem {
        let help = "commit the file at that path, counted from the folder of `pinstream.toml`";
        self.problem("which is not there").help(help)
    }

    /// The problem that it is there and cannot be used.
    pub fn unfit(&self, reason: &str) -> Problem {
        self.problem(&format!("which cannot be used: {reason}")).help("put a plain file there")
    }

    /// The problem that it is there and does not hold what it should.
    pub fn wrong(&self, error: &NameError) -> Problem {
        let problem = self.problem(&format!("which cannot be used: {}", error.message));
        problem.help(error.help.clone().unwrap_or_default())
    }

    fn problem(&self, what: &str) -> Problem {
        let SourceLocation { file, span } = &self.place;
        Problem::at(file, span.clone(), format!("{} names `{}`, {what}", self.by, self.path))
    }
}

/// Reads `pinstream.toml`; what is wrong stands beside what is right.
pub fn read(bytes: &[u8]) -> (Settings, Vec<Problem>) {
    let (file, problems) = text::definitions(FILE_NAME, bytes, SMALLER);
    if problems.is_empty() {
        return validate::settings(&file, &mut Schedules::default());
    }
    (Settings::default(), problems)
}

/// `[git]`: where and as whom a pass commits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GitSettings {
    /// The branch; none means the remote's `HEAD`.
    pub branch: Option<String>,
    /// Author and committer; none means `pinstream <pinstream@localhost>`.
    pub author: Option<Author>,
    /// What makes the messages of commits; none means the default.
    pub message: Option<Template>,
    /// How commits are signed; none leaves them unsigned.
    pub sign: Option<Sign>,
}

/// How commits are signed. The key is never in a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// With a key of our own.
    Key(SigningKeyKind),
    /// By GitHub, which makes the commits of proposals there and shows them as verified.
    GitHub,
}

/// The kinds of keys that sign commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SigningKeyKind {
    /// An SSH key.
    Ssh,
    /// An OpenPGP key.
    OpenPgp,
}

/// A name and an e-mail address, as in `name <address>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Author {
    /// The name.
    pub name: String,
    /// The address.
    pub email: String,
}

impl Default for Author {
    /// Whom commits are by where the settings name nobody.
    fn default() -> Self {
        Self { name: "pinstream".to_owned(), email: "pinstream@localhost".to_owned() }
    }
}

/// What holds for an import unless a stream or a tag says otherwise.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ImportSettings {
    /// When `--due` imports; none means at every pass.
    pub schedule: Option<Schedule>,
    /// The time zone schedules are read in; none means UTC.
    pub timezone: Option<TimeZone>,
    /// Platforms an index must have.
    pub platforms: Vec<Platform>,
    /// By what rules digests are adopted; none for those that hold without any.
    pub adoption: Option<Arc<AdoptionRules>>,
}

/// `[registry."host[:port]"]`: how one registry is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistrySettings {
    /// Tried in order before the registry itself: host and path prefix.
    pub mirrors: Vec<Mirror>,
    /// A PEM file of the repository, from the root, with the authorities to trust for this registry alone.
    pub ca: Option<String>,
    /// Whether it is spoken to without TLS.
    pub plain_http: bool,
    /// How many requests may be in flight at once.
    pub requests: usize,
}

impl Default for RegistrySettings {
    fn default() -> Self {
        Self { mirrors: Vec::new(), ca: None, plain_http: false, requests: 16 }
    }
}

/// A mirror: `mirror.corp.example:5000/redhat` stands before the paths of the registry it mirrors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirror {
    /// The mirror's own host.
    pub registry: RegistryHost,
    /// What is put before a repository's path; may be empty.
    pub prefix: String,
}

/// `[[hook]]`: a command for moves that have landed.
#[derive(Clone, Debug, PartialEq)]
pub struct Hook {
    /// Its name, the key of what it has seen.
    pub name: String,
    /// The tags it is for.
    pub on: TagGlobs,
    /// The program and its arguments; a program with a slash is a file of the landed commit, from the root.
    pub run: Vec<String>,
    /// More files of the landed commit that stand in its folder, from the root.
    pub files: Vec<String>,
    /// Names of environment variables it is given.
    pub env: Vec<String>,
    /// How long it may take.
    pub timeout: Duration,
    /// Whether it runs once for each move in place of once for all.
    pub each: bool,
}

impl Hook {
    /// How long a hook may take that does not say.
    pub const TIMEOUT: Duration = Duration::from_secs(300);

    /// The file of the landed commit that is its program, from the root; none where the program is looked up in `PATH`.
    pub fn program_file(&self) -> Option<&str> {
        let program = self.run.first().filter(|program| program.contains('/'))?;
        Some(program.strip_prefix("./").unwrap_or(program))
    }
}

/// Reads a branch's name, by the rules of git-check-ref-format(1).
///
/// # Errors
/// A sentence and a way out.
pub fn branch(text: &str) -> Result<String, NameError> {
    validate::branch(text)
}

/// The JSON schema of `pinstream.toml`.
pub fn schema() -> serde_json::Value {
    crate::text::toml::schema::<table::SettingsTable>()
}
