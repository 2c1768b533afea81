//! `[[hook]]`: commands for changes that have landed.

use std::collections::HashSet;
use std::time::Duration;

use super::duration;
use super::globs::TagGlobs;
use super::path::{self, ReferencedFile, referenced_file};
use super::table::HookTable;
use super::user_text::{LIST_MAX, bounded};
use crate::model::image::is_label;
use crate::text::diagnostics::{At, Diagnostics, NameError};
use crate::text::escape::excerpt;

/// The longest time limit of a hook.
const TIMEOUT_MAX: Duration = Duration::from_secs(86_400);

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

/// Validates the hooks of a root.
pub(super) fn hooks(
    written: Vec<At<HookTable>>,
    incomplete: &HashSet<usize>,
    findings: &mut Diagnostics<'_>,
) -> Vec<Hook> {
    if let Some(more) = written.get(LIST_MAX) {
        findings.report(&more.span, format!("more than {LIST_MAX} hooks"), "use one hook for several tags");
        return Vec::new();
    }
    let mut names: HashSet<String> = HashSet::new();
    let mut hooks = Vec::new();
    for At { value: table, span } in written {
        let whole = !incomplete.contains(&span.start);
        let missing = [
            ("name", table.name.is_none(), "add e.g. `name = \"rollout\"`; it identifies the hook's state"),
            ("run", table.run.is_none(), "add e.g. `run = [\"./scripts/rollout.sh\"]`"),
        ];
        for (key, _, help) in missing.into_iter().filter(|(_, is_missing, _)| whole && *is_missing) {
            findings.report(&span, format!("the hook has no `{key}`"), help);
        }
        let name = hook_name(&table.name, findings);
        if let (Some(name), Some(at)) = (&name, &table.name)
            && !names.insert(name.clone())
        {
            findings.report(&at.span, format!("duplicate hook name `{name}`"), "give each hook its own name");
        }
        let run = hook_run(&table.run, findings);
        let on = hook_on(table.on.as_ref(), findings);
        let files = bounded(&table.files, "files", "remove some", findings);
        let files = files.iter().filter_map(|text| findings.accept(&text.span, path::parse(&text.value))).collect();
        let env = bounded(&table.env, "variables", "remove some", findings);
        let env = env.iter().filter_map(|text| findings.accept(&text.span, variable(&text.value))).collect();
        let timeout = table.timeout.as_ref().and_then(|text| findings.accept(&text.span, timeout(&text.value)));
        if let (Some(name), Some(run)) = (name, run) {
            let timeout = timeout.unwrap_or(Hook::TIMEOUT);
            hooks.push(Hook { name, on, run, files, env, timeout, each: table.each });
        }
    }
    hooks
}

fn hook_name(written: &Option<At<String>>, findings: &mut Diagnostics<'_>) -> Option<String> {
    let At { value, span } = written.as_ref()?;
    if is_label(value) {
        return Some(value.clone());
    }
    let message = format!("invalid hook name `{}`", excerpt(value));
    findings.report(span, message, "use at most 63 lower-case letters, digits and `-`, and do not start with `-`");
    None
}

fn hook_run(written: &Option<At<Vec<At<String>>>>, findings: &mut Diagnostics<'_>) -> Option<Vec<String>> {
    let At { value: argv, span } = written.as_ref()?;
    let Some(At { value: program, span: place }) = argv.first() else {
        let help = "write a program and its arguments, e.g. `[\"./scripts/rollout.sh\", \"prod\"]`";
        findings.report(span, "`run` is empty", help);
        return None;
    };
    let is_odd = |c: char| c.is_whitespace() || c.is_control();
    let mut fits = true;
    if program.contains('/') {
        fits = findings.accept(place, path::parse(program)).is_some();
    } else if program.is_empty() || program.contains(is_odd) || program.starts_with('-') {
        let help = "write the program and each argument as a separate string; there is no shell";
        findings.report(place, format!("invalid program `{program}`"), help);
        fits = false;
    }
    for argument in bounded(argv, "arguments", "remove some", findings) {
        if argument.value.contains('\0') {
            findings.report(&argument.span, "NUL character in an argument", "remove it");
            fits = false;
        }
    }
    fits.then(|| argv.iter().map(|argument| argument.value.clone()).collect())
}

fn hook_on(written: Option<&At<Vec<At<String>>>>, findings: &mut Diagnostics<'_>) -> TagGlobs {
    let Some(At { value: patterns, span }) = written else { return TagGlobs::all() };
    if patterns.is_empty() {
        findings.report(span, "`on` is empty, so the hook never runs", "remove `on` to run it for all tags");
    }
    let patterns = bounded(patterns, "patterns", "remove some", findings);
    for pattern in patterns {
        findings.accept(&pattern.span, TagGlobs::new([pattern.value.as_str()]));
    }
    // A list with an invalid pattern is not used: the problem has been reported.
    TagGlobs::new(patterns.iter().map(|pattern| pattern.value.as_str())).unwrap_or_default()
}

fn variable(name: &str) -> Result<String, NameError> {
    let first = name.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    if !first || name.len() > 255 || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        let error = NameError::new(format!("invalid variable name `{name}`"));
        return Err(error.help("use letters, digits and `_`; the value comes from pinstream's own environment"));
    }
    let reserved = [
        ("PINSTREAM_", "is set by pinstream itself"),
        ("LD_", "changes the code that programs load"),
        ("DYLD_", "changes the code that programs load"),
    ];
    match reserved.into_iter().find(|(prefix, _)| name.starts_with(prefix)) {
        Some((_, why)) => Err(NameError::new(format!("`{name}` {why}")).help("remove it from `env`")),
        None => Ok(name.to_owned()),
    }
}

fn timeout(text: &str) -> Result<Duration, NameError> {
    let time = duration::parse(text)?;
    if time > TIMEOUT_MAX {
        return Err(NameError::new(format!("time limit `{text}` is longer than a day"))
            .help("use a shorter one; a pass waits for its hooks"));
    }
    Ok(time)
}

/// Returns the files that a hook names.
pub(super) fn files_of_hook(hook: &HookTable, findings: &Diagnostics<'_>) -> Vec<ReferencedFile> {
    let of = |key: &str| match &hook.name {
        Some(name) => format!("`{key}` of the hook `{}`", excerpt(&name.value)),
        None => format!("`{key}` of a hook"),
    };
    // A program without a slash is looked up in `PATH`.
    let program = hook.run.as_ref().and_then(|run| run.value.first()).filter(|program| program.value.contains('/'));
    let named =
        program.map(|program| ("run", program)).into_iter().chain(hook.files.iter().map(|file| ("files", file)));
    named.filter_map(|(key, file)| referenced_file(file, of(key), findings)).collect()
}
