//! `[publish]`: the forge on which a pass proposes changes, how they are grouped, and the options of new proposals.
//!
//! `pinstream.toml` may be changed by everyone who may commit, so it names the forge but never a credential: the
//! operator's environment alone decides which token is sent to which host (see [`crate::forge`]).

pub(crate) mod forges;

use std::collections::HashSet;
use std::ops::Range;

use url::Url;

use super::git::branch;
use super::globs::TagGlobs;
use super::user_text::{LIST_MAX, bounded, template};
use crate::model::image::{NameError, TagId, is_label};
use crate::text::diagnostics::{At, Diagnostics, is_bidi_control};
use crate::text::escape::excerpt;
use crate::text::template::Template;
use crate::text::toml::StringOr;
pub use forges::ForgeKind;
use forges::{ForgeTable, Hosting, PublishTable, SetsTable};

/// The default of `branch-prefix`.
pub const BRANCH_PREFIX: &str = "pinstream/";

/// The validated `[publish]` table.
#[derive(Clone, Debug, PartialEq)]
pub struct Publish {
    /// The repository in which proposals are opened.
    pub repository: ForgeRepository,
    /// Changes that share a proposal.
    pub group: Grouping,
    /// Start of the names of proposal branches.
    pub branch_prefix: String,
    /// Template for titles; none means the first line of the commit message.
    pub title: Option<Template>,
    /// Template for bodies; none means the default body.
    pub body: Option<Template>,
    /// Labels of proposals.
    pub labels: Vec<String>,
    /// Reviewers of proposals.
    pub reviewers: Vec<Reviewer>,
    /// New proposals are drafts.
    pub draft: bool,
    /// Proposals are merged by the forge as soon as its rules allow.
    pub auto_merge: bool,
    /// Changes of the class `attestation` are proposed, too.
    pub attestation: bool,
}

/// A repository on a forge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForgeRepository {
    /// The kind of forge.
    pub forge: ForgeKind,
    /// Path of the repository on the forge.
    pub path: String,
    /// URL of a self-hosted instance; none means the public one.
    pub url: Option<Url>,
}

/// Changes that share a proposal.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Grouping {
    /// One proposal per stream.
    #[default]
    Stream,
    /// One proposal per tag.
    Tag,
    /// One proposal for all changes.
    All,
    /// One proposal per set, the first match in alphabetical order; tags that are in no set are grouped by stream.
    Sets(Vec<GroupSet>),
}

/// A named set of tags.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupSet {
    /// Name of the set and of its proposals.
    pub name: String,
    /// Patterns of the tags.
    pub tags: TagGlobs,
}

/// Someone who is requested to review.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reviewer {
    /// A user, by the name or id that the forge uses.
    User(String),
    /// A team, by its short name.
    Team(String),
}

impl Grouping {
    /// Names the group of a tag.
    pub fn name(&self, id: &TagId) -> String {
        match self {
            Self::Stream => id.stream.to_string(),
            Self::Tag => id.to_string(),
            Self::All => "all".to_owned(),
            Self::Sets(sets) => {
                let set = sets.iter().find(|set| set.tags.matches(id));
                set.map_or_else(|| id.stream.to_string(), |set| set.name.clone())
            }
        }
    }
}

