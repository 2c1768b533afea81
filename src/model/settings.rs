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
pub mod registry;
pub mod remote;
pub mod schedule;
mod search;
pub(crate) mod table;
pub(crate) mod user_text;
pub mod verify;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;

use crate::formats::{self, Target};
use crate::model::image::{Platform, RegistryHost, RemoteName};
use crate::text::diagnostics::{Diagnostics, Problem, SourceFile};
use crate::text::toml::{ParsedFile, source};
use adoption_rules::AdoptionRules;
pub use git::{Author, GitSettings, Sign, SigningKeyKind, branch};
pub use hook::Hook;
pub use path::ReferencedFile;
use publish::{ForgeKind, Publish};
pub use registry::{Mirror, RegistrySettings};
use remote::RemoteSettings;
use schedule::{Schedule, Schedules};
pub use search::SearchRules;
use table::{SHAPE, SettingsTable};
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
    /// `budget` of `[import]`.
    pub budget: Budget,
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
    /// `[files]`: files and images that the search for images skips.
    pub search: SearchRules,
    /// Other files of the root named by these settings, existing or not.
    pub files: Vec<ReferencedFile>,
    /// The file named by `verify` of `[import]`, existing or not.
    pub trust_files: Vec<TrustFile>,
}

/// Time limit for resolving in one pass; 5 minutes by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget(pub Duration);

impl Default for Budget {
    fn default() -> Self {
        Self(Duration::from_secs(5 * 60))
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
    pub platforms: Arc<[Platform]>,
    /// The rules for adopting digests; `None` for the defaults.
    pub adoption: Option<Arc<AdoptionRules>>,
}

/// Reads `pinstream.toml`; returns the valid settings next to all problems.
pub fn read(bytes: &[u8]) -> (Settings, Vec<Problem>) {
    read_with(bytes, &mut Schedules::default())
}

/// Reads `pinstream.toml` like [`read`], with the schedules and time zones that are known already.
pub(crate) fn read_with(bytes: &[u8], schedules: &mut Schedules) -> (Settings, Vec<Problem>) {
    let (file, problems) = source::definition_file(FILE_NAME, bytes, SIZE_HELP);
    if problems.is_empty() { settings(&file, schedules) } else { (Settings::default(), problems) }
}

fn settings(file: &Arc<SourceFile>, schedules: &mut Schedules) -> (Settings, Vec<Problem>) {
    let mut findings = Diagnostics::new(file);
    let read: Option<ParsedFile<SettingsTable>> = crate::text::toml::read(&SHAPE, &mut findings, |_, _| {});
    let Some(ParsedFile { table, incomplete }) = read else { return (Settings::default(), findings.problems) };
    let import = table.import;
    let mut files = registry::files_of_registries(&table.registry, &findings);
    files.extend(table.hook.iter().flat_map(|hook| hook::files_of_hook(&hook.value, &findings)));
    let anchors = verify::trust_file(import.verify.as_ref(), &findings).into_iter().collect();
    let publish = table.publish.and_then(|table| publish::publish(&table, &incomplete, &mut findings));
    let git = git::git(&table.git, &mut findings);
    let is_on_github = publish.as_ref().is_some_and(|publish| publish.repository.forge == ForgeKind::GitHub);
    if let (Some(Sign::GitHub), Some(written), false) = (git.sign, &table.git.sign, is_on_github) {
        let help = "add `[publish.github]`, or use `ssh` or `openpgp` with a key";
        findings.report(&written.span, "`github` signs only commits of proposals on GitHub", help);
    }
    let budget = import.budget.as_ref().and_then(|text| findings.accept(&text.span, duration::parse(&text.value)));
    let settings = Settings {
        git,
        budget: budget.map(Budget).unwrap_or_default(),
        import: import.overlay(&ImportSettings::default(), schedules, &mut findings),
        registries: registry::registries(&table.registry, &mut findings),
        remotes: remote::remotes(&table.remote, &incomplete, &mut findings),
        hooks: hook::hooks(table.hook, &incomplete, &mut findings),
        publish,
        targets: formats::table::targets(table.target, &incomplete, &mut findings),
        search: search::rules(&table.files, &mut findings),
        files,
        trust_files: anchors,
    };
    (settings, findings.problems)
}

impl Settings {
    /// Returns the start of the names of proposal branches.
    pub fn branch_prefix(&self) -> &str {
        self.publish.as_ref().map_or(publish::BRANCH_PREFIX, |publish| &publish.branch_prefix)
    }
}

/// Returns the JSON schema of `pinstream.toml`.
pub fn schema() -> serde_json::Value {
    crate::text::toml::schema::<SettingsTable>()
}

#[cfg(test)]
mod tests;
