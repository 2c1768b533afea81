//! `[publish]` as written, and the forges that it can name.
//!
//! Settings and links lie below [`crate::forge`], so the facts that they depend on are here, in one [`ForgeFacts`] per
//! forge: its key, the form of its repositories and reviewers, its hosts and its compare links. Facts that only requests
//! depend on (URLs, limits, environment variables, permissions) are in the forge's own file below `src/forge/`. To add a
//! forge, write that file, add it to the enum in `src/forge.rs`, and add its key, its variant and its facts here.

use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::text::diagnostics::{At, is_bidi_control};
use crate::text::toml::{Entries, StringOr};

/// Patterns of tags, by the name of the set that they define.
pub(crate) type SetsTable = Entries<Vec<At<String>>>;

/// Proposals of changes: exactly one forge, and the options of new proposals.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[schemars(rename = "Publish")]
pub(crate) struct PublishTable {
    /// GitHub or GitHub Enterprise Server; `repository` such as `acme/deploy`.
    pub(crate) github: Option<At<ForgeTable>>,
    /// GitLab; `repository` such as `group/sub/project`.
    pub(crate) gitlab: Option<At<ForgeTable>>,
    /// Gitea or Forgejo; `repository` such as `acme/deploy`, and `url`.
    pub(crate) gitea: Option<At<ForgeTable>>,
    /// Bitbucket Cloud; `repository` such as `workspace/repo`.
    pub(crate) bitbucket: Option<At<ForgeTable>>,
    /// Azure DevOps; `repository` such as `organization/project/repository`.
    pub(crate) azure: Option<At<ForgeTable>>,
    /// Changes that share a proposal: `stream` (the default), `tag`, `all`, or named sets of tags such as
    /// `{ base = ["python:*"] }`. Tags that are in no set are grouped by stream.
    pub(crate) group: Option<At<StringOr<SetsTable>>>,
    /// Prefix of the names of proposal branches; default: `pinstream/`. If another prefix is set, open proposals whose
    /// branch is below `pinstream/` are closed.
    pub(crate) branch_prefix: Option<At<String>>,
    /// Template (Jinja) for the titles of proposals; see `pinstream help message`. Default: the first line of the commit
    /// message.
    pub(crate) title: Option<At<String>>,
    /// Template for the bodies of proposals; `text` is the default body.
    pub(crate) body: Option<At<String>>,
    /// Labels of proposals. Every pass adds those that are missing.
    pub(crate) labels: Vec<At<String>>,
    /// Reviewers of proposals: users, or `team:NAME` on forges with teams. Every pass requests those who are missing; if the
    /// forge refuses one, the report has a note.
    pub(crate) reviewers: Vec<At<String>>,
    /// Opens new proposals as drafts.
    pub(crate) draft: Option<At<bool>>,
    /// Enables auto-merge of proposals: the forge merges them as soon as its rules allow. Every pass requests it until it is
    /// enabled; GitHub proposals that have nothing to wait for are merged at once.
    pub(crate) auto_merge: Option<At<bool>>,
    /// Also proposes changes that consist of nothing but new attestations.
    pub(crate) attestation: bool,
}

/// A repository on a forge.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[schemars(rename = "Forge")]
pub(crate) struct ForgeTable {
    /// Path of the repository on the forge.
    #[schemars(required)]
    pub(crate) repository: Option<At<String>>,
    /// URL of a self-hosted instance, e.g. `https://git.acme.example`.
    pub(crate) url: Option<At<String>>,
}

impl PublishTable {
    /// Lists the forges that the table names.
    pub(super) fn forges(&self) -> impl Iterator<Item = (ForgeKind, &At<ForgeTable>)> {
        let tables = [&self.github, &self.gitlab, &self.gitea, &self.bitbucket, &self.azure];
        ForgeKind::ALL.into_iter().zip(tables).filter_map(|(kind, table)| Some((kind, table.as_ref()?)))
    }
}

/// The forges that are supported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ForgeKind {
    /// GitHub, GitHub Enterprise Cloud and GitHub Enterprise Server.
    GitHub,
    /// GitLab.com and self-managed GitLab.
    GitLab,
    /// Gitea and Forgejo.
    Gitea,
    /// Bitbucket Cloud.
    Bitbucket,
    /// Azure DevOps Services and Server.
    Azure,
}

impl ForgeKind {
    /// All forges, in the order of their tables in `[publish]`.
    pub const ALL: [Self; 5] = [Self::GitHub, Self::GitLab, Self::Gitea, Self::Bitbucket, Self::Azure];

    /// Returns the forge's key in `[publish]`.
    pub fn key(self) -> &'static str {
        self.facts().key
    }

    /// Returns the facts that settings and links depend on.
    pub(crate) fn facts(self) -> &'static ForgeFacts {
        match self {
            Self::GitHub => &GITHUB,
            Self::GitLab => &GITLAB,
            Self::Gitea => &GITEA,
            Self::Bitbucket => &BITBUCKET,
            Self::Azure => &AZURE,
        }
    }

    /// Guesses the forge from a host name; none if the name does not reveal it.
    pub(crate) fn of_host(host: &str) -> Option<Self> {
        // From the last to the first: the exact names precede those that contain the forge's name.
        Self::ALL.into_iter().rev().find(|kind| (kind.facts().is_host)(host))
    }
}

impl fmt::Display for ForgeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.facts().name)
    }
}

