//! `[publish]`: on which forge a pass proposes its moves, how they are grouped, and whom it asks.
//!
//! The forge's address stands in a file that many may propose to change. So it says where proposals go and never which
//! credential goes there: that is bound to what the operator says, in [`crate::forge`].

use std::collections::HashSet;
use std::fmt;
use std::ops::Range;

use url::Url;

use super::globs::TagGlobs;
use super::table::{ForgeTable, PublishTable, SetsTable};
use super::user_text::template;
use crate::model::image::{NameError, TagId};
use crate::text::diagnostics::{At, Diagnostics, is_bidi_control};
use crate::text::escape::excerpt as short;
use crate::text::template::Template;
use crate::text::toml::StringOr;

/// How many labels, reviewers, sets or patterns of one set there may be.
const LIST_MAX: usize = 100;

/// Where and how moves are proposed.
#[derive(Clone, Debug, PartialEq)]
pub struct Publish {
    /// The forge and the repository there.
    pub place: ForgePlace,
    /// Which moves share a proposal.
    pub group: Grouping,
    /// What their titles are made by, where it is not the first line of the commit.
    pub title: Option<Template>,
    /// What their bodies are made by, where it is not ours.
    pub body: Option<Template>,
    /// Labels of new proposals.
    pub labels: Vec<String>,
    /// Who is asked to review new proposals.
    pub reviewers: Vec<Reviewer>,
    /// Whether new proposals are drafts.
    pub draft: bool,
    /// Whether the forge merges new proposals by itself, once its rules are met.
    pub auto_merge: bool,
    /// Whether moves of the class `attestation` alone are proposed.
    pub attestation: bool,
}

/// A repository on a forge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForgePlace {
    /// The kind of forge.
    pub kind: ForgeKind,
    /// The repository, in the forge's own form.
    pub repository: String,
    /// The address of an instance of one's own; none means the public one.
    pub url: Option<Url>,
}

/// The forges that are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ForgeKind {
    /// GitHub and GitHub Enterprise.
    GitHub,
    /// GitLab.
    GitLab,
    /// Gitea and Forgejo.
    Gitea,
    /// Bitbucket Cloud.
    Bitbucket,
    /// Azure DevOps.
    Azure,
}

/// Which moves share a proposal.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Grouping {
    /// Those of a stream.
    #[default]
    Stream,
    /// Each has its own.
    Tag,
    /// All of them.
    All,
    /// Those of a set, the first in the order of names; what no set names is grouped by stream.
    Sets(Vec<GroupSet>),
}

/// A named set of tags.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupSet {
    /// Its name.
    pub name: String,
    /// The tags.
    pub tags: TagGlobs,
}

/// Who is asked to review.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reviewer {
    /// A user, by what the forge knows them by.
    User(String),
    /// A team, by its short name.
    Team(String),
}

impl Grouping {
    /// The name of the group of a tag.
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

impl ForgeKind {
    /// All of them, in the order of their keys' meaning.
    pub const ALL: [Self; 5] = [Self::GitHub, Self::GitLab, Self::Gitea, Self::Bitbucket, Self::Azure];

    /// Its key below `[publish]`.
    pub fn key(self) -> &'static str {
        match self {
            Self::GitHub => "github",
            Self::GitLab => "gitlab",
            Self::Gitea => "gitea",
            Self::Bitbucket => "bitbucket",
            Self::Azure => "azure",
        }
    }

    /// Whether proposals have labels there.
    fn has_labels(self) -> bool {
        self != Self::Bitbucket
    }

    /// Whether it merges by itself once its rules are met, and can be asked to by a program.
    fn has_auto_merge(self) -> bool {
        self != Self::Bitbucket
    }

