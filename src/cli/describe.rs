//! `describe`: shows streams in the layout of `oc describe is`, with commit and author of each digest.
//!
//! Everything comes from definitions, lock and history; no registry is contacted.
//!
//! The layout follows openshift/oc (`formatImageStreamTags`): a head of `Name:` lines, then a section for each tag, with
//! its aliases in parentheses.

mod rules;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;

use jiff::Timestamp;

use crate::git::checkout::{self, Provenance};
use crate::git::work_tree::WorkTree;
use crate::model::drift::{Drift, DriftKind, find_drift};
use crate::model::image::{Digest, StreamName, TagId, priority};
use crate::model::lock::{Pin, diff};
use crate::model::root::{self, Root};
use crate::model::settings::globs::TagGlobs;
use crate::model::stream::{Discovery, Tag, TagSource};
use crate::system::clock;
use crate::text::escape;

use super::history::incomplete;
use super::support::table::when;
use super::{CliError, CommandContext, Exit};

/// Commits that introduced digests, by tag and digest.
type DigestProvenance = BTreeMap<(TagId, Digest), Provenance>;

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
    let drift = find_drift(&root.definitions, &root.lock).into_iter();
    let describer = Describer {
        root: &root,
        drift: drift.map(|drift| (drift.tag.clone(), drift)).collect(),
        provenance: provenance(context, &work_tree, &root, &names)?,
        now: (!args.utc).then(clock::now),
    };
    let streams: Vec<String> = names.into_iter().map(|name| describer.stream(name)).collect();
    write!(context.stdout(), "{}", streams.join("\n"))?;
    Ok(Exit::Success)
}

/// Selects the streams that `args` name, directly or by a tag; each once.
fn streams<'a>(root: &'a Root, args: &[String]) -> Result<Vec<&'a StreamName>, CliError> {
    let all = &root.definitions.streams;
    if args.is_empty() {
        return Ok(all.keys().collect());
    }
    let mut names: Vec<&StreamName> = Vec::new();
    for arg in args {
        // Patterns match tags; a stream without tags is found by name.
        let by_name = all.keys().find(|stream| stream.as_str() == arg);
        let patterns = TagGlobs::new([arg.as_str()])?;
        let by_tag = root.definitions.tags.keys().filter(|id| patterns.matches(id)).map(|id| &id.stream);
        let found: BTreeSet<&StreamName> = by_name.into_iter().chain(by_tag).collect();
        if found.is_empty() {
            return Err(not_found(root, arg));
        }
        let new: Vec<&StreamName> = found.into_iter().filter(|name| !names.contains(name)).collect();
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
fn provenance(
    context: &CommandContext,
    work_tree: &WorkTree,
    root: &Root,
    names: &[&StreamName],
) -> Result<DigestProvenance, CliError> {
    let Some(checkout) = checkout::discover(&work_tree.0)? else { return Ok(BTreeMap::new()) };
    // A repository without a commit has no history.
    if checkout.commit("HEAD").is_err() {
        return Ok(BTreeMap::new());
    }
    let committed = checkout.lock_history("HEAD", &checkout.prefix)?.next().transpose()?;
    let committed = committed.map(|version| digests(&version.bytes)).unwrap_or_default();
    let pins = root.lock.pins.iter().filter(|(id, _)| names.contains(&&id.stream));
    let wanted = pins.map(|(id, pin)| {
        // An uncommitted digest has no commit yet.
        let current = Some(&pin.digest).filter(|digest| committed.get(id) == Some(digest));
        (id.clone(), current.into_iter().chain(&pin.previous).cloned().collect())
    });
    let found = checkout.blame_lock("HEAD", &checkout.prefix, &wanted.collect(), digests)?;
    if let Some(gap) = checkout.history_gap() {
        writeln!(context.stderr(), "{}", incomplete(&gap))?;
    }
    Ok(found)
}

/// Returns the digests of an encoded lock; none if it cannot be parsed.
fn digests(bytes: &[u8]) -> BTreeMap<TagId, Digest> {
    let pins = root::decode_lock(bytes).map(|lock| lock.pins).unwrap_or_default();
    pins.into_iter().map(|(id, pin)| (id, pin.digest)).collect()
}

/// A root with everything that its streams are described from.
struct Describer<'a> {
    root: &'a Root,
    drift: BTreeMap<TagId, Drift>,
    /// Commits that introduced the digests; empty outside a checkout.
    provenance: DigestProvenance,
    /// The time from which ages are computed; none shows UTC times.
    now: Option<Timestamp>,
}

