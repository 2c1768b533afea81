//! `tag`: defines tags and takes them out, with the meaning of `oc tag`. Edits definitions only; asks no registry.

mod source;

use std::io::Write as _;

use crate::model::image::{Platform, TagId};
use crate::model::root::Root;
use crate::model::stream::edit as text;
use crate::model::stream::write::{NewSource, NewTag};
use crate::report::exit::Exit;

use super::CliError;
use super::context::{CommandContext, usage};
use super::edit::{DefinitionEdit, path};
use source::TagOrigin;

/// Define tags as `oc tag` does: an image, a copy of a pin, or a tag to follow
///
/// SOURCE is an image, `registry/repository:tag`, which the tags then follow; a tag, `stream:tag`, of which they become
/// a copy: they stay at the digest that it is pinned to now; or `stream@sha256:…`, a digest that a tag of the stream is
/// or was pinned to, by as much of it as is needed. With `--alias` they follow the tag SOURCE, in any stream, or in
/// another repository as `remote//stream:tag`: `oc` refuses that across streams, where its aliases would not move.
///
/// Only definitions are edited, with comments and layout as they are. What the tags say of themselves beside their
/// source, as `hold` or annotations, stays; a schedule and a platform do not.
#[derive(Debug, clap::Args)]
pub struct TagArgs {
    /// What the tags shall be, and then the tags; with `--delete` tags alone
    #[arg(value_name = "SOURCE STREAM:TAG", required = true)]
    words: Vec<String>,
    /// Take the tags out of the definitions, also those whose names are not right
    #[arg(short, long, conflicts_with_all = ["alias", "schedule", "platform"])]
    delete: bool,
    /// Follow the tag SOURCE in place of copying its pin
    #[arg(long, conflicts_with_all = ["schedule", "platform"])]
    alias: bool,
    /// When `--due` imports them, as `0 3 * * 1`
    #[arg(long, value_name = "CRON")]
    schedule: Option<String>,
    /// The one platform whose manifest is pinned in place of the index, as `linux/arm64`
    #[arg(long, value_name = "PLATFORM")]
    platform: Option<Platform>,
    #[command(flatten)]
    oc: OcArgs,
}

/// Options of `oc tag` that have no meaning here, taken so that each can be answered with what stands for it.
#[derive(Debug, clap::Args)]
struct OcArgs {
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    scheduled: Option<String>,
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    reference: Option<String>,
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    insecure: Option<String>,
    #[arg(long, hide = true)]
    reference_policy: Option<String>,
    #[arg(long, hide = true)]
    import_mode: Option<String>,
    #[arg(long, hide = true)]
    source: Option<String>,
}

impl OcArgs {
    fn refuse(&self) -> Result<(), CliError> {
        let options = [
            (
                "--scheduled",
                &self.scheduled,
                "leave it out: each pass imports each tag; `--schedule '*/15 * * * *'` says when one with `--due` does",
            ),
            (
                "--reference",
                &self.reference,
                "leave it out: each tag is pinned to a digest; `--schedule never` has it imported by hand alone",
            ),
            (
                "--insecure",
                &self.insecure,
                "write `plain-http = true` or `ca = \"…\"` in a table `[registry.\"host\"]` of `pinstream.toml`",
            ),
            (
                "--reference-policy",
                &self.reference_policy,
                "leave it out: a pin names the source; `mirrors` in a table `[registry.\"host\"]` of `pinstream.toml` \
                 say where else it is had",
            ),
            (
                "--import-mode",
                &self.import_mode,
                "leave it out: the index is pinned, as by `PreserveOriginal`; `--platform linux/amd64` pins one \
                 platform's manifest, as `Legacy` did",
            ),
            ("--source", &self.source, "leave it out: SOURCE tells by its form what it is"),
        ];
        match options.into_iter().find(|(_, given, _)| given.is_some()) {
            Some((option, _, help)) => Err(CliError::usage(format!("`{option}` is of `oc tag` alone")).help(help)),
            None => Ok(()),
        }
    }
}

/// Runs it.
///
/// # Errors
/// Where a word names nothing, or the definitions would not be right; then nothing is written.
pub fn run(context: &CommandContext, args: &TagArgs) -> Result<Exit, CliError> {
    args.oc.refuse()?;
    match (args.delete, args.words.as_slice()) {
        (true, tags) => delete(context, tags),
        (false, [source, tags @ ..]) if !tags.is_empty() => define(context, args, source, tags),
        _ => Err(CliError::usage("there is a source and no tag that shall be it")
            .help("`pinstream tag registry/repository:tag stream:tag`")),
    }
}

