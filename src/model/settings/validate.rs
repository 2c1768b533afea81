//! Validates `pinstream.toml`: turns its tables into [`Settings`], and reports all problems.

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::globs::TagGlobs;
use super::import_overlay::ImportOverlay;
use super::publish::ForgeKind;
use super::schedule::Schedules;
use super::table::{GitTable, HookTable, RegistryTable, SHAPE, SettingsTable};
use super::{
    Author, GitSettings, Hook, ImportSettings, Mirror, ReferencedFile, RegistrySettings, Settings, Sign,
    SigningKeyKind, duration, path, publish, remote, verify,
};
use crate::formats;
use crate::model::image::{NameError, RegistryHost, is_repository_path};
use crate::text::diagnostics::{At, Diagnostics, Problem, SourceFile, SourceLocation, is_bidi_control};
use crate::text::template::Template;
use crate::text::escape::excerpt;
use crate::text::toml::{Entries, ParsedFile};

/// The maximum number of hooks, and of patterns, files, arguments or variables per hook.
pub(super) const HOOKS_MAX: usize = 100;
/// The longest time limit of a hook.
const TIMEOUT_MAX: Duration = Duration::from_secs(86_400);

/// Reads `pinstream.toml`; returns the valid settings next to all problems.
pub(crate) fn settings(file: &Arc<SourceFile>, schedules: &mut Schedules) -> (Settings, Vec<Problem>) {
    let mut findings = Diagnostics::new(file);
    let read: Option<ParsedFile<SettingsTable>> = crate::text::toml::read(&SHAPE, &mut findings, |_, _| {});
    let Some(ParsedFile { table, incomplete }) = read else { return (Settings::default(), findings.problems) };
    let import = table.import;
    let mut files = files_of_registries(&table.registry, &findings);
    files.extend(table.hook.iter().flat_map(|hook| files_of_hook(&hook.value, &findings)));
    let anchors = verify::trust_file(import.verify.as_ref(), &findings).into_iter().collect();
    let publish = table.publish.and_then(|table| publish::publish(&table, &incomplete, &mut findings));
    let git = git(&table.git, &mut findings);
    let is_on_github = publish.as_ref().is_some_and(|publish| publish.place.kind == ForgeKind::GitHub);
    if let (Some(Sign::GitHub), Some(written), false) = (git.sign, &table.git.sign, is_on_github) {
        let help = "add `[publish.github]`, or use `ssh` or `openpgp` with a key";
        findings.report(&written.span, "`github` signs only commits of proposals on GitHub", help);
    }
    let settings = Settings {
        git,
        import: ImportOverlay::of(&import).overlay(&ImportSettings::default(), schedules, &mut findings),
        registries: registries(&table.registry, &mut findings),
        remotes: remote::remotes(&table.remote, &incomplete, &mut findings),
        hooks: hooks(table.hook, &incomplete, &mut findings),
        publish,
        targets: formats::table::targets(table.target, &incomplete, &mut findings),
        files,
        trust_files: anchors,
    };
    (settings, findings.problems)
}

/// Returns the file that `text` names, if it is a valid path.
pub(crate) fn referenced_file(text: &At<String>, by: String, findings: &Diagnostics<'_>) -> Option<ReferencedFile> {
    let place = SourceLocation { file: Arc::clone(findings.file), span: text.span.clone() };
    path::parse(&text.value).ok().map(|path| ReferencedFile { path, named_by: by, place })
}

fn files_of_registries(written: &Entries<RegistryTable>, findings: &Diagnostics<'_>) -> Vec<ReferencedFile> {
    let authority = |(key, table): &(At<String>, RegistryTable)| {
        referenced_file(table.ca.as_ref()?, format!("`ca` of `[registry.\"{}\"]`", excerpt(&key.value)), findings)
    };
    written.0.iter().filter_map(authority).collect()
}