/// Facts about a forge that settings and links depend on.
pub(crate) struct ForgeFacts {
    key: &'static str,
    name: &'static str,
    /// Example of a repository path.
    pub(crate) example: &'static str,
    /// Fewest and most segments of a repository path.
    pub(crate) segments: (usize, usize),
    /// Reports whether a segment may contain a character.
    pub(crate) allows: fn(char) -> bool,
    pub(crate) hosting: Hosting,
    pub(crate) has_labels: bool,
    pub(crate) has_auto_merge: bool,
    /// Remedy for settings that name a team; none if the forge can request reviews from teams.
    pub(crate) instead_of_team: Option<&'static str>,
    /// Form of the ids that reviewers are named by; none if it is their user name.
    pub(crate) reviewer_id: Option<ReviewerId>,
    is_host: fn(&str) -> bool,
    /// Counts the leading segments of a web path that name the repository; none if it names no repository.
    pub(crate) repository_len: fn(&[&str]) -> Option<usize>,
    /// Builds the page that compares two revisions of the repository at a web URL: URL, old, new.
    pub(crate) compare: fn(&str, &str, &str) -> String,
}

/// Instances that a forge may have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hosting {
    /// One public instance only.
    Public,
    /// A public instance and self-hosted ones.
    Both,
    /// Self-hosted instances only.
    SelfHosted,
}

/// Form of the ids by which a forge names reviewers.
pub(crate) struct ReviewerId {
    pub(crate) is_valid: fn(&str) -> bool,
    /// Name of the id, for messages.
    pub(crate) name: &'static str,
    pub(crate) help: &'static str,
}

const GITHUB: ForgeFacts = ForgeFacts {
    key: "github",
    name: "GitHub",
    example: "acme/deploy",
    segments: (2, 2),
    allows: is_plain,
    hosting: Hosting::Both,
    has_labels: true,
    has_auto_merge: true,
    instead_of_team: None,
    reviewer_id: None,
    is_host: |host| has_label(host, "github"),
    repository_len: |_| Some(2),
    // docs.github.com, "Comparing commits".
    compare: |web, old, new| format!("{web}/compare/{old}...{new}"),
};

const GITLAB: ForgeFacts = ForgeFacts {
    key: "gitlab",
    name: "GitLab",
    example: "group/sub/project",
    segments: (2, 21),
    instead_of_team: Some("name its members"),
    is_host: |host| has_label(host, "gitlab"),
    repository_len: |path| Some(path.iter().position(|segment| *segment == "-").unwrap_or(path.len())),
    // docs.gitlab.com, "Compare revisions".
    compare: |web, old, new| format!("{web}/-/compare/{old}...{new}"),
    ..GITHUB
};

const GITEA: ForgeFacts = ForgeFacts {
    key: "gitea",
    name: "Gitea",
    hosting: Hosting::SelfHosted,
    is_host: |host| host == "codeberg.org" || has_label(host, "gitea") || has_label(host, "forgejo"),
    ..GITHUB
};

const BITBUCKET: ForgeFacts = ForgeFacts {
    key: "bitbucket",
    name: "Bitbucket Cloud",
    example: "workspace/repo",
    hosting: Hosting::Public,
    has_labels: false,
    has_auto_merge: false,
    instead_of_team: Some("name its members"),
    reviewer_id: Some(ReviewerId {
        is_valid: |text| text.starts_with('{') || text.contains(':'),
        name: "UUID or account id",
        help: "use an id such as `{d301aafa-d676-4ee0-88be-962be7417567}` or \
               `557058:ba8948b2-49da-43a9-9e8b-e7249b8e324a`; Bitbucket removed user names in 2019",
    }),
    is_host: |host| host == "bitbucket.org",
    // The newer revision comes first, separated by a carriage return.
    compare: |web, old, new| format!("{web}/branches/compare/{new}%0D{old}"),
    ..GITHUB
};

const AZURE: ForgeFacts = ForgeFacts {
    key: "azure",
    name: "Azure DevOps",
    example: "organization/project/repository",
    segments: (3, 3),
    // Names of projects may contain spaces and letters of any script.
    allows: |c| !c.is_control() && !is_bidi_control(c) && !"\\:*?\"<>|;#$+,[]{}%&=@~".contains(c),
    instead_of_team: Some("use the team's id without `team:`"),
    reviewer_id: Some(ReviewerId {
        is_valid: is_guid,
        name: "user or team id",
        help: "use an id such as `d6245f20-2af8-44f4-9451-8107cb2767db`; `az devops user show --user NAME` prints it",
    }),
    is_host: |host| host == "dev.azure.com" || host.ends_with(".visualstudio.com"),
    repository_len: |path| Some(path.iter().position(|segment| *segment == "_git")? + 2),
    // `GC` marks a commit.
    compare: |web, old, new| format!("{web}/branchCompare?baseVersion=GC{old}&targetVersion=GC{new}"),
    ..GITHUB
};

/// Reports whether one of the words of a host name, separated by dots and hyphens, is `name`.
fn has_label(host: &str, name: &str) -> bool {
    host.split(['.', '-']).any(|label| label == name)
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || "._-".contains(c)
}

fn is_guid(text: &str) -> bool {
    let lengths = text.split('-').map(str::len);
    lengths.eq([8, 4, 4, 4, 12]) && text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')
}
