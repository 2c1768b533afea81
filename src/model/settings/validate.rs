//! From `pinstream.toml` as written to [`Settings`] that are true, or to everything that is wrong with it.

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::globs::TagGlobs;
use super::publish::ForgeKind;
use super::schedule::Schedules;
use super::table::{GitTable, HookTable, RegistryTable, SHAPE, SettingsTable};
use super::written::ImportOverlay;
use super::{
    Author, GitSettings, Hook, ImportSettings, Mirror, ReferencedFile, RegistrySettings, Settings, Sign,
    SigningKeyKind, duration, path, publish, remote, verify,
};
use crate::formats;
use crate::model::image::{NameError, RegistryHost, is_repository_path};
use crate::text::diagnostics::{At, Diagnostics, Problem, SourceFile, SourceLocation, is_bidi_control};
use crate::text::template::Template;
use crate::text::toml::shape::short;
use crate::text::toml::{Entries, ParsedFile};

/// How many hooks a root may have, and how many patterns, files, arguments or variables one of them.
pub(super) const HOOKS_MAX: usize = 100;
/// The longest time a hook may ask for.
const TIMEOUT_MAX: Duration = Duration::from_secs(86_400);

/// Reads `pinstream.toml`; what is wrong stands beside what is right.
pub(crate) fn settings(file: &Arc<SourceFile>, schedules: &mut Schedules) -> (Settings, Vec<Problem>) {
    let mut findings = Diagnostics::new(file);
    let read: Option<ParsedFile<SettingsTable>> = crate::text::toml::read(&SHAPE, &mut findings, |_, _| {});
    let Some(ParsedFile { table, spoiled }) = read else { return (Settings::default(), findings.problems) };
    let import = table.import;
    let mut files = files_of_registries(&table.registry, &findings);
    files.extend(table.hook.iter().flat_map(|hook| files_of_hook(&hook.value, &findings)));
    let anchors = verify::file(import.verify.as_ref(), &findings).into_iter().collect();
    let publish = table.publish.and_then(|table| publish::publish(&table, &spoiled, &mut findings));
    let git = git(&table.git, &mut findings);
    let is_on_github = publish.as_ref().is_some_and(|publish| publish.repository.forge == ForgeKind::GitHub);
    if let (Some(Sign::GitHub), Some(written), false) = (git.sign, &table.git.sign, is_on_github) {
        let help = "add `[publish.github]` with the repository, or sign with a key: `ssh` or `openpgp`";
        findings.say(&written.span, "GitHub signs the commits of proposals there, and these are none", help);
    }
    let settings = Settings {
        git,
        import: ImportOverlay::of(&import).over(&ImportSettings::default(), schedules, &mut findings),
        registries: registries(&table.registry, &mut findings),
        remotes: remote::remotes(&table.remote, &spoiled, &mut findings),
        hooks: hooks(table.hook, &spoiled, &mut findings),
        publish,
        targets: formats::table::targets(table.target, &spoiled, &mut findings),
        files,
        anchors,
    };
    (settings, findings.problems)
}

/// The file that `text` names, where that is a path.
pub(crate) fn named(text: &At<String>, by: String, findings: &Diagnostics<'_>) -> Option<ReferencedFile> {
    let place = SourceLocation { file: Arc::clone(findings.file), span: text.span.clone() };
    path::parse(&text.value).ok().map(|path| ReferencedFile { path, by, place })
}

fn files_of_registries(written: &Entries<RegistryTable>, findings: &Diagnostics<'_>) -> Vec<ReferencedFile> {
    let authority = |(key, table): &(At<String>, RegistryTable)| {
        named(table.ca.as_ref()?, format!("`ca` of `[registry.\"{}\"]`", short(&key.value)), findings)
    };
    written.0.iter().filter_map(authority).collect()
}

fn files_of_hook(hook: &HookTable, findings: &Diagnostics<'_>) -> Vec<ReferencedFile> {
    let of = |key: &str| match &hook.name {
        Some(name) => format!("`{key}` of the hook `{}`", short(&name.value)),
        None => format!("`{key}` of a hook"),
    };
    // What has no slash is looked for in `PATH`.
    let program = hook.run.as_ref().and_then(|run| run.value.first()).filter(|program| program.value.contains('/'));
    let program = program.and_then(|program| named(program, of("run"), findings));
    program.into_iter().chain(hook.files.iter().filter_map(|file| named(file, of("files"), findings))).collect()
}

