//! `describe`: shows streams in the layout of `oc describe is`, with commit and author of each digest.
//!
//! Everything comes from definitions, lock and history; no registry is contacted.
//!
//! The layout follows openshift/oc (`formatImageStreamTags`): a head of `Name:` lines, then a section for each tag, with
//! its aliases in parentheses.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;

use jiff::Timestamp;

use crate::git::checkout;
use crate::git::work_tree::WorkTree;
use crate::model::image::{Digest, StreamName, TagId};
use crate::model::root::{self, Root};
use crate::model::settings::globs::TagGlobs;
use crate::model::stream::{Discovery, TagSource};
use crate::query::describe::{
    Describer, DigestProvenance, PinDescription, PinnedDigest, StreamDescription, TagDescription, rules,
};
use crate::query::status::DriftIndex;
use crate::system::clock;
use crate::text::escape;

use super::support::table::age;
use super::{CliError, CommandContext, Exit};

/// Describe streams like `oc describe is`, with commit and author of each digest
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pinstream describe                      all streams
  pinstream describe python
  pinstream describe 'team-a/**' --utc")]
pub struct DescribeArgs {
    /// Streams, by name, by a tag in them, or by globs; default: all streams
    #[arg(value_name = "TAG")]
    tags: Vec<String>,
    /// Show UTC times instead of ages
    #[arg(long)]
    utc: bool,
}

/// Runs `describe`.
///
/// # Errors
/// Fails if a stream does not exist or the root cannot be read.
pub fn run(context: &CommandContext, args: &DescribeArgs) -> Result<Exit, CliError> {
    let (work_tree, root) = context.root()?;
    let names = streams(&root, &args.tags)?;
    let provenance = provenance(&work_tree, &root, &names)?;
    let describer = Describer { root: &root, drift: &DriftIndex::of(&root), provenance: &provenance };
    let writer = StreamWriter { now: (!args.utc).then(clock::now) };
    let mut out = context.stdout();
    for (number, stream) in names.iter().filter_map(|name| describer.stream(name)).enumerate() {
        if number > 0 {
            writeln!(out)?;
        }
        write!(out, "{}", writer.stream(&stream))?;
    }
    Ok(Exit::Success)
}

/// Selects the streams that `args` name, directly or by a tag; each once.
fn streams(root: &Root, args: &[String]) -> Result<Vec<StreamName>, CliError> {
    let all = &root.definitions.streams;
    if args.is_empty() {
        return Ok(all.keys().cloned().collect());
    }
    let mut names: Vec<StreamName> = Vec::new();
    for arg in args {
        // Patterns match tags; a stream without tags is found by name.
        let by_name = all.keys().find(|stream| stream.as_str() == arg);
        let patterns = TagGlobs::new([arg.as_str()])?;
        let by_tag = root.definitions.tags.keys().filter(|id| patterns.matches(id)).map(|id| &id.stream);
        let found: BTreeSet<&StreamName> = by_name.into_iter().chain(by_tag).collect();
        if found.is_empty() {
            return Err(not_found(root, arg));
        }
        let new: Vec<StreamName> = found.into_iter().filter(|name| !names.contains(name)).cloned().collect();
        names.extend(new);
    }
    Ok(names)
}

fn not_found(root: &Root, arg: &str) -> CliError {
    if arg.contains([':', '*', '?', '[', '{']) {
        return root.unknown_tag(arg).into();
    }
    let names = root.definitions.streams.keys().map(StreamName::as_str);
    let error = CliError::usage(format!("no stream is named `{arg}`"));
    error.did_you_mean(arg, names, "run `pinstream list` to see all tags")
}

/// Finds the commits that introduced the digests of the streams; nothing outside a checkout with commits.
fn provenance(work_tree: &WorkTree, root: &Root, names: &[StreamName]) -> Result<DigestProvenance, CliError> {
    let Some(checkout) = checkout::discover(&work_tree.0)? else { return Ok(BTreeMap::new()) };
    let committed = match checkout.commit("HEAD") {
        Ok(_) => checkout.lock_history("HEAD", &checkout.prefix)?.next().transpose()?,
        // A repository without a commit has no history.
        Err(_) => None,
    };
    let Some(committed) = committed.map(|version| digests(&version.bytes)) else { return Ok(BTreeMap::new()) };
    let pins = root.lock.pins.iter().filter(|(id, _)| names.contains(&id.stream));
    let wanted = pins.map(|(id, pin)| {
        // An uncommitted digest has no commit yet.
        let current = Some(&pin.digest).filter(|digest| committed.get(id) == Some(digest));
        (id.clone(), current.into_iter().chain(&pin.previous).cloned().collect())
    });
    Ok(checkout.blame_lock("HEAD", &checkout.prefix, &wanted.collect(), digests)?)
}

/// Returns the digests of an encoded lock; none if it cannot be parsed.
fn digests(bytes: &[u8]) -> BTreeMap<TagId, Digest> {
    let pins = root::decode_lock(bytes).map(|lock| lock.pins).unwrap_or_default();
    pins.into_iter().map(|(id, pin)| (id, pin.digest)).collect()
}

/// Writes descriptions as text.
struct StreamWriter {
    /// The time from which ages are computed; none shows UTC times.
    now: Option<Timestamp>,
}