/// Validates `[publish]`; none if it does not name a repository, which is reported as a problem.
pub(super) fn publish(
    written: &At<PublishTable>,
    incomplete: &HashSet<usize>,
    findings: &mut Diagnostics<'_>,
) -> Option<Publish> {
    let table = &written.value;
    let forge = forge(written, incomplete, findings);
    let kind = forge.map(|(kind, _)| kind);
    let repository = forge.and_then(|(kind, table)| forge_repository(kind, table, incomplete, findings));
    let title = table.title.as_ref().and_then(|text| template("publish.title", text, Template::for_proposal, findings));
    let body = table.body.as_ref().and_then(|text| template("publish.body", text, Template::for_proposal, findings));
    let group = table.group.as_ref().map(|written| grouping(written, findings)).unwrap_or_default();
    let prefix = table.branch_prefix.as_ref().and_then(|at| findings.accept(&at.span, branch_prefix(&at.value)));
    let branch_prefix = prefix.unwrap_or_else(|| BRANCH_PREFIX.to_owned());
    let labels = labels(&table.labels, kind, findings);
    let reviewers = reviewers(&table.reviewers, kind, findings);
    let is_on = |written: &Option<At<bool>>| written.as_ref().is_some_and(|written| written.value);
    let (draft, auto_merge) = (is_on(&table.draft), is_on(&table.auto_merge));
    if let (Some(at), true) = (&table.auto_merge, auto_merge) {
        if let Some(kind) = kind.filter(|kind| !kind.facts().has_auto_merge) {
            let message = format!("{kind} has no API for auto-merge");
            findings.report(&at.span, message, "remove `auto-merge`; configure merge checks on the forge instead");
        } else if draft {
            findings.report(&at.span, "drafts cannot be merged automatically", "remove `draft` or `auto-merge`");
        }
    }
    let attestation = table.attestation;
    Some(Publish {
        repository: repository?,
        group,
        branch_prefix,
        title,
        body,
        labels,
        reviewers,
        draft,
        auto_merge,
        attestation,
    })
}

/// Returns the one forge that the table names.
fn forge<'a>(
    written: &'a At<PublishTable>,
    incomplete: &HashSet<usize>,
    findings: &mut Diagnostics<'_>,
) -> Option<(ForgeKind, &'a At<ForgeTable>)> {
    let mut named = written.value.forges();
    let Some((kind, table)) = named.next() else {
        if is_complete(&written.span, incomplete, findings) {
            let help = "add a table such as `[publish.github]` with `repository = \"acme/deploy\"`; without \
                        `[publish]`, passes push to the branch";
            findings.report(&written.span, "`[publish]` names no forge", help);
        }
        return None;
    };
    if let Some((other, more)) = named.next() {
        let message = format!("`[publish]` names two forges: `{}` and `{}`", kind.key(), other.key());
        findings.report(&more.span, message, "remove one of them");
        return None;
    }
    Some((kind, table))
}

fn forge_repository(
    forge: ForgeKind,
    written: &At<ForgeTable>,
    incomplete: &HashSet<usize>,
    findings: &mut Diagnostics<'_>,
) -> Option<ForgeRepository> {
    let At { value: table, span } = written;
    let (key, facts) = (forge.key(), forge.facts());
    let is_complete = is_complete(span, incomplete, findings);
    if table.repository.is_none() && is_complete {
        let help = format!("add `repository = \"{}\"`", facts.example);
        findings.report(span, format!("`[publish.{key}]` has no `repository`"), help);
    }
    let path = table.repository.as_ref().and_then(|at| findings.accept(&at.span, path(forge, &at.value)));
    let url = match &table.url {
        Some(at) if facts.hosting == Hosting::Public => {
            let message = format!("`url` is not supported for {forge}");
            findings.report(&at.span, message, "remove `url`; self-hosted instances are not supported");
            return None;
        }
        Some(at) => Some(findings.accept(&at.span, instance(&at.value))?),
        None if facts.hosting == Hosting::SelfHosted => {
            if is_complete {
                let message = format!("`[publish.{key}]` has no `url`, and {forge} has no public instance");
                findings.report(span, message, "add the instance, e.g. `url = \"https://git.acme.example\"`");
            }
            return None;
        }
        None => None,
    };
    Some(ForgeRepository { forge, path: path?, url })
}