fn files_of_hook(hook: &HookTable, findings: &Diagnostics<'_>) -> Vec<ReferencedFile> {
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

/// Validates annotations: the user's own keys and texts.
pub(crate) fn annotations(written: Entries<At<String>>, findings: &mut Diagnostics<'_>) -> BTreeMap<String, String> {
    let mut annotations = BTreeMap::new();
    for (key, text) in written.0 {
        if key.value.is_empty() || key.value.contains(char::is_whitespace) {
            findings.report(&key.span, "invalid annotation name", "use a name without spaces, e.g. `acme.example/owner`");
        }
        if is_text(&key, findings) && is_text(&text, findings) {
            annotations.insert(key.value, text.value);
        }
    }
    annotations
}

/// Returns true if `text` is printable; line breaks and tabs are allowed.
pub(crate) fn is_text(text: &At<String>, findings: &mut Diagnostics<'_>) -> bool {
    let odd = text.value.chars().find(|c| (c.is_control() && !matches!(c, '\n' | '\t' | '\r')) || is_bidi_control(*c));
    if let Some(odd) = odd {
        let message = format!("unprintable character U+{:04X}", u32::from(odd));
        findings.report(&text.span, message, "remove it");
    }
    odd.is_none()
}

fn git(table: &GitTable, findings: &mut Diagnostics<'_>) -> GitSettings {
    let branch = table.branch.as_ref().and_then(|text| findings.accept(&text.span, branch(&text.value)));
    let author = table.author.as_ref().and_then(|text| findings.accept(&text.span, author(&text.value)));
    let message = table.message.as_ref().and_then(|text| template("git.message", text, Template::read, findings));
    let sign = table.sign.as_ref().and_then(|text| findings.accept(&text.span, sign(&text.value)));
    GitSettings { branch, author, message, sign }
}

/// Validates a template with `read`.
pub(super) fn template(
    key: &str,
    text: &At<String>,
    read: impl Fn(&str, &At<String>, &Arc<SourceFile>) -> Result<Template, Problem>,
    findings: &mut Diagnostics<'_>,
) -> Option<Template> {
    if !is_text(text, findings) {
        return None;
    }
    read(key, text, findings.file).map_err(|problem| findings.problems.push(problem)).ok()
}

fn sign(text: &str) -> Result<Sign, NameError> {
    match text {
        "ssh" => Ok(Sign::Key(SigningKeyKind::Ssh)),
        "openpgp" => Ok(Sign::Key(SigningKeyKind::OpenPgp)),
        "github" => Ok(Sign::GitHub),
        _ => Err(NameError::new(format!("invalid value `{}` for `sign`", excerpt(text))).help(
            "write `ssh` or `openpgp`, with a key in `PINSTREAM_SIGNING_KEY`, an agent or git config, or `github` for \
                 proposals on GitHub",
        )),
    }
}

/// Parses a branch name, by the rules of git-check-ref-format(1).
pub(super) fn branch(text: &str) -> Result<String, NameError> {
    let bad = || NameError::new(format!("invalid branch name `{text}`"));
    if let Some(short) = text.strip_prefix("refs/heads/") {
        return Err(bad().help(format!("remove `refs/heads/`: `{short}`")));
    }
    let odd = |c: char| c.is_control() || is_bidi_control(c) || " ~^:?*[\\".contains(c);
    let part =
        |part: &str| !part.is_empty() && !part.starts_with('.') && !part.ends_with('.') && !part.ends_with(".lock");
    let fits = text.len() <= 255
        && !text.contains(odd)
        && !text.contains("..")
        && !text.contains("@{")
        && !text.starts_with(['-', '@'])
        && !text.starts_with("refs/")
        && text != "HEAD"
        && text.split('/').all(part);
    if fits { Ok(text.to_owned()) } else { Err(bad().help("write e.g. `main` or `release/1.2`")) }
}

fn author(text: &str) -> Result<Author, NameError> {
    let odd = |c: char| c.is_control() || is_bidi_control(c) || matches!(c, '<' | '>');
    let split = text.trim().strip_suffix('>').and_then(|rest| rest.split_once('<'));
    let author = split.map(|(name, email)| (name.trim(), email.trim())).filter(|(name, email)| {
        let fits = |text: &str| !text.is_empty() && text.len() <= 255 && !text.contains(odd);
        fits(name) && fits(email) && !email.contains(char::is_whitespace)
    });
    match author {
        Some((name, email)) => Ok(Author { name: name.to_owned(), email: email.to_owned() }),
        None => Err(NameError::new(format!("invalid author `{text}`"))
            .help("write `name <address>`, e.g. `pinstream <pinstream@acme.example>`")),
    }
}

fn registries(
    written: &Entries<RegistryTable>,
    findings: &mut Diagnostics<'_>,
) -> BTreeMap<RegistryHost, RegistrySettings> {
    let mut registries = BTreeMap::new();
    for (key, table) in &written.0 {
        let Some(host) = findings.parse::<RegistryHost>(key) else { continue };
        let settings = registry(table, findings);
        if registries.insert(host.clone(), settings).is_some() {
            let help = "remove one of them; case does not matter in host names";
            findings.report(&key.span, format!("duplicate registry `{host}`"), help);
        }
    }
    registries
}

fn registry(table: &RegistryTable, findings: &mut Diagnostics<'_>) -> RegistrySettings {
    let mirrors = table.mirrors.iter().filter_map(|text| findings.accept(&text.span, mirror(&text.value))).collect();
    let mut settings = RegistrySettings {
        mirrors,
        ca: table.ca.as_ref().and_then(|text| findings.accept(&text.span, path::parse(&text.value))),
        plain_http: table.plain_http.as_ref().is_some_and(|written| written.value),
        ..RegistrySettings::default()
    };
    if let (true, Some(ca)) = (settings.plain_http, &table.ca) {
        findings.report(&ca.span, "`ca` has no effect with `plain-http`", "remove one of them");
    }
    if let Some(requests) = &table.requests {
        match usize::try_from(requests.value) {
            Ok(number @ 1..=256) => settings.requests = number,
            _ => {
                let message = format!("invalid value {} for `requests`", requests.value);
                findings.report(&requests.span, message, "use a number from 1 to 256");
            }
        }
    }
    settings
}

fn mirror(text: &str) -> Result<Mirror, NameError> {
    if let Some((_, rest)) = text.split_once("://") {
        return Err(
            NameError::new(format!("`{text}` is a URL, not a mirror")).help(format!("remove the scheme: `{rest}`"))
        );
    }
    let (host, prefix) = text.split_once('/').map_or((text, None), |(host, prefix)| (host, Some(prefix)));
    if prefix.is_some_and(|prefix| !is_repository_path(prefix)) {
        return Err(NameError::new(format!("invalid mirror `{text}`"))
            .help("write `host` or `host:port`, optionally with a path, e.g. `mirror.corp.example:5000/redhat`"));
    }
    Ok(Mirror { registry: host.parse()?, prefix: prefix.unwrap_or_default().to_owned() })
}

fn hooks(written: Vec<At<HookTable>>, incomplete: &HashSet<usize>, findings: &mut Diagnostics<'_>) -> Vec<Hook> {
    if let Some(more) = written.get(HOOKS_MAX) {
        findings.report(&more.span, format!("more than {HOOKS_MAX} hooks"), "use one hook for several tags");
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

/// Returns `list`, or reports a list that is too long and returns an empty one.
fn bounded<'a>(list: &'a [At<String>], what: &str, findings: &mut Diagnostics<'_>) -> &'a [At<String>] {
    match list.get(HOOKS_MAX) {
        Some(more) => {
            findings.report(&more.span, format!("more than {HOOKS_MAX} {what}"), "remove some");
            &[]
        }
        None => list,
    }
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
        return Err(NameError::new(format!("`{name}` changes the code that programs load")).help("remove it from `env`"));
    }
    Ok(name.to_owned())
}

fn timeout(text: &str) -> Result<Duration, NameError> {
    let time = duration::parse(text)?;
    if time > TIMEOUT_MAX {
        return Err(NameError::new(format!("time limit `{text}` is longer than a day")).help("use a shorter one; a pass waits for its hooks"));
    }
    Ok(time)
}

#[cfg(test)]
mod tests;