impl<'a> Describer<'a> {
    fn stream(&self, name: &StreamName) -> String {
        let Root { definitions, lock, .. } = self.root;
        let mut tags: Vec<(&TagId, &Tag)> = definitions.tags.iter().filter(|(id, _)| id.stream == *name).collect();
        tags.sort_by_cached_key(|(id, _)| priority::key(id.tag.as_str()));
        let mut text = self.head(name, &tags);
        for (id, tag) in tags.iter().filter(|(id, _)| self.alias_target(id).is_none()) {
            text.push('\n');
            self.tag(&mut text, id, tag, &tags);
        }
        let is_undefined = |id: &TagId| id.stream == *name && !definitions.tags.contains_key(id);
        for (id, pin) in lock.pins.iter().filter(|(id, _)| is_undefined(id)) {
            // Writing to a `String` cannot fail, here and below.
            let _ = writeln!(text, "\n{}\n  not defined\n", id.tag);
            self.pin(&mut text, id, pin);
        }
        text
    }

    fn head(&self, name: &StreamName, tags: &[(&TagId, &Tag)]) -> String {
        let Root { definitions, lock, .. } = self.root;
        let mut text = String::new();
        let mut line = |name: &str, value: &str| {
            // Values start at column 24, with tabs of eight, as in `oc`.
            let tabs = "\t".repeat((24 - name.len().min(23)).div_ceil(8));
            let _ = writeln!(text, "{name}{tabs}{value}");
        };
        line("Name:", name.as_str());
        let stream = definitions.streams.get(name);
        if let Some(description) = stream.and_then(|stream| stream.description.as_ref()) {
            line("Description:", &escape::terminal(description));
        }
        let annotations = stream.into_iter().flat_map(|stream| &stream.annotations);
        let mut annotations = annotations.map(|(key, value)| annotation(key, value));
        line("Annotations:", &annotations.next().unwrap_or_else(|| "<none>".to_owned()));
        for annotation in annotations {
            line("", &annotation);
        }
        if let Some(Discovery { repository, select, limit, .. }) = definitions.discover.get(name) {
            line("Discovers:", &format!("{repository}, {select}, at most {limit} tags"));
        }
        let images: BTreeSet<&Digest> =
            tags.iter().filter_map(|(id, _)| lock.pins.get(*id)).map(|pin| &pin.digest).collect();
        line("Unique Images:", &images.len().to_string());
        line("Tags:", &if tags.is_empty() { "<none>".to_owned() } else { tags.len().to_string() });
        text
    }

