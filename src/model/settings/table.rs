//! `pinstream.toml` as it is written: every key there is, with its place; true or not is for `validate` to say.

use std::sync::LazyLock;

use schemars::JsonSchema;
use serde::Deserialize;

use super::publish::forges::PublishTable;
use crate::formats::table::TargetTable;
use crate::text::diagnostics::At;
use crate::text::toml::Entries;
use crate::text::toml::shape::SchemaShape;

/// What `pinstream.toml` may hold.
pub(super) static SHAPE: LazyLock<SchemaShape> = LazyLock::new(SchemaShape::of::<SettingsTable>);

/// Settings of a root; every key may be left out.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[schemars(rename = "Settings")]
pub(crate) struct SettingsTable {
    /// Where and as whom a pass commits.
    pub(crate) git: GitTable,
    /// What stream files and tags fall back on.
    pub(crate) import: ImportTable,
    /// How a registry is reached, by its `host` or `host:port`.
    pub(crate) registry: Entries<RegistryTable>,
    /// Commands for moves that have landed on the branch.
    pub(crate) hook: Vec<At<HookTable>>,
    /// Places in files of the repository into which pinned references are written.
    pub(crate) target: Vec<At<TargetTable>>,
    /// Where changes are proposed; without it, passes push to the branch.
    pub(crate) publish: Option<At<PublishTable>>,
    /// Other repositories whose tags are followed, by a name of one's own.
    pub(crate) remote: Entries<RemoteTable>,
}

/// Where and as whom a pass commits.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[schemars(rename = "Git")]
pub(crate) struct GitTable {
    /// The branch; by default the remote's `HEAD`.
    pub(crate) branch: Option<At<String>>,
    /// Author and committer, as `name <address>`.
    pub(crate) author: Option<At<String>>,
    /// A template (Jinja) for the messages of commits, of `title`, `text`, `count` and `moves`; `pinstream help message`
    /// has all of it.
    pub(crate) message: Option<At<String>>,
    /// How commits are signed: `ssh` or `openpgp`, with the key of `PINSTREAM_SIGNING_KEY` or the file of
    /// `PINSTREAM_SIGNING_KEY_FILE`, never one in a repository; or `github`, which makes and signs the commits of
    /// proposals there for the token of an app.
    pub(crate) sign: Option<At<String>>,
}

/// What holds for an import unless a stream or a tag says otherwise.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[schemars(rename = "Import")]
pub(crate) struct ImportTable {
    /// A cron expression of five fields, as crontab(5) has them, or `never`.
    pub(crate) schedule: Option<At<String>>,
    /// The time zone the schedule is read in, as `Europe/Berlin`; by default UTC.
    pub(crate) timezone: Option<At<String>>,
    /// Platforms an index must have for it to be pinned, as `linux/amd64`.
    pub(crate) platforms: Option<Vec<At<String>>>,
    /// How long a digest must have been seen unmoved before it is pinned, as `3d`.
    pub(crate) soak: Option<At<String>>,
    /// What to do where the registry went back to a digest that was pinned before: `hold`, `allow` or `warn`.
    pub(crate) on_rollback: Option<At<String>>,
    /// Who has to have signed an image for it to be pinned.
    pub(crate) verify: Option<At<VerifyTable>>,
    /// Classes of moves that are left alone, as `attestation`.
    pub(crate) ignore: Option<Vec<At<String>>>,
    /// How far a version may move: `patch`, `minor` or `major`.
    pub(crate) allow: Option<At<String>>,
}

/// Who has to have signed an image for it to be pinned.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[schemars(rename = "Verify")]
pub(crate) struct VerifyTable {
    /// A PEM file of this root with public keys (ECDSA P-256), as `cosign.pub`; each of them vouches.
    pub(crate) key: Option<At<String>>,
    /// In place of a key: who says that a keyless signature is by `identity`, as `https://accounts.google.com`.
    pub(crate) issuer: Option<At<String>>,
    /// Who has to have signed, as the certificate names him: an address or a workflow; `*` stands for any text.
    pub(crate) identity: Option<At<String>>,
    /// A file of this root with the authorities and logs to trust; by default those of Sigstore's public instance.
    pub(crate) trusted_root: Option<At<String>>,
}

/// How one registry is reached.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[schemars(rename = "Registry")]
pub(crate) struct RegistryTable {
    /// Tried in order before the registry itself: `host[:port]`, and a path where there is one.
    pub(crate) mirrors: Vec<At<String>>,
    /// A PEM file of this root with the authorities to trust for this registry alone.
    pub(crate) ca: Option<At<String>>,
    /// Whether it is spoken to without TLS.
    pub(crate) plain_http: Option<At<bool>>,
    /// How many requests may be in flight at once, 1 to 256; by default 16.
    #[schemars(range(min = 1, max = 256))]
    pub(crate) requests: Option<At<i64>>,
}

/// Another repository with a root of its own.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[schemars(rename = "Remote")]
pub(crate) struct RemoteTable {
    /// Its address, as `https://git.example/platform/images` or `git@git.example:platform/images`.
    #[schemars(required)]
    pub(crate) url: Option<At<String>>,
    /// The branch whose lock is read; by default the remote's `HEAD`.
    pub(crate) branch: Option<At<String>>,
    /// The folder of its `pinstream.toml`, where that is not the top.
    pub(crate) root: Option<At<String>>,
}

/// A command for moves that have landed.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[schemars(rename = "Hook", extend("required" = ["name", "run"]))]
pub(crate) struct HookTable {
    /// Its name, by which is remembered what it has seen.
    #[schemars(regex(pattern = "^[a-z0-9][a-z0-9-]{0,62}$"))]
    pub(crate) name: Option<At<String>>,
    /// Which tags it is for: `stream`, `stream:tag`, or globs; by default all.
    pub(crate) on: Option<At<Vec<At<String>>>>,
    /// The program and its arguments; a program with a slash is a file of this root.
    pub(crate) run: Option<At<Vec<At<String>>>>,
    /// More files of this root that it finds in its folder.
    pub(crate) files: Vec<At<String>>,
    /// Environment variables that are passed on to it.
    pub(crate) env: Vec<At<String>>,
    /// How long it may take, as `90s`, `5m` or `1h`; by default `5m`.
    pub(crate) timeout: Option<At<String>>,
    /// Whether it runs once for each move in place of once for all.
    pub(crate) each: bool,
}