/// Reports whether a missing key should be reported: not if something in the table is reported already and was removed.
fn is_complete(span: &Range<usize>, incomplete: &HashSet<usize>, findings: &Diagnostics<'_>) -> bool {
    // The span of a table may be its header, which contains the key.
    let is_in = |at: &usize| span.contains(at);
    let reported = findings.problems.iter().filter_map(|problem| problem.span.as_ref()).any(|at| is_in(&at.start));
    !reported && !incomplete.iter().any(is_in)
}

/// Validates the path of a repository.
fn path(forge: ForgeKind, text: &str) -> Result<String, NameError> {
    let facts = forge.facts();
    let invalid = || NameError::new(format!("invalid {forge} repository `{}`", excerpt(text)));
    if let Some((_, rest)) = text.split_once("://") {
        let path = rest.split_once('/').map_or(facts.example, |(_, path)| path);
        return Err(invalid().help(format!("remove the host: `repository = \"{}\"`", excerpt(path))));
    }
    if let Some(path) = text.strip_suffix(".git") {
        return Err(invalid().help(format!("remove `.git`: `{}`", excerpt(path))));
    }
    let fits = |segment: &str| {
        (1..=255).contains(&segment.chars().count())
            && segment.chars().all(facts.allows)
            && segment.trim() == segment
            && !segment.trim_matches('.').is_empty()
    };
    let (least, most) = facts.segments;
    let count = text.split('/').count();
    if text.split('/').all(fits) && (least..=most).contains(&count) {
        return Ok(text.to_owned());
    }
    Err(invalid().help(format!("use a path such as `{}`", facts.example)))
}