fn define(context: &CommandContext, args: &TagArgs, source: &str, tags: &[String]) -> Result<Exit, CliError> {
    let from: TagOrigin = source.parse().map_err(usage)?;
    let ids: Vec<TagId> = tags.iter().map(|tag| tag.parse()).collect::<Result<_, _>>().map_err(usage)?;
    let mut edit = DefinitionEdit::begin(context)?;
    let source = from.resolve(&edit.root()?, args.alias)?;
    let source = match (source, &args.platform, &args.schedule) {
        (NewSource::Image(image, _), _, Some(_)) if image.digest().is_some() => {
            return Err(CliError::usage("what stays at its digest has no use for a schedule")
                .help("leave `--schedule` out, or name an image by its tag"));
        }
        (NewSource::Image(image, _), platform, _) => NewSource::Image(image, platform.clone()),
        (follow, _, _) => follow,
    };
    let new = NewTag { schedule: args.schedule.clone(), ..NewTag::of(source) };
    for id in &ids {
        edit.stream(&id.stream, |file| text::define(file, &id.stream, &id.tag, &new))?;
    }
    let root = edit.root()?;
    let written = edit.write()?;
    let mut out = context.stdout();
    for id in &ids {
        match &new.source {
            NewSource::Image(image, None) => writeln!(out, "{id} = {image}")?,
            NewSource::Image(image, Some(platform)) => writeln!(out, "{id} = {image} ({platform})")?,
            NewSource::Follow(target) => writeln!(out, "{id} -> {target}")?,
            NewSource::Remote(far) => writeln!(out, "{id} -> {far}")?,
        }
    }
    for path in &written {
        writeln!(out, "wrote {path}")?;
    }
    if written.is_empty() {
        writeln!(out, "that is how it is defined already")?;
        return Ok(Exit::Success);
    }
    for id in ids.iter().filter(|id| is_held(&root, id)) {
        writeln!(out, "{id} is held: its pin stays until `hold` is taken out")?;
    }
    let names: Vec<String> = ids.iter().map(ToString::to_string).collect();
    writeln!(out, "next: run `pinstream update {}`, which pins it, and commit", names.join(" "))?;
    Ok(Exit::Success)
}

fn is_held(root: &Root, id: &TagId) -> bool {
    let rules = root.definitions.tags.get(id).and_then(|tag| tag.adoption.as_deref());
    rules.is_some_and(|rules| rules.hold.is_some()) && root.lock.pins.contains_key(id)
}

fn delete(context: &CommandContext, tags: &[String]) -> Result<Exit, CliError> {
    let mut edit = DefinitionEdit::begin(context)?;
    let was_broken = edit.was_broken();
    for word in tags {
        // The tag's own name may be wrong: it is taken out for that.
        let (stream, tag) = word
            .split_once(':')
            .ok_or_else(|| CliError::usage(format!("`{word}` does not name a tag")).help("a tag is `stream:tag`"))?;
        let stream = stream.parse().map_err(usage)?;
        let mut is_there = false;
        edit.stream(&stream, |file| {
            let without = text::remove(file, tag)?;
            is_there = without.is_some();
            Ok(without.unwrap_or_else(|| file.to_owned()))
        })?;
        if !is_there {
            let root = edit.root()?;
            let id = word.parse::<TagId>().ok();
            if id.is_some_and(|id| root.definitions.tags.contains_key(&id)) {
                return Err(CliError::usage(format!("`{word}` is not written down: `[discover]` finds it"))
                    .help(format!("narrow the rule of `[discover]` in `{}`", path(&stream))));
            }
            return Err(root.unknown_tag(word).into());
        }
    }
    // Who repairs definitions that are wrong takes out one thing after the other.
    if !was_broken {
        edit.root()?;
    }
    let written = edit.write()?;
    let mut out = context.stdout();
    for word in tags {
        writeln!(out, "{} is no tag any more", crate::text::escape::terminal(word))?;
    }
    for path in &written {
        writeln!(out, "wrote {path}")?;
    }
    writeln!(out, "next: run `pinstream update`, which drops its pin, and commit")?;
    Ok(Exit::Success)
}