    /// A repository as it is written there.
    fn example(self) -> &'static str {
        match self {
            Self::GitHub | Self::Gitea => "acme/deploy",
            Self::GitLab => "group/sub/project",
            Self::Bitbucket => "workspace/repo",
            Self::Azure => "organization/project/repository",
        }
    }

    /// How many parts a repository's path has there: at least, and at most.
    fn parts(self) -> (usize, usize) {
        match self {
            Self::GitHub | Self::Gitea | Self::Bitbucket => (2, 2),
            Self::GitLab => (2, 21),
            Self::Azure => (3, 3),
        }
    }

    /// What is wrong with `reviewer` there; none where nothing is.
    fn misfit(self, reviewer: &Reviewer) -> Option<(String, &'static str)> {
        let has_teams = matches!(self, Self::GitHub | Self::Gitea);
        match (self, reviewer) {
            (_, Reviewer::Team(_)) if !has_teams => {
                let help = match self {
                    Self::Azure => "name the team by its id alone, as any reviewer there",
                    _ => "name its members one by one",
                };
                Some((format!("{self} cannot ask a team to review"), help))
            }
            (Self::Azure, Reviewer::User(name)) if !is_guid(name) => Some((
                format!("`{}` is not the id of a user or team of {self}", short(name)),
                "as `d6245f20-2af8-44f4-9451-8107cb2767db`; `az devops user show --user NAME` shows it",
            )),
            (Self::Bitbucket, Reviewer::User(name)) if !name.starts_with('{') && !name.contains(':') => Some((
                format!("`{}` is neither a UUID nor an account id of {self}", short(name)),
                "as `{d301aafa-d676-4ee0-88be-962be7417567}` or `557058:ba8948b2-49da-43a9-9e8b-e7249b8e324a`: it names \
                 no user by their name since 2019",
            )),
            _ => None,
        }
    }
}

impl fmt::Display for ForgeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::GitHub => "GitHub",
            Self::GitLab => "GitLab",
            Self::Gitea => "Gitea",
            Self::Bitbucket => "Bitbucket Cloud",
            Self::Azure => "Azure DevOps",
        })
    }
}

/// The `[publish]` that is right; none where it says not enough, which is a problem already.
pub(super) fn publish(
    written: &At<PublishTable>,
    spoiled: &HashSet<usize>,
    findings: &mut Diagnostics<'_>,
) -> Option<Publish> {
    let table = &written.value;
    let place = place(written, spoiled, findings);
    let kind = place.as_ref().map(|(kind, _)| *kind);
    let title = table.title.as_ref().and_then(|text| template("publish.title", text, Template::for_proposal, findings));
    let body = table.body.as_ref().and_then(|text| template("publish.body", text, Template::for_proposal, findings));
    let group = table.group.as_ref().map(|written| grouping(written, findings)).unwrap_or_default();
    let mut labels = Vec::new();
    for label in bounded(&table.labels, "labels", findings) {
        if let Some(kind) = kind.filter(|kind| !kind.has_labels()) {
            let message = format!("{kind} has no labels on its proposals");
            findings.report(&label.span, message, "take `labels` out; the title can say what it is about");
            break;
        }
        labels.extend(findings.accept(&label.span, words(&label.value, "a label")));
    }
    let mut reviewers = Vec::new();
    for text in bounded(&table.reviewers, "reviewers", findings) {
        let Some(name) = findings.accept(&text.span, words(&text.value, "a reviewer")) else { continue };
        let reviewer = match name.strip_prefix("team:") {
            Some(team) => Reviewer::Team(team.to_owned()),
            None => Reviewer::User(name),
        };
        match kind.and_then(|kind| kind.misfit(&reviewer)) {
            Some((message, help)) => findings.report(&text.span, message, help),
            None => reviewers.push(reviewer),
        }
    }
    let is_on = |written: &Option<At<bool>>| written.as_ref().is_some_and(|written| written.value);
    let (draft, auto_merge) = (is_on(&table.draft), is_on(&table.auto_merge));
    if let (Some(at), true) = (&table.auto_merge, auto_merge) {
        if let Some(kind) = kind.filter(|kind| !kind.has_auto_merge()) {
            let message = format!("{kind} takes no request to merge later by itself");
            findings.report(&at.span, message, "take `auto-merge` out; its own merge checks can be set up there");
        } else if draft {
            findings.report(&at.span, "a draft is not merged by itself", "take `draft` or `auto-merge` out");
        }
    }
    let attestation = table.attestation;
    let (_, place) = place?;
    Some(Publish { place: place?, group, title, body, labels, reviewers, draft, auto_merge, attestation })
}

