//! `describe`: one stream, as `oc describe is` shows it, with commit and author of each digest.
//!
//! What it says follows from definitions, lock and history: nobody is asked what is newer, as `plan` does.
//!
//! The layout is that of `oc` (openshift/oc, `formatImageStreamTags`): a head of `Name:` lines, then a section for
//! each tag that follows nothing in its own stream, its followers in brackets.

mod rules;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;

use jiff::Timestamp;

use crate::git::checkout::{self, Provenance};
use crate::git::work_tree::WorkTree;
use crate::model::image::{Digest, StreamName, TagId, priority};
use crate::model::lock::diff;
use crate::model::lock::drift::{Drift, DriftKind, find_drift};
use crate::model::root::{self, Root};
use crate::model::settings::globs::TagGlobs;
use crate::model::stream::{Discovery, Stream, Tag, TagSource};
use crate::report::exit::Exit;
use crate::system::clock;
use crate::text::escape;

use super::CliError;
use super::context::{CommandContext, usage};

/// Show streams as `oc describe is` does, and who brought each digest
#[derive(Debug, clap::Args)]
pub struct DescribeArgs {
    /// The streams to show: a stream, `stream:tag` in it, or a glob; all where none is given
    #[arg(value_name = "TAG")]
    tags: Vec<String>,
    /// Show times as they are, in UTC, in place of how long ago they were
    #[arg(long)]
    utc: bool,
}

/// Runs it.
///
/// # Errors
/// Where there is no such stream, or the root cannot be read.
pub fn run(context: &CommandContext, args: &DescribeArgs) -> Result<Exit, CliError> {
    let (folder, root) = context.root()?;
    let names = streams(&root, &args.tags)?;
    let provenance = provenance(&folder, &root, &names)?;
    let disagreements = find_drift(&root.definitions, &root.lock);
    let now = (!args.utc).then(clock::now);
    let mut out = context.stdout();
    for (number, name) in names.iter().enumerate() {
        if number > 0 {
            writeln!(out)?;
        }
        let described = Described { root: &root, name, disagreements: &disagreements, provenance: &provenance, now };
        write!(out, "{}", described.text())?;
    }
    Ok(Exit::Success)
}

/// The streams that `words` name, by themselves or by a tag; each once.
fn streams(root: &Root, words: &[String]) -> Result<Vec<StreamName>, CliError> {
    let all = &root.definitions.streams;
    if words.is_empty() {
        return Ok(all.keys().cloned().collect());
    }
    let mut names: Vec<StreamName> = Vec::new();
    for word in words {
        // A stream without a tag has a name, too.
        let by_name = all.keys().find(|stream| stream.as_str() == word);
        let patterns = TagGlobs::new([word.as_str()]).map_err(usage)?;
        let by_tag = root.definitions.tags.keys().filter(|id| patterns.matches(id)).map(|id| &id.stream);
        let found: BTreeSet<&StreamName> = by_name.into_iter().chain(by_tag).collect();
        if found.is_empty() {
            return Err(nothing_named(root, word));
        }
        let new: Vec<StreamName> = found.into_iter().filter(|name| !names.contains(name)).cloned().collect();
        names.extend(new);
    }
    Ok(names)
}

fn nothing_named(root: &Root, word: &str) -> CliError {
    if word.contains([':', '*', '?', '[', '{']) {
        return root.unknown_tag(word).into();
    }
    let error = CliError::usage(format!("there is no stream `{word}`"));
    let near = |stream: &&StreamName| (strsim::jaro_winkler(stream.as_str(), word) * 1000.0) as u32;
    match root.definitions.streams.keys().max_by_key(near).filter(|stream| near(stream) > 700) {
        Some(near) => error.help(format!("did you mean `{near}`?")),
        None => error.help("`pinstream list` shows all tags"),
    }
}

/// Who put each digest there, now and before.
type Brought = BTreeMap<(TagId, Digest), Provenance>;

/// Who put each digest of the streams there, where the root is in a checkout with commits.
fn provenance(folder: &WorkTree, root: &Root, names: &[StreamName]) -> Result<Brought, CliError> {
    let Some(checkout) = checkout::discover(&folder.0)? else { return Ok(BTreeMap::new()) };
    let committed = match checkout.commit("HEAD") {
        Ok(_) => checkout.lock_history("HEAD", &checkout.prefix)?.next().transpose()?,
        // A repository without a commit has no history.
        Err(_) => None,
    };
    let Some(committed) = committed.map(|version| digests(&version.bytes)) else { return Ok(BTreeMap::new()) };
    let pins = root.lock.pins.iter().filter(|(id, _)| names.contains(&id.stream));
    let wanted = pins.map(|(id, pin)| {
        // What is not committed yet was brought by nobody.
        let now = Some(&pin.digest).filter(|digest| committed.get(id) == Some(digest));
        (id.clone(), now.into_iter().chain(&pin.previous).cloned().collect())
    });
    Ok(checkout.blame_lock("HEAD", &checkout.prefix, &wanted.collect(), digests)?)
}