/// Words of the user's own, fit to be shown.
pub(crate) fn annotations(written: Entries<At<String>>, findings: &mut Diagnostics<'_>) -> BTreeMap<String, String> {
    let mut annotations = BTreeMap::new();
    for (key, text) in written.0 {
        if key.value.is_empty() || key.value.contains(char::is_whitespace) {
            findings.say(&key.span, "an annotation needs a name without spaces", "as `acme.example/owner`");
        }
        if is_text(&key, findings) && is_text(&text, findings) {
            annotations.insert(key.value, text.value);
        }
    }
    annotations
}

/// Whether `text` can be shown as it is; lines and tabs are fine.
pub(crate) fn is_text(text: &At<String>, findings: &mut Diagnostics<'_>) -> bool {
    let odd = text.value.chars().find(|c| (c.is_control() && !matches!(c, '\n' | '\t' | '\r')) || is_bidi_control(*c));
    if let Some(odd) = odd {
        let message = format!("the character U+{:04X} cannot be shown", u32::from(odd));
        findings.say(&text.span, message, "take it out");
    }
    odd.is_none()
}

fn git(table: &GitTable, findings: &mut Diagnostics<'_>) -> GitSettings {
    let branch = table.branch.as_ref().and_then(|text| findings.keep(&text.span, branch(&text.value)));
    let author = table.author.as_ref().and_then(|text| findings.keep(&text.span, author(&text.value)));
    let message = table.message.as_ref().and_then(|text| template("git.message", text, Template::read, findings));
    let sign = table.sign.as_ref().and_then(|text| findings.keep(&text.span, sign(&text.value)));
    GitSettings { branch, author, message, sign }
}

/// A template that `read` reads.
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
        _ => Err(NameError::new(format!("`{}` is no way to sign commits", short(text))).help(
            "`ssh` or `openpgp`, the key comes from `PINSTREAM_SIGNING_KEY` or `PINSTREAM_SIGNING_KEY_FILE`; or \
                 `github` for proposals there",
        )),
    }
}

/// A branch's name, by the rules of git-check-ref-format(1).
pub(super) fn branch(text: &str) -> Result<String, NameError> {
    let bad = || NameError::new(format!("`{text}` is not a branch's name"));
    if let Some(short) = text.strip_prefix("refs/heads/") {
        return Err(bad().help(format!("leave `refs/heads/` out: `{short}`")));
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
    if fits { Ok(text.to_owned()) } else { Err(bad().help("as `main` or `release/1.2`")) }
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
        None => Err(NameError::new(format!("`{text}` does not name an author"))
            .help("a name and an address, as `pinstream <pinstream@acme.example>`")),
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
            let help = "upper and lower case are the same in a host's name: keep one of the two";
            findings.say(&key.span, format!("the registry `{host}` is defined twice"), help);
        }
    }
    registries
}

fn registry(table: &RegistryTable, findings: &mut Diagnostics<'_>) -> RegistrySettings {
    let mirrors = table.mirrors.iter().filter_map(|text| findings.keep(&text.span, mirror(&text.value))).collect();
    let mut settings = RegistrySettings {
        mirrors,
        ca: table.ca.as_ref().and_then(|text| findings.keep(&text.span, path::parse(&text.value))),
        plain_http: table.plain_http.as_ref().is_some_and(|written| written.value),
        ..RegistrySettings::default()
    };
    if let (true, Some(ca)) = (settings.plain_http, &table.ca) {
        findings.say(&ca.span, "`ca` says nothing where `plain-http` is on", "take one of the two out");
    }
    if let Some(requests) = &table.requests {
        match usize::try_from(requests.value) {
            Ok(number @ 1..=256) => settings.requests = number,
            _ => {
                let message = format!("`requests` is {}, and may be 1 to 256", requests.value);
                findings.say(&requests.span, message, "leave it out for 16");
            }
        }
    }
    settings
}

fn mirror(text: &str) -> Result<Mirror, NameError> {
    if let Some((_, rest)) = text.split_once("://") {
        return Err(
            NameError::new(format!("`{text}` is a URL, not a mirror")).help(format!("leave the scheme out: `{rest}`"))
        );
    }
    let (host, prefix) = text.split_once('/').map_or((text, None), |(host, prefix)| (host, Some(prefix)));
    if prefix.is_some_and(|prefix| !is_repository_path(prefix)) {
        return Err(NameError::new(format!("`{text}` is not a mirror"))
            .help("`host`, `host:port`, or these and a path, as `mirror.corp.example:5000/redhat`"));
    }
    Ok(Mirror { registry: host.parse()?, prefix: prefix.unwrap_or_default().to_owned() })
}