/// The one forge that is named, and the repository there where it is right.
fn place(
    written: &At<PublishTable>,
    spoiled: &HashSet<usize>,
    findings: &mut Diagnostics<'_>,
) -> Option<(ForgeKind, Option<ForgePlace>)> {
    let PublishTable { github, gitlab, gitea, bitbucket, azure, .. } = &written.value;
    let tables = ForgeKind::ALL.into_iter().zip([github, gitlab, gitea, bitbucket, azure]);
    let mut named = tables.filter_map(|(kind, table)| Some((kind, table.as_ref()?)));
    let Some((kind, table)) = named.next() else {
        if is_whole(&written.span, spoiled, findings) {
            findings.report(
                &written.span,
                "`publish` does not say on which forge",
                "add a table for yours, as `[publish.github]` with `repository = \"acme/deploy\"`; without `[publish]` a \
                 pass pushes to the branch",
            );
        }
        return None;
    };
    if let Some((other, more)) = named.next() {
        let message = format!("`publish` names two forges, `{}` and `{}`", kind.key(), other.key());
        findings.report(&more.span, message, "keep one of the two: a pass proposes its moves in one place");
        return None;
    }
    Some((kind, forge(kind, table, spoiled, findings)))
}

fn forge(
    kind: ForgeKind,
    written: &At<ForgeTable>,
    spoiled: &HashSet<usize>,
    findings: &mut Diagnostics<'_>,
) -> Option<ForgePlace> {
    let At { value: table, span } = written;
    let whole = is_whole(span, spoiled, findings);
    if table.repository.is_none() && whole {
        let help = format!("add `repository = \"{}\"`", kind.example());
        findings.report(span, format!("`{}` does not say which repository", kind.key()), help);
    }
    let repository = table.repository.as_ref().and_then(|at| findings.accept(&at.span, repository(kind, &at.value)));
    let url = match &table.url {
        Some(at) if kind == ForgeKind::Bitbucket => {
            let message = "only Bitbucket Cloud is known, which has one address";
            findings.report(&at.span, message, "take `url` out: Bitbucket Data Center is another program");
            return None;
        }
        Some(at) => Some(findings.accept(&at.span, instance(&at.value))?),
        None if kind == ForgeKind::Gitea => {
            if whole {
                let help = "add its address, as `url = \"https://git.acme.example\"`";
                findings.report(span, "there is no public instance that `gitea` could mean", help);
            }
            return None;
        }
        None => None,
    };
    Some(ForgePlace { kind, repository: repository?, url })
}

/// Whether what a table lacks should be said: nothing in it was wrong and is taken out already.
fn is_whole(span: &Range<usize>, spoiled: &HashSet<usize>, findings: &Diagnostics<'_>) -> bool {
    // The table's own place may be its header, in which the key stands somewhere.
    let is_in = |at: &usize| span.contains(at);
    let said = findings.problems.iter().filter_map(|problem| problem.span.as_ref()).any(|place| is_in(&place.start));
    !said && !spoiled.iter().any(is_in)
}

/// A repository's path on a forge.
fn repository(kind: ForgeKind, text: &str) -> Result<String, NameError> {
    let bad = || NameError::new(format!("`{}` is not a repository of {kind}", short(text)));
    if let Some((_, rest)) = text.split_once("://") {
        let path = rest.split_once('/').map_or(kind.example(), |(_, path)| path);
        return Err(bad().help(format!("leave the address out, as `repository = \"{}\"`", short(path))));
    }
    if let Some(path) = text.strip_suffix(".git") {
        return Err(bad().help(format!("leave `.git` out: `{}`", short(path))));
    }
    let may_have = |c: char| match kind {
        // Names of projects there are people's own words.
        ForgeKind::Azure => !c.is_control() && !is_bidi_control(c) && !"\\:*?\"<>|;#$+,[]{}%&=@~".contains(c),
        _ => c.is_ascii_alphanumeric() || "._-".contains(c),
    };
    let fits = |part: &str| {
        let length = part.chars().count();
        (1..=255).contains(&length)
            && part.chars().all(may_have)
            && part.trim() == part
            && !part.trim_matches('.').is_empty()
    };
    let (least, most) = kind.parts();
    let count = text.split('/').count();
    if text.split('/').all(fits) && (least..=most).contains(&count) {
        return Ok(text.to_owned());
    }
    Err(bad().help(format!("as `{}`", kind.example())))
}