/// The digests of a lock's text; of one that cannot be read none.
fn digests(bytes: &[u8]) -> BTreeMap<TagId, Digest> {
    let pins = root::decode_lock(bytes).map(|lock| lock.pins).unwrap_or_default();
    pins.into_iter().map(|(id, pin)| (id, pin.digest)).collect()
}

/// One stream, to be written out.
struct Described<'a> {
    root: &'a Root,
    name: &'a StreamName,
    disagreements: &'a [Drift],
    provenance: &'a Brought,
    /// From when ages are counted; none shows times.
    now: Option<Timestamp>,
}

impl Described<'_> {
    fn text(&self) -> String {
        let mut text = String::new();
        let stream = &self.root.definitions.streams[self.name];
        let mut tags: Vec<(&TagId, &Tag)> =
            self.root.definitions.tags.iter().filter(|(id, _)| id.stream == *self.name).collect();
        tags.sort_by(|(a, _), (b, _)| priority::compare(a.tag.as_str(), b.tag.as_str()));
        self.head(&mut text, stream, &tags);
        for (id, tag) in tags.iter().filter(|(id, _)| !self.is_alias(id)) {
            text.push('\n');
            self.section(&mut text, id, tag, &tags);
        }
        let undefined = |id: &&TagId| id.stream == *self.name && !self.root.definitions.tags.contains_key(*id);
        for id in self.root.lock.pins.keys().filter(undefined) {
            let _ = writeln!(text, "\n{}\n  no tag of the definitions\n", id.tag);
            self.pin(&mut text, id);
        }
        text
    }

    fn head(&self, text: &mut String, stream: &Stream, tags: &[(&TagId, &Tag)]) {
        let mut line = |name: &str, value: &str| {
            // The value stands at column 24, as `oc` has it with tabs of eight.
            let tabs = "\t".repeat((24 - name.len().min(23)).div_ceil(8));
            let _ = writeln!(text, "{name}{tabs}{value}");
        };
        line("Name:", self.name.as_str());
        if let Some(description) = &stream.description {
            line("Description:", &escape::terminal(description));
        }
        let mut annotations = stream.annotations.iter().map(|(key, value)| annotation(key, value));
        line("Annotations:", &annotations.next().unwrap_or_else(|| "<none>".to_owned()));
        for annotation in annotations {
            line("", &annotation);
        }
        if let Some(Discovery { repository, select, limit, .. }) = self.root.definitions.discover.get(self.name) {
            line("Discovers:", &format!("{repository}, {select}, at most {limit} tags"));
        }
        let mut digests: Vec<_> =
            tags.iter().filter_map(|(id, _)| self.root.lock.pins.get(*id)).map(|pin| &pin.digest).collect();
        digests.sort();
        digests.dedup();
        line("Unique Images:", &digests.len().to_string());
        line("Tags:", &if tags.is_empty() { "<none>".to_owned() } else { tags.len().to_string() });
    }

    /// The tag of its own stream that a tag is shown with, because it always stands where that stands. One with rules
    /// of its own may stand elsewhere, and has a section of its own.
    fn alias_of(&self, id: &TagId) -> Option<&TagId> {
        let tag = self.root.definitions.tags.get(id)?;
        match &tag.source {
            TagSource::Follow(target) if target.stream == *self.name && tag.adoption.is_none() => Some(target),
            _ => None,
        }
    }

    fn is_alias(&self, id: &TagId) -> bool {
        self.alias_of(id).is_some()
    }

    fn section(&self, text: &mut String, id: &TagId, tag: &Tag, tags: &[(&TagId, &Tag)]) {
        let aliases: Vec<&TagId> =
            tags.iter().map(|(alias, _)| *alias).filter(|alias| *alias != id && self.ends_at(alias, id)).collect();
        let names: Vec<&str> = aliases.iter().map(|alias| alias.tag.as_str()).collect();
        let _ = match names.as_slice() {
            [] => writeln!(text, "{}", id.tag),
            names => writeln!(text, "{} ({})", id.tag, names.join(", ")),
        };
        let _ = match &tag.source {
            TagSource::Image { image, platform } => {
                let verb = if image.digest().is_some() { "tagged from" } else { "updates automatically from registry" };
                let platform = platform.as_ref().map(|platform| format!(" for {platform}")).unwrap_or_default();
                writeln!(text, "  {verb} {image}{platform}")
            }
            TagSource::Select { repository, select, platform } => {
                let platform = platform.as_ref().map(|platform| format!(" for {platform}")).unwrap_or_default();
                writeln!(text, "  updates automatically from registry {repository}, tag {select}{platform}")
            }
            TagSource::Follow(target) => writeln!(text, "  updates automatically from {target}"),
            TagSource::Remote(far) => {
                let remote = self.root.settings.remotes.get(&far.remote);
                let url = remote.map(|remote| format!(" of {}", remote.url)).unwrap_or_default();
                writeln!(text, "  updates automatically from {far}{url}")
            }
        };
        rules::source_lines(text, tag);
        self.followers(text, id, &aliases);
        text.push('\n');
        for (key, value) in &tag.annotations {
            let _ = writeln!(text, "  {}", annotation(key, value));
        }
        if !tag.annotations.is_empty() {
            text.push('\n');
        }
        for id in std::iter::once(id).chain(aliases) {
            if let Ok(at) = self.disagreements.binary_search_by(|one| one.tag.cmp(id))
                && self.disagreements[at].kind != DriftKind::Missing
            {
                let _ = writeln!(text, "  ! {}", self.disagreements[at]);
            }
        }
        rules::warnings(text, tag);
        self.pin(text, id);
    }

    /// The tags of other streams that follow `id` or one of its `aliases`, and those of this one with rules of their
    /// own.
    fn followers(&self, text: &mut String, id: &TagId, aliases: &[&TagId]) {
        let here = |target: &TagId| target == id || aliases.contains(&target);
        let follows = |(follower, tag): &(&TagId, &Tag)| {
            let followed = matches!(&tag.source, TagSource::Follow(target) if here(target));
            followed && !aliases.contains(follower)
        };
        let followers = self.root.definitions.tags.iter().filter(follows);
        let names: Vec<String> = followers.map(|(follower, _)| follower.to_string()).collect();
        if !names.is_empty() {
            let _ = writeln!(text, "  followed by {}", names.join(", "));
        }
    }

    /// Where a tag stands, who brought it there, and where it stood.
    fn pin(&self, text: &mut String, id: &TagId) {
        let Some(pin) = self.root.lock.pins.get(id) else {
            text.push_str("  ~ not pinned yet\n");
            return;
        };
        let repository = pin.image.repository();
        let _ = writeln!(text, "  * {repository}@{}", pin.digest);
        let is_chosen =
            self.root.definitions.tags.get(id).is_some_and(|tag| !matches!(tag.source, TagSource::Image { .. }));
        if is_chosen && let Some(tag) = pin.image.tag().filter(|_| pin.followed().is_none()) {
            let _ = writeln!(text, "      tag {tag}");
        }
        let side = diff::side(&self.root.lock, pin);
        if let Some(version) = side.version {
            let _ = writeln!(text, "      version {}", escape::terminal(&version));
        }
        if let Some(created) = side.created.and_then(|created| created.parse().ok()) {
            let _ = writeln!(text, "      made {}", self.when(created));
        }
        self.brought(text, id, &pin.digest);
        for earlier in &pin.previous {
            let _ = writeln!(text, "    {repository}@{earlier}");
            self.brought(text, id, earlier);
        }
    }

    /// Who brought a digest, and when.
    fn brought(&self, text: &mut String, id: &TagId, digest: &Digest) {
        let Some(who) = self.provenance.get(&(id.clone(), digest.clone())) else { return };
        let (when, author) = (self.when(who.time), escape::terminal(&who.author));
        let _ = writeln!(text, "      {when}, in {} by {author}", who.commit.short());
    }

    /// Whether following from `alias`, within this stream, ends at `id`.
    fn ends_at(&self, alias: &TagId, id: &TagId) -> bool {
        std::iter::successors(Some(alias), |at| self.alias_of(at)).last() == Some(id)
    }

    fn when(&self, time: Timestamp) -> String {
        match self.now {
            None => time.to_string(),
            Some(now) => ago(now.duration_since(time).as_secs()),
        }
    }
}

/// Both are the definitions' own words.
fn annotation(key: &str, value: &str) -> String {
    format!("{}={}", escape::terminal(key), escape::terminal(value))
}

/// An age as docker/go-units `HumanDuration` says it.
pub(super) fn ago(seconds: i64) -> String {
    const MINUTE: i64 = 60;
    const HOUR: i64 = 60 * MINUTE;
    const DAY: i64 = 24 * HOUR;
    let age = match seconds {
        ..1 => "Less than a second".to_owned(),
        1 => "1 second".to_owned(),
        2..MINUTE => format!("{seconds} seconds"),
        s if s < 2 * MINUTE => "About a minute".to_owned(),
        s if s < HOUR => format!("{} minutes", s / MINUTE),
        s if s < 2 * HOUR => "About an hour".to_owned(),
        s if s < 2 * DAY => format!("{} hours", s / HOUR),
        s if s < 14 * DAY => format!("{} days", s / DAY),
        s if s < 60 * DAY => format!("{} weeks", s / DAY / 7),
        s if s < 730 * DAY => format!("{} months", s / DAY / 30),
        s => format!("{} years", s / DAY / 365),
    };
    format!("{age} ago")
}