    /// Describes a tag and its aliases among its `siblings`, the tags of the stream.
    fn tag(&self, text: &mut String, id: &'a TagId, tag: &Tag, siblings: &[(&'a TagId, &Tag)]) {
        let mut line = |line: &str| {
            let _ = writeln!(text, "{line}");
        };
        let is_alias = |alias: &&TagId| *alias != id && self.resolves_to(alias, id);
        let aliases: Vec<&TagId> = siblings.iter().map(|(alias, _)| *alias).filter(is_alias).collect();
        match aliases.iter().map(|alias| alias.tag.as_str()).collect::<Vec<_>>().as_slice() {
            [] => line(id.tag.as_str()),
            aliases => line(&format!("{} ({})", id.tag, aliases.join(", "))),
        }
        line(&format!("  {}", self.source(tag)));
        for rule in rules::update_rules(tag) {
            line(&format!("  {}", escape::one_line(&rule)));
        }
        let is_here = |target: &TagId| target == id || aliases.contains(&target);
        let follows = |(follower, tag): &(&TagId, &Tag)| {
            matches!(&tag.source, TagSource::Follow(target) if is_here(target)) && !aliases.contains(follower)
        };
        let followers = self.root.definitions.tags.iter().filter(follows);
        let followers: Vec<String> = followers.map(|(follower, _)| follower.to_string()).collect();
        if !followers.is_empty() {
            line(&format!("  followed by {}", followers.join(", ")));
        }
        line("");
        for (key, value) in &tag.annotations {
            line(&format!("  {}", annotation(key, value)));
        }
        if !tag.annotations.is_empty() {
            line("");
        }
        let drift = std::iter::once(id).chain(aliases.iter().copied()).filter_map(|id| self.drift.get(id));
        for drift in drift.filter(|drift| drift.kind != DriftKind::Missing) {
            line(&format!("  ! {drift}"));
        }
        for restriction in rules::restrictions(tag) {
            line(&format!("  ! {}", escape::one_line(&restriction)));
        }
        match self.root.lock.pins.get(id) {
            Some(pin) => self.pin(text, id, pin),
            None => line("  ~ not pinned yet"),
        }
    }

    /// Returns the tag of the same stream whose section an alias belongs to. A follower with rules of its own is not an
    /// alias, because its digest may differ.
    fn alias_target(&self, id: &TagId) -> Option<&'a TagId> {
        let tag = self.root.definitions.tags.get(id)?;
        match &tag.source {
            TagSource::Follow(target) if target.stream == id.stream && tag.adoption.is_none() => Some(target),
            _ => None,
        }
    }

    /// Returns true if following aliases from `alias` ends at `id`.
    fn resolves_to(&self, alias: &'a TagId, id: &TagId) -> bool {
        std::iter::successors(Some(alias), |at| self.alias_target(at)).last() == Some(id)
    }

    fn source(&self, tag: &Tag) -> String {
        let platform = tag.source.platform().map(|platform| format!(" for {platform}")).unwrap_or_default();
        match &tag.source {
            TagSource::Image { image, .. } => {
                let verb = if image.digest().is_some() { "tagged from" } else { "updates automatically from registry" };
                format!("{verb} {image}{platform}")
            }
            TagSource::Select { repository, select, .. } => {
                format!("updates automatically from registry {repository}, tag {select}{platform}")
            }
            TagSource::Follow(target) => format!("updates automatically from {target}"),
            TagSource::Remote(target) => {
                let remote = self.root.settings.remotes.get(&target.remote);
                let url = remote.map(|remote| format!(" of {}", remote.url)).unwrap_or_default();
                format!("updates automatically from {target}{url}")
            }
        }
    }

    /// Lists the current digest of a pin with its details, then earlier ones, newest first.
    fn pin(&self, text: &mut String, id: &TagId, pin: &Pin) {
        let repository = pin.image.repository();
        let _ = writeln!(text, "  * {repository}@{}", pin.digest);
        let tag = self.root.definitions.tags.get(id);
        let is_selected = tag.is_some_and(|tag| !matches!(tag.source, TagSource::Image { .. }));
        if let Some(tag) = pin.image.tag().filter(|_| is_selected && pin.followed().is_none()) {
            let _ = writeln!(text, "      tag {tag}");
        }
        let side = diff::side(&self.root.lock, pin);
        if let Some(version) = &side.version {
            let _ = writeln!(text, "      version {}", escape::terminal(version));
        }
        if let Some(created) = side.created.and_then(|created| created.parse().ok()) {
            let _ = writeln!(text, "      created {}", when(created, self.now));
        }
        self.commit(text, id, &pin.digest);
        for digest in &pin.previous {
            let _ = writeln!(text, "    {repository}@{digest}");
            self.commit(text, id, digest);
        }
    }

    fn commit(&self, text: &mut String, id: &TagId, digest: &Digest) {
        let Some(Provenance { commit, author, time }) = self.provenance.get(&(id.clone(), digest.clone())) else {
            return;
        };
        let (time, author) = (when(*time, self.now), escape::terminal(author));
        let _ = writeln!(text, "      {time}, in {} by {author}", commit.short());
    }
}

/// Formats an annotation; both parts are free text of the definitions.
fn annotation(key: &str, value: &str) -> String {
    format!("{}={}", escape::terminal(key), escape::terminal(value))
}