/// The address of an instance, without what has no place in one.
fn instance(text: &str) -> Result<Url, NameError> {
    let bad = |why: &str| {
        NameError::new(format!("`url` is not the address of a forge: {why}")).help("as `https://git.acme.example`")
    };
    let odd = |c: char| c.is_control() || c.is_whitespace() || is_bidi_control(c);
    let mut url = Url::parse(text).map_err(|_| bad("it cannot be read as a URL"))?;
    if text.contains(odd) || text.len() > 1_024 {
        return Err(bad("it has characters that no address has, or too many"));
    }
    // Whatever stands there may be a token.
    if !url.username().is_empty() || url.password().is_some() {
        return Err(NameError::new("a forge's address holds no credential")
            .help("take it out; the token comes from the environment, as `PINSTREAM_FORGE_TOKEN`"));
    }
    if !matches!(url.scheme(), "https" | "http") || !url.has_host() {
        return Err(bad("it does not begin with `https://` and a host"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(bad("it has more than a host and a path"));
    }
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    Ok(url)
}

fn grouping(written: &At<StringOr<SetsTable>>, findings: &mut Diagnostics<'_>) -> Grouping {
    let sets = match &written.value {
        StringOr::Text(word) => {
            return match word.as_str() {
                "stream" => Grouping::Stream,
                "tag" => Grouping::Tag,
                "all" => Grouping::All,
                other => {
                    let message = format!("`{}` is no way to group moves", short(other));
                    let help = "`stream`, `tag`, `all`, or named sets, as `group = { base = [\"python:*\"] }`";
                    findings.report(&written.span, message, help);
                    Grouping::Stream
                }
            };
        }
        StringOr::Table(sets) => &sets.0,
    };
    if let Some((more, _)) = sets.get(LIST_MAX) {
        findings.report(&more.span, format!("more than {LIST_MAX} sets"), "group by stream, or let a set have globs");
        return Grouping::Stream;
    }
    Grouping::Sets(sets.iter().filter_map(|(name, patterns)| set(name, patterns, findings)).collect())
}

fn set(name: &At<String>, patterns: &[At<String>], findings: &mut Diagnostics<'_>) -> Option<GroupSet> {
    let fits = (1..=63).contains(&name.value.len())
        && name.value.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !name.value.starts_with('-');
    if !fits {
        let message = format!("`{}` is not the name of a set", short(&name.value));
        findings.report(&name.span, message, "lower-case letters, digits and `-`, not beginning with `-`, at most 63");
    }
    if patterns.is_empty() {
        let help = "name tags, as `[\"python:*\"]`, or take the set out";
        findings.report(&name.span, format!("the set `{}` has no tags", short(&name.value)), help);
        return None;
    }
    let patterns = bounded(patterns, "patterns", findings);
    let good =
        patterns.iter().filter_map(|at| findings.accept(&at.span, TagGlobs::new([at.value.as_str()])).map(|_| at));
    let good: Vec<&str> = good.map(|at| at.value.as_str()).collect();
    let tags = TagGlobs::new(good).ok().filter(|tags| !tags.is_all())?;
    fits.then(|| GroupSet { name: name.value.clone(), tags })
}

/// `list`, or nothing of it and a problem where it is longer than anything sensible.
fn bounded<'a>(list: &'a [At<String>], what: &str, findings: &mut Diagnostics<'_>) -> &'a [At<String>] {
    match list.get(LIST_MAX) {
        Some(more) => {
            findings.report(&more.span, format!("more than {LIST_MAX} {what}"), "a hundred is more than anybody reads");
            &[]
        }
        None => list,
    }
}

/// A name on a forge: any words that can be shown.
fn words(text: &str, what: &str) -> Result<String, NameError> {
    let odd = |c: char| c.is_control() || is_bidi_control(c) || c == ',';
    let bare = text.strip_prefix("team:").unwrap_or(text);
    if bare.is_empty() || bare.trim() != bare || text.chars().count() > 255 || text.contains(odd) {
        return Err(NameError::new(format!("`{}` is not {what}", short(text)))
            .help("at most 255 characters in one line, without commas and outer blanks"));
    }
    Ok(text.to_owned())
}

fn is_guid(text: &str) -> bool {
    let lengths = text.split('-').map(str::len);
    lengths.eq([8, 4, 4, 4, 12]) && text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')
}

#[cfg(test)]
mod tests;
