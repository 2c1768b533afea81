//! `pinstream.toml`: the settings of a root.
//!
//! The file is read into `SettingsTable`, with positions, and validated into [`Settings`]. Nothing in a repository can
//! widen what the operator's [`policy`] allows.

pub mod adoption_rules;
pub mod duration;
pub mod git;
pub mod globs;
pub mod hook;
mod import_overlay;
pub mod path;
pub mod policy;
pub mod publish;
pub mod referenced_file;
pub mod registry;
pub mod remote;
pub mod schedule;
pub(crate) mod table;
pub(crate) mod user_text;
mod validate;
pub mod verify;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::tz::TimeZone;

use crate::formats::Target;
use crate::model::image::{Platform, RegistryHost, RemoteName};
use adoption_rules::AdoptionRules;
pub use git::{Author, GitSettings, Sign, SigningKeyKind, branch};
pub use hook::Hook;
use publish::Publish;
pub use referenced_file::ReferencedFile;
pub use registry::{Mirror, RegistrySettings};
use remote::RemoteSettings;
use schedule::Schedule;
pub use validate::read;
pub(crate) use validate::read_with;
use verify::TrustFile;

/// The file's name, in its root.
pub const FILE_NAME: &str = "pinstream.toml";
/// The remedy for a file that is too large.
const SIZE_HELP: &str = "use one target with a glob as `path`, or a `marker`, instead of many targets, or \
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

/// Returns the JSON schema of `pinstream.toml`.
pub fn schema() -> serde_json::Value {
    crate::text::toml::schema::<table::SettingsTable>()
}
