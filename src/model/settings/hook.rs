//! `[[hook]]`: commands for changes that have landed.

use std::collections::HashSet;
use std::ops::Range;
use std::time::Duration;

use super::globs::TagGlobs;
use super::referenced_file::{ReferencedFile, referenced_file};
use super::table::HookTable;
use super::user_text::{LIST_MAX, bounded};
use super::{duration, path};
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
        let name = hook_name(table.name.as_ref(), whole, &span, findings);
        if let (Some(name), Some(at)) = (&name, &table.name)
            && !names.insert(name.clone())
        {
            findings.report(&at.span, format!("duplicate hook name `{name}`"), "give each hook its own name");
        }
        let run = hook_run(table.run.as_ref(), whole, &span, findings);
        let on = hook_on(table.on.as_ref(), findings);
        let files = bounded(&table.files, "files", findings);
        let files = files.iter().filter_map(|text| findings.accept(&text.span, path::parse(&text.value))).collect();
        let env = bounded(&table.env, "variables", findings);
        let env = env.iter().filter_map(|text| findings.accept(&text.span, variable(&text.value))).collect();
        let timeout = table.timeout.as_ref().and_then(|text| findings.accept(&text.span, timeout(&text.value)));
        if let (Some(name), Some(run)) = (name, run) {
            let timeout = timeout.unwrap_or(Hook::TIMEOUT);
            hooks.push(Hook { name, on, run, files, env, timeout, each: table.each });
        }
    }
    hooks
}

fn hook_name(
    written: Option<&At<String>>,
    whole: bool,
    hook: &Range<usize>,
    findings: &mut Diagnostics<'_>,
) -> Option<String> {
    let Some(At { value, span }) = written else {
        if whole {
            findings.report(
                hook,
                "the hook has no `name`",
                "add e.g. `name = \"rollout\"`; it identifies the hook's state",
            );
        }
        return None;
    };
    let fits = (1..=63).contains(&value.len())
        && value.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !value.starts_with('-');
    if !fits {
        let message = format!("invalid hook name `{}`", excerpt(value));
        findings.report(span, message, "use at most 63 lower-case letters, digits and `-`, and do not start with `-`");
    }
    fits.then(|| value.clone())
}

fn hook_run(
    written: Option<&At<Vec<At<String>>>>,
    whole: bool,
    hook: &Range<usize>,
    findings: &mut Diagnostics<'_>,
) -> Option<Vec<String>> {
    let Some(At { value: argv, span }) = written else {
        if whole {
            findings.report(hook, "the hook has no `run`", "add e.g. `run = [\"./scripts/rollout.sh\"]`");
        }
        return None;
    };
    let Some(program) = argv.first() else {
        findings.report(
            span,
            "`run` is empty",
            "write a program and its arguments, e.g. `[\"./scripts/rollout.sh\", \"prod\"]`",
        );
        return None;
    };
    let mut fits = true;
    let text = &program.value;
    if text.contains('/') {
        fits = findings.accept(&program.span, path::parse(text)).is_some();
    } else if text.is_empty() || text.contains(|c: char| c.is_whitespace() || c.is_control()) || text.starts_with('-') {
        let help = "write the program and each argument as a separate string; there is no shell";
        findings.report(&program.span, format!("invalid program `{text}`"), help);
        fits = false;
    }
    for argument in bounded(argv, "arguments", findings) {
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
    let patterns = bounded(patterns, "patterns", findings);
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
    if name.starts_with("PINSTREAM_") {
        return Err(NameError::new(format!("`{name}` is set by pinstream itself")).help("remove it from `env`"));
    }
    if name.starts_with("LD_") || name.starts_with("DYLD_") {
        return Err(
            NameError::new(format!("`{name}` changes the code that programs load")).help("remove it from `env`")
        );
    }
    Ok(name.to_owned())
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
    let program = program.and_then(|program| referenced_file(program, of("run"), findings));
    program
        .into_iter()
        .chain(hook.files.iter().filter_map(|file| referenced_file(file, of("files"), findings)))
        .collect()
}