impl StreamWriter {
    fn stream(&self, stream: &StreamDescription<'_>) -> String {
        let mut text = String::new();
        head(&mut text, stream);
        for tag in &stream.tags {
            text.push('\n');
            self.tag(&mut text, tag);
        }
        for pin in &stream.undefined {
            // Writing to a `String` cannot fail, here and below.
            let _ = writeln!(text, "\n{}\n  not defined\n", pin.id.tag);
            self.pin(&mut text, pin);
        }
        text
    }

    fn tag(&self, text: &mut String, tag: &TagDescription<'_>) {
        let mut line = |line: &str| {
            let _ = writeln!(text, "{line}");
        };
        let aliases: Vec<&str> = tag.aliases.iter().map(|alias| alias.tag.as_str()).collect();
        line(&match aliases.as_slice() {
            [] => tag.id.tag.to_string(),
            aliases => format!("{} ({})", tag.id.tag, aliases.join(", ")),
        });
        line(&format!("  {}", source(tag)));
        for rule in rules::update_rules(tag.tag) {
            line(&format!("  {}", escape::one_line(&rule)));
        }
        if !tag.followers.is_empty() {
            let followers: Vec<String> = tag.followers.iter().map(ToString::to_string).collect();
            line(&format!("  followed by {}", followers.join(", ")));
        }
        line("");
        for (key, value) in &tag.tag.annotations {
            line(&format!("  {}", annotation(key, value)));
        }
        if !tag.tag.annotations.is_empty() {
            line("");
        }
        for drift in &tag.drift {
            line(&format!("  ! {drift}"));
        }
        for restriction in rules::restrictions(tag.tag) {
            line(&format!("  ! {}", escape::one_line(&restriction)));
        }
        match &tag.pin {
            Some(pin) => self.pin(text, pin),
            None => line("  ~ not pinned yet"),
        }
    }

    fn pin(&self, text: &mut String, pin: &PinDescription<'_>) {
        let repository = pin.pin.image.repository();
        for (number, digest) in pin.digests.iter().enumerate() {
            let mark = if number == 0 { "*" } else { " " };
            let _ = writeln!(text, "  {mark} {repository}@{}", digest.digest);
            if number == 0 {
                if let Some(tag) = pin.selected {
                    let _ = writeln!(text, "      tag {tag}");
                }
                if let Some(version) = &pin.version {
                    let _ = writeln!(text, "      version {}", escape::terminal(version));
                }
                if let Some(created) = pin.created {
                    let _ = writeln!(text, "      created {}", self.time(created));
                }
            }
            self.commit(text, digest);
        }
    }

    fn commit(&self, text: &mut String, digest: &PinnedDigest<'_>) {
        let Some(commit) = digest.provenance else { return };
        let (time, author) = (self.time(commit.time), escape::terminal(&commit.author));
        let _ = writeln!(text, "      {time}, in {} by {author}", commit.commit.short());
    }

    fn time(&self, time: Timestamp) -> String {
        match self.now {
            None => time.to_string(),
            Some(now) => age(now.duration_since(time).as_secs()),
        }
    }
}

fn head(text: &mut String, stream: &StreamDescription<'_>) {
    let mut line = |name: &str, value: &str| {
        // Values start at column 24, with tabs of eight, as in `oc`.
        let tabs = "\t".repeat((24 - name.len().min(23)).div_ceil(8));
        let _ = writeln!(text, "{name}{tabs}{value}");
    };
    line("Name:", stream.name.as_str());
    if let Some(description) = &stream.stream.description {
        line("Description:", &escape::terminal(description));
    }
    let mut annotations = stream.stream.annotations.iter().map(|(key, value)| annotation(key, value));
    line("Annotations:", &annotations.next().unwrap_or_else(|| "<none>".to_owned()));
    for annotation in annotations {
        line("", &annotation);
    }
    if let Some(Discovery { repository, select, limit, .. }) = stream.discovery {
        line("Discovers:", &format!("{repository}, {select}, at most {limit} tags"));
    }
    line("Unique Images:", &stream.image_count.to_string());
    let tags = stream.tag_count;
    line("Tags:", &if tags == 0 { "<none>".to_owned() } else { tags.to_string() });
}

fn source(tag: &TagDescription<'_>) -> String {
    let platform = tag.tag.source.platform().map(|platform| format!(" for {platform}")).unwrap_or_default();
    match &tag.tag.source {
        TagSource::Image { image, .. } => {
            let verb = if image.digest().is_some() { "tagged from" } else { "updates automatically from registry" };
            format!("{verb} {image}{platform}")
        }
        TagSource::Select { repository, select, .. } => {
            format!("updates automatically from registry {repository}, tag {select}{platform}")
        }
        TagSource::Follow(target) => format!("updates automatically from {target}"),
        TagSource::Remote(target) => {
            let url = tag.remote.map(|remote| format!(" of {}", remote.url)).unwrap_or_default();
            format!("updates automatically from {target}{url}")
        }
    }
}

/// Formats an annotation; both parts are free text of the definitions.
fn annotation(key: &str, value: &str) -> String {
    format!("{}={}", escape::terminal(key), escape::terminal(value))
}
