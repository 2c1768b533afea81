//! Validates `pinstream.toml`: turns its tables into [`Settings`], and reports all problems.

use std::sync::Arc;

use super::git::Sign;
use super::publish::ForgeKind;
use super::schedule::Schedules;
use super::table::{SHAPE, SettingsTable};
use super::{FILE_NAME, ImportSettings, SIZE_HELP, Settings, git, hook, publish, registry, remote, verify};
use crate::formats;
use crate::text::diagnostics::{Diagnostics, Problem, SourceFile};
use crate::text::toml::{ParsedFile, source};

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
    let settings = Settings {
        git,
        import: import.overlay(&ImportSettings::default(), schedules, &mut findings),
        registries: registry::registries(&table.registry, &mut findings),
        remotes: remote::remotes(&table.remote, &incomplete, &mut findings),
        hooks: hook::hooks(table.hook, &incomplete, &mut findings),
        publish,
        targets: formats::table::targets(table.target, &incomplete, &mut findings),
        files,
        trust_files: anchors,
    };
    (settings, findings.problems)
}

#[cfg(test)]
mod tests;
