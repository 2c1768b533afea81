//! The raw tables of `pinstream.toml`, with positions and schema; `validate` checks the values.

use std::sync::LazyLock;

use schemars::JsonSchema;
use serde::Deserialize;

use super::publish::forges::PublishTable;
use crate::formats::TargetTable;
use crate::text::diagnostics::At;
use crate::text::toml::Entries;
use crate::text::toml::schema_check::SchemaShape;

/// The shape of `pinstream.toml`.
pub(super) static SHAPE: LazyLock<SchemaShape> = LazyLock::new(SchemaShape::of::<SettingsTable>);

/// Settings of a root; all keys are optional.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[schemars(rename = "Settings")]
pub(crate) struct SettingsTable {
    /// Branch, author, message and signature of commits.
    pub(crate) git: GitTable,
    /// Defaults for stream files and tags.
    pub(crate) import: ImportTable,
    /// Files and images that the search for images skips.
    pub(crate) files: FilesTable,
    /// Access to registries, by `host` or `host:port`.
    pub(crate) registry: Entries<RegistryTable>,
    /// Commands for changes that have landed on the branch.
    pub(crate) hook: Vec<At<HookTable>>,
    /// Places in files of the repository that receive pinned references.
    pub(crate) target: Vec<At<TargetTable>>,
    /// Forge on which changes are proposed; without it, passes push to the branch.
    pub(crate) publish: Option<At<PublishTable>>,
    /// Other repositories whose tags are followed, by a name of your choice.
    pub(crate) remote: Entries<RemoteTable>,
}

/// Branch, author, message and signature of commits.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[schemars(rename = "Git")]
pub(crate) struct GitTable {
    /// Branch; default: the remote's `HEAD`.
    pub(crate) branch: Option<At<String>>,
    /// Author and committer: `name <address>`.
    pub(crate) author: Option<At<String>>,
    /// Jinja template for commit messages, with the variables `title`, `text`, `count` and `changes`; see `pinstream
    /// help message`.
    pub(crate) message: Option<At<String>>,
    /// Signature of commits: `ssh` or `openpgp` with a key of `PINSTREAM_SIGNING_KEY` or `PINSTREAM_SIGNING_KEY_FILE`,
    /// an agent or git config, never one in a repository; or `github`: GitHub creates and signs the commits of
    /// proposals, which needs the token of a GitHub App.
    pub(crate) sign: Option<At<String>>,
}

/// Import settings; overridden by streams and tags.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[schemars(rename = "Import")]
pub(crate) struct ImportTable {
    /// Cron expression of five fields, as in crontab(5), or `never`.
    pub(crate) schedule: Option<At<String>>,
    /// Time zone of the schedule, e.g. `Europe/Berlin`; default: UTC.
    pub(crate) timezone: Option<At<String>>,
    /// Platforms that an index must have, e.g. `linux/amd64`.
    pub(crate) platforms: Option<At<Vec<At<String>>>>,
    /// Minimum age of a digest before it is pinned, measured from when pinstream first saw it, e.g. `3d`.
    pub(crate) soak: Option<At<String>>,
    /// Reaction when the registry goes back to an earlier digest: `hold`, `allow` or `warn`.
    pub(crate) on_rollback: Option<At<String>>,
    /// Required signer of an image.
    pub(crate) verify: Option<At<VerifyTable>>,
    /// Classes of changes to ignore, e.g. `attestation`.
    pub(crate) ignore: Option<Vec<At<String>>>,
    /// Largest accepted version change: `patch`, `minor` or `major`.
    pub(crate) allow: Option<At<String>>,
    /// Time limit for resolving in one pass, e.g. `90s` or `10m`; the next pass resolves the remaining tags first.
    /// Default: `5m`. Only in `pinstream.toml`.
    pub(crate) budget: Option<At<String>>,
}

/// Files and images that `check --all-images`, `targets add` and `init --from` skip.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[schemars(rename = "Files")]
pub(crate) struct FilesTable {
    /// Patterns of files as in `.gitignore`, e.g. `vendor/` or `**/testdata/`.
    pub(crate) ignore: Vec<At<String>>,
    /// Globs over `registry/repository`, e.g. `registry.example/**`.
    pub(crate) ignore_images: Vec<At<String>>,
}

/// Required signer of an image.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[schemars(rename = "Verify")]
pub(crate) struct VerifyTable {
    /// PEM file of this root with public keys (ECDSA P-256), e.g. `cosign.pub`; a signature by any of them is accepted.
    pub(crate) key: Option<At<String>>,
    /// Instead of a key: OpenID Connect issuer of the signer's certificate, e.g. `https://accounts.google.com`.
    pub(crate) issuer: Option<At<String>>,
    /// Signer in the certificate: an e-mail address or a workflow URL; `*` matches any text.
    pub(crate) identity: Option<At<String>>,
    /// File of this root with trusted authorities and logs; default: those of Sigstore's public instance.
    pub(crate) trusted_root: Option<At<String>>,
}

/// Access to one registry.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[schemars(rename = "Registry")]
pub(crate) struct RegistryTable {
    /// Mirrors, tried in order before the registry itself: `host[:port]`, optionally with a path.
    pub(crate) mirrors: Vec<At<String>>,
    /// PEM file of this root with the authorities trusted for this registry only.
    pub(crate) ca: Option<At<String>>,
    /// Use HTTP without TLS.
    pub(crate) plain_http: Option<At<bool>>,
    /// Maximum number of concurrent requests, 1 to 256; default: 16.
    #[schemars(range(min = 1, max = 256))]
    pub(crate) requests: Option<At<i64>>,
}

/// Another repository with a root.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[schemars(rename = "Remote")]
pub(crate) struct RemoteTable {
    /// URL, e.g. `https://git.example/platform/images` or `git@git.example:platform/images`.
    #[schemars(required)]
    pub(crate) url: Option<At<String>>,
    /// Branch whose lock is read; default: the remote's `HEAD`.
    pub(crate) branch: Option<At<String>>,
    /// Directory of its `pinstream.toml`, unless it is at the top.
    pub(crate) root: Option<At<String>>,
}

/// A command for changes that have landed.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[schemars(rename = "Hook", extend("required" = ["name", "run"]))]
pub(crate) struct HookTable {
    /// Name, which identifies the hook's state.
    #[schemars(regex(pattern = "^[a-z0-9][a-z0-9-]{0,62}$"))]
    pub(crate) name: Option<At<String>>,
    /// Tags it runs for: `stream`, `stream:tag`, or globs; default: all.
    pub(crate) on: Option<At<Vec<At<String>>>>,
    /// Program and arguments, without a shell; a program with a slash is a file of this root.
    pub(crate) run: Option<At<Vec<At<String>>>>,
    /// Other files of this root to provide in its directory.
    pub(crate) files: Vec<At<String>>,
    /// Environment variables that are passed on to it.
    pub(crate) env: Vec<At<String>>,
    /// Time limit, e.g. `90s`, `5m` or `1h`; default: `5m`.
    pub(crate) timeout: Option<At<String>>,
    /// Run once for each change instead of once for all.
    pub(crate) each: bool,
}
