//! `tag`: defines and deletes tags, like `oc tag`. Edits definitions only; contacts no registry.

mod source;

use std::io::Write as _;

use crate::model::image::{Platform, TagId};
use crate::model::root::Root;
use crate::model::stream::edit as text;
use crate::model::stream::write::{NewSource, NewTag};
use crate::text::escape;

use super::support::definition_edit::{DefinitionEdit, path};
use super::{CliError, CommandContext, Exit};
use source::TagOrigin;

/// Define or delete tags, like `oc tag`
///
/// SOURCE is one of:
///
/// - an image, `registry/repository:tag`, which the tags track;
///
/// - a tag, `stream:tag`, whose current digest the tags are fixed to; with `--alias`, the tags follow it instead, in any
///   stream, or in another repository as `remote//stream:tag`;
///
/// - `stream@sha256:…`, a digest that a tag of the stream is or was pinned to (a unique prefix is enough).
///
/// Edits stream files only and preserves their comments and layout. Other keys of existing tags, such as `hold` or
/// `annotations`, are kept; `schedule` and `platform` are replaced.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pinstream tag docker.io/library/python:3.13 python:3.13
  pinstream tag python:3.13 web:base --alias      web:base follows python:3.13
  pinstream tag python:3.13 web:release           web:release keeps the current digest
  pinstream tag --delete python:3.9")]
pub struct TagArgs {
    /// Source and tags; with `--delete`, only tags
    #[arg(value_name = "SOURCE STREAM:TAG", required = true)]
    operands: Vec<String>,
    /// Delete the tags from their stream files, including tags with invalid names
    #[arg(short, long, conflicts_with_all = ["alias", "schedule", "platform"])]
    delete: bool,
    /// Follow the tag SOURCE instead of copying its digest
    #[arg(long, conflicts_with_all = ["schedule", "platform"])]
    alias: bool,
    /// Schedule for `reconcile --due`, e.g. `0 3 * * 1`
    #[arg(long, value_name = "CRON")]
    schedule: Option<String>,
    /// Pin the image of this platform instead of the index, e.g. `linux/arm64`
    #[arg(long, value_name = "PLATFORM")]
    platform: Option<Platform>,
    #[command(flatten)]
    oc: OcArgs,
}

/// Options of `oc tag` without a meaning here, accepted so that the error can name the alternative.
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
                "omit it: every pass resolves every tag; use `--schedule '*/15 * * * *'` for passes with `--due`",
            ),
            (
                "--reference",
                &self.reference,
                "omit it: every tag is pinned to a digest; use `--schedule never` to resolve it on request only",
            ),
            (
                "--insecure",
                &self.insecure,
                "set `plain-http = true` or `ca = \"…\"` in `[registry.\"host\"]` of `pinstream.toml`",
            ),
            (
                "--reference-policy",
                &self.reference_policy,
                "omit it: pins name the source; set `mirrors` in `[registry.\"host\"]` of `pinstream.toml` for other hosts",
            ),
            (
                "--import-mode",
                &self.import_mode,
                "omit it: the index is pinned, as with `PreserveOriginal`; use `--platform linux/amd64` to pin one image, \
                 as with `Legacy`",
            ),
            ("--source", &self.source, "omit it: the kind of SOURCE is recognized by its syntax"),
        ];
        options.into_iter().find(|(_, given, _)| given.is_some()).map_or(Ok(()), |(option, _, help)| {
            Err(CliError::usage(format!("`{option}` of `oc tag` is not supported")).help(help))
        })
    }
}

/// Runs `tag`.
///
/// # Errors
/// Fails without writing anything if an argument is invalid or the edited definitions would have problems.
pub fn run(context: &CommandContext, args: &TagArgs) -> Result<Exit, CliError> {
    args.oc.refuse()?;
    match (args.delete, args.operands.as_slice()) {
        (true, tags) => delete(context, tags),
        (false, [source, tags @ ..]) if !tags.is_empty() => define(context, args, source, tags),
        _ => {
            Err(CliError::usage("no tag to define").help("name it after the source: `pinstream tag IMAGE stream:tag`"))
        }
    }
}

fn define(context: &CommandContext, args: &TagArgs, source: &str, tags: &[String]) -> Result<Exit, CliError> {
    let from: TagOrigin = source.parse()?;
    let ids: Vec<TagId> = tags.iter().map(|tag| tag.parse()).collect::<Result<_, _>>()?;
    let mut edit = DefinitionEdit::begin(context)?;
    let source = from.resolve(&edit.root()?, args.alias)?;
    let source = match (source, &args.platform, &args.schedule) {
        (NewSource::Image(image, _), _, Some(_)) if image.digest().is_some() => {
            return Err(CliError::usage("`--schedule` has no effect on a fixed digest")
                .help("omit `--schedule`, or name an image by its tag"));
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
            NewSource::Remote(remote) => writeln!(out, "{id} -> {remote}")?,
        }
    }
    for path in &written {
        writeln!(out, "wrote {path}")?;
    }
    if written.is_empty() {
        writeln!(out, "already defined; nothing was written")?;
        return Ok(Exit::Success);
    }
    for id in ids.iter().filter(|id| is_held(&root, id)) {
        writeln!(out, "{id} is held: its pin stays until `hold` is removed")?;
    }
    let names: Vec<String> = ids.iter().map(ToString::to_string).collect();
    writeln!(out, "next: run `pinstream update {}`, then commit", names.join(" "))?;
    Ok(Exit::Success)
}

fn is_held(root: &Root, id: &TagId) -> bool {
    let rules = root.definitions.tags.get(id).and_then(|tag| tag.adoption.as_deref());
    rules.is_some_and(|rules| rules.hold.is_some()) && root.lock.pins.contains_key(id)
}

fn delete(context: &CommandContext, tags: &[String]) -> Result<Exit, CliError> {
    let mut edit = DefinitionEdit::begin(context)?;
    let was_broken = edit.was_broken();
    for arg in tags {
        // The name of the tag is not parsed: it may be invalid, which is why it is deleted.
        let (stream, tag) = arg
            .split_once(':')
            .ok_or_else(|| CliError::usage(format!("`{arg}` is not a tag")).help("write a tag as `stream:tag`"))?;
        let stream = stream.parse()?;
        let mut exists = false;
        edit.stream(&stream, |file| {
            let without = text::remove(file, tag)?;
            exists = without.is_some();
            Ok(without.unwrap_or_else(|| file.to_owned()))
        })?;
        if !exists {
            let root = edit.root()?;
            let id = arg.parse::<TagId>().ok();
            if id.is_some_and(|id| root.definitions.tags.contains_key(&id)) {
                return Err(CliError::usage(format!("`{arg}` comes from `[discover]`"))
                    .help(format!("restrict `[discover]` in `{}`", path(&stream))));
            }
            return Err(root.unknown_tag(arg).into());
        }
    }
    // Broken definitions may be repaired step by step.
    if !was_broken {
        edit.root()?;
    }
    let written = edit.write()?;
    let mut out = context.stdout();
    for arg in tags {
        writeln!(out, "deleted {}", escape::terminal(arg))?;
    }
    for path in &written {
        writeln!(out, "wrote {path}")?;
    }
    writeln!(out, "next: run `pinstream update` to remove the pin, then commit")?;
    Ok(Exit::Success)
}