fn hooks(written: Vec<At<HookTable>>, spoiled: &HashSet<usize>, findings: &mut Diagnostics<'_>) -> Vec<Hook> {
    if let Some(more) = written.get(HOOKS_MAX) {
        findings.say(&more.span, format!("more than {HOOKS_MAX} hooks"), "let one hook look at what has moved");
        return Vec::new();
    }
    let mut names: HashSet<String> = HashSet::new();
    let mut hooks = Vec::new();
    for At { value: table, span } in written {
        let whole = !spoiled.contains(&span.start);
        let name = hook_name(table.name.as_ref(), whole, &span, findings);
        if let (Some(name), Some(at)) = (&name, &table.name)
            && !names.insert(name.clone())
        {
            findings.say(&at.span, format!("two hooks are named `{name}`"), "give each its own name");
        }
        let run = hook_run(table.run.as_ref(), whole, &span, findings);
        let on = hook_on(table.on.as_ref(), findings);
        let files = bounded(&table.files, "files", findings);
        let files = files.iter().filter_map(|text| findings.keep(&text.span, path::parse(&text.value))).collect();
        let env = bounded(&table.env, "variables", findings);
        let env = env.iter().filter_map(|text| findings.keep(&text.span, variable(&text.value))).collect();
        let timeout = table.timeout.as_ref().and_then(|text| findings.keep(&text.span, timeout(&text.value)));
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
            findings.say(hook, "a hook without a name", "add `name = \"rollout\"`: what it has seen is kept under it");
        }
        return None;
    };
    let fits = (1..=63).contains(&value.len())
        && value.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !value.starts_with('-');
    if !fits {
        let message = format!("`{}` is not a hook's name", crate::text::toml::shape::short(value));
        findings.say(span, message, "lower-case letters, digits and `-`, not beginning with `-`, at most 63");
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
            findings.say(hook, "a hook without a command", "add `run = [\"./scripts/rollout.sh\"]`");
        }
        return None;
    };
    let Some(program) = argv.first() else {
        findings.say(
            span,
            "`run` is empty",
            "name a program and its arguments, as `[\"./scripts/rollout.sh\", \"prod\"]`",
        );
        return None;
    };
    let mut fits = true;
    let text = &program.value;
    if text.contains('/') {
        fits = findings.keep(&program.span, path::parse(text)).is_some();
    } else if text.is_empty() || text.contains(|c: char| c.is_whitespace() || c.is_control()) || text.starts_with('-') {
        let help = "`run` is a program and its arguments, each a string of its own; there is no shell";
        findings.say(&program.span, format!("`{text}` is not a program"), help);
        fits = false;
    }
    for argument in bounded(argv, "arguments", findings) {
        if argument.value.contains('\0') {
            findings.say(&argument.span, "an argument cannot hold a NUL character", "take it out");
            fits = false;
        }
    }
    fits.then(|| argv.iter().map(|argument| argument.value.clone()).collect())
}

fn hook_on(written: Option<&At<Vec<At<String>>>>, findings: &mut Diagnostics<'_>) -> TagGlobs {
    let Some(At { value: patterns, span }) = written else { return TagGlobs::all() };
    if patterns.is_empty() {
        findings.say(span, "`on` is empty, so the hook never runs", "leave `on` out for all tags");
    }
    let patterns = bounded(patterns, "patterns", findings);
    for pattern in patterns {
        findings.keep(&pattern.span, TagGlobs::new([pattern.value.as_str()]));
    }
    // A list with a bad pattern is of no further use: the problem stands.
    TagGlobs::new(patterns.iter().map(|pattern| pattern.value.as_str())).unwrap_or_default()
}

/// `list`, or nothing of it and a problem where it is longer than anything sensible.
fn bounded<'a>(list: &'a [At<String>], what: &str, findings: &mut Diagnostics<'_>) -> &'a [At<String>] {
    match list.get(HOOKS_MAX) {
        Some(more) => {
            findings.say(&more.span, format!("more than {HOOKS_MAX} {what}"), "a hook has at most a hundred");
            &[]
        }
        None => list,
    }
}

fn variable(name: &str) -> Result<String, NameError> {
    let first = name.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    if !first || name.len() > 255 || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        let error = NameError::new(format!("`{name}` is not a variable's name"));
        return Err(error.help("letters, digits and `_`; its value is taken from pinstream's own environment"));
    }
    if name.starts_with("PINSTREAM_") {
        return Err(NameError::new(format!("`{name}` is set by pinstream itself")).help("take it out of `env`"));
    }
    if name.starts_with("LD_") || name.starts_with("DYLD_") {
        return Err(NameError::new(format!("`{name}` changes which code programs load")).help("take it out of `env`"));
    }
    Ok(name.to_owned())
}

fn timeout(text: &str) -> Result<Duration, NameError> {
    let time = duration::parse(text)?;
    if time > TIMEOUT_MAX {
        return Err(NameError::new(format!("`{text}` is longer than a day")).help("a pass waits for its hooks"));
    }
    Ok(time)
}

#[cfg(test)]
mod tests;