/// Validates the URL of an instance.
fn instance(text: &str) -> Result<Url, NameError> {
    let invalid = |why: &str| {
        NameError::new(format!("invalid `url`: {why}")).help("use a URL such as `https://git.acme.example`")
    };
    let odd = |c: char| c.is_control() || c.is_whitespace() || is_bidi_control(c);
    let mut url = Url::parse(text).map_err(|_| invalid("not a URL"))?;
    if text.contains(odd) || text.len() > 1_024 {
        return Err(invalid("it contains characters that are not allowed in URLs, or more than 1024 bytes"));
    }
    // Do not repeat the text: it may be a token.
    if !url.username().is_empty() || url.password().is_some() {
        return Err(NameError::new("`url` contains credentials")
            .help("remove them; pinstream reads the token from the environment (`PINSTREAM_FORGE_TOKEN`)"));
    }
    if !matches!(url.scheme(), "https" | "http") || !url.has_host() {
        return Err(invalid("it does not start with `https://` and a host"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(invalid("it has a query or a fragment"));
    }
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    Ok(url)
}

/// Validates the start of branch names; it need not end with a slash.
fn branch_prefix(text: &str) -> Result<String, NameError> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._+-".contains(c);
    let fits = (1..=100).contains(&text.len()) && text.chars().all(is_plain) && branch(&format!("{text}x")).is_ok();
    if fits {
        return Ok(text.to_owned());
    }
    Err(NameError::new(format!("invalid branch prefix `{}`", excerpt(text))).help(
        "use at most 100 letters, digits, `.`, `_`, `+`, `-` and `/` that may start the name of a branch, e.g. \
         `deps/pinstream-`",
    ))
}

fn labels(written: &[At<String>], forge: Option<ForgeKind>, findings: &mut Diagnostics<'_>) -> Vec<String> {
    let unsupported = forge.filter(|forge| !forge.facts().has_labels);
    if let (Some(forge), Some(label)) = (unsupported, written.first()) {
        findings.report(&label.span, format!("{forge} does not support labels on proposals"), "remove `labels`");
        return Vec::new();
    }
    let labels = bounded(written, "labels", "shorten the list", findings);
    labels.iter().filter_map(|label| findings.accept(&label.span, name(&label.value, "label"))).collect()
}

fn reviewers(written: &[At<String>], forge: Option<ForgeKind>, findings: &mut Diagnostics<'_>) -> Vec<Reviewer> {
    let mut reviewers = Vec::new();
    for text in bounded(written, "reviewers", "shorten the list", findings) {
        let Some(name) = findings.accept(&text.span, name(&text.value, "reviewer")) else { continue };
        let reviewer = match name.strip_prefix("team:") {
            Some(team) => Reviewer::Team(team.to_owned()),
            None => Reviewer::User(name),
        };
        match forge.and_then(|forge| unfit_reviewer(forge, &reviewer)) {
            Some((message, help)) => findings.report(&text.span, message, help),
            None => reviewers.push(reviewer),
        }
    }
    reviewers
}

/// Returns message and help if the forge cannot request a review from `reviewer`.
fn unfit_reviewer(forge: ForgeKind, reviewer: &Reviewer) -> Option<(String, &'static str)> {
    let facts = forge.facts();
    match (reviewer, &facts.reviewer_id) {
        (Reviewer::Team(_), _) => {
            facts.instead_of_team.map(|help| (format!("{forge} cannot request reviews from teams"), help))
        }
        (Reviewer::User(name), Some(id)) if !(id.is_valid)(name) => {
            Some((format!("`{}` is not a {} of {forge}", excerpt(name), id.name), id.help))
        }
        _ => None,
    }
}

fn grouping(written: &At<StringOr<SetsTable>>, findings: &mut Diagnostics<'_>) -> Grouping {
    let sets = match &written.value {
        StringOr::Text(text) => {
            return match text.as_str() {
                "stream" => Grouping::Stream,
                "tag" => Grouping::Tag,
                "all" => Grouping::All,
                other => {
                    let message = format!("invalid value `{}` for `group`", excerpt(other));
                    let help = "use `stream`, `tag`, `all` or named sets, e.g. `group = { base = [\"python:*\"] }`";
                    findings.report(&written.span, message, help);
                    Grouping::Stream
                }
            };
        }
        StringOr::Table(sets) => &sets.0,
    };
    if let Some((more, _)) = sets.get(LIST_MAX) {
        let help = "group by stream, or use fewer sets with globs";
        findings.report(&more.span, format!("more than {LIST_MAX} sets"), help);
        return Grouping::Stream;
    }
    Grouping::Sets(sets.iter().filter_map(|(name, patterns)| set(name, patterns, findings)).collect())
}

fn set(name: &At<String>, patterns: &[At<String>], findings: &mut Diagnostics<'_>) -> Option<GroupSet> {
    let fits = is_label(&name.value);
    if !fits {
        let message = format!("invalid set name `{}`", excerpt(&name.value));
        let help = "use at most 63 lower-case letters, digits and `-`; do not start with `-`";
        findings.report(&name.span, message, help);
    }
    if patterns.is_empty() {
        let help = "add tags, e.g. `[\"python:*\"]`, or remove the set";
        findings.report(&name.span, format!("set `{}` is empty", excerpt(&name.value)), help);
        return None;
    }
    let patterns = bounded(patterns, "patterns", "shorten the list", findings);
    let is_good = |at: &&At<String>| findings.accept(&at.span, TagGlobs::new([at.value.as_str()])).is_some();
    let good: Vec<&str> = patterns.iter().filter(is_good).map(|at| at.value.as_str()).collect();
    let tags = TagGlobs::new(good).ok().filter(|tags| !tags.is_all())?;
    fits.then(|| GroupSet { name: name.value.clone(), tags })
}

/// Validates the name of a label or reviewer.
fn name(text: &str, what: &str) -> Result<String, NameError> {
    let odd = |c: char| c.is_control() || is_bidi_control(c) || c == ',';
    let bare = text.strip_prefix("team:").unwrap_or(text);
    if bare.is_empty() || bare.trim() != bare || text.chars().count() > 255 || text.contains(odd) {
        return Err(NameError::new(format!("invalid {what} `{}`", excerpt(text)))
            .help("use at most 255 characters on one line, without commas or surrounding spaces"));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests;
