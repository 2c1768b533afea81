//! Credentials for a Git remote over HTTP.
//!
//! Each source is tried once per connection, and only with the remote's own address. Nothing here has a `Debug`, `Display`
//! or `Serialize`.

use std::path::PathBuf;
use std::time::Duration;

use super::address::RemoteAddress;
use super::git_program;
use super::sign::SigningKeySource;
use crate::http::Secret;
use crate::system::environment;

/// The default user name for a token: as GitHub documents, and as other forges accept.
const TOKEN_USER: &str = "x-access-token";
/// The name of the token's source, for messages.
const TOKEN_SOURCE: &str = "`PINSTREAM_GIT_TOKEN`";
/// The name of the address as a source, for messages.
const ADDRESS_SOURCE: &str = "the password of the address";

/// Sources of credentials besides Git's credential helpers.
#[derive(Clone, Default)]
pub struct GitCredentialSources {
    /// A token or password for `https://`.
    pub token: Option<Secret>,
    /// User name for the token.
    pub username: Option<String>,
    /// Private key for SSH.
    pub ssh_key: Option<PathBuf>,
    /// Passphrase of the key.
    pub ssh_passphrase: Option<Secret>,
    /// PEM file with the authorities to trust instead of the machine's.
    pub authorities: Option<PathBuf>,
    /// Key that signs commits.
    pub signing: SigningKeySource,
}

impl GitCredentialSources {
    /// Reads the variables of this process.
    pub fn from_environment() -> Self {
        Self {
            token: environment::var("PINSTREAM_GIT_TOKEN").map(Secret::new),
            username: environment::var("PINSTREAM_GIT_USERNAME"),
            ssh_key: environment::var("PINSTREAM_GIT_SSH_KEY").map(PathBuf::from),
            ssh_passphrase: environment::var("PINSTREAM_GIT_SSH_PASSPHRASE").map(Secret::new),
            authorities: environment::var("GIT_SSL_CAINFO").map(PathBuf::from),
            signing: SigningKeySource::from_environment(),
        }
    }

    /// Drops the token, which belongs to one unknown server.
    #[must_use]
    pub fn without_token(self) -> Self {
        Self { token: None, username: None, ..self }
    }
}

/// A user name and password.
pub(super) struct GitLogin {
    pub(super) user: String,
    pub(super) password: Secret,
    /// The name of its source, for messages.
    pub(super) source: &'static str,
    /// Output of `git credential fill`, passed back to `approve` or `reject`.
    answer: Option<String>,
}

/// The sources of credentials for one remote over HTTP.
pub(super) struct GitLogins {
    address: RemoteAddress,
    sources: GitCredentialSources,
    /// The directory whose Git configuration applies.
    checkout: Option<PathBuf>,
    time_limit: Duration,
}

impl GitLogins {
    pub(super) fn new(
        address: &RemoteAddress,
        sources: &GitCredentialSources,
        checkout: Option<PathBuf>,
        time_limit: Duration,
    ) -> Self {
        Self { address: address.clone(), sources: sources.clone(), checkout, time_limit }
    }

    /// Iterates over the logins in the order in which they are tried; reads each lazily.
    pub(super) fn iter(&self) -> impl Iterator<Item = GitLogin> {
        let token = || {
            let user = self.sources.username.as_deref().or(self.address.user()).unwrap_or(TOKEN_USER).to_owned();
            self.sources.token.clone().map(|token| plain(user, token, TOKEN_SOURCE))
        };
        let address = || {
            let user = self.address.user()?.to_owned();
            Some(plain(user, self.address.password()?.clone(), ADDRESS_SOURCE))
        };
        let lazily = std::iter::once_with(token).chain(std::iter::once_with(address));
        lazily.chain(std::iter::once_with(|| self.fill())).flatten()
    }

    /// Names the configured credentials, except those of helpers, which are not run to find out.
    pub(super) fn configured(&self) -> Option<&'static str> {
        let token = self.sources.token.as_ref().map(|_| TOKEN_SOURCE);
        token.or_else(|| self.address.user().and(self.address.password()).map(|_| ADDRESS_SOURCE))
    }

    /// Gets a login from Git's credential helpers (gitcredentials(7)).
    fn fill(&self) -> Option<GitLogin> {
        const SOURCE: &str = "Git's credential helper";
        let user = self.sources.username.as_deref().or(self.address.user());
        let mut question = format!("url={}\n", self.address.url());
        if let Some(user) = user {
            question.push_str(&format!("username={user}\n"));
        }
        let answer = self.credential("fill", &question)?;
        let value = |name: &str| answer.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        let (user, password) = (value("username")?.to_owned(), value("password").filter(|text| !text.is_empty())?);
        let password = Secret::new(password);
        Some(GitLogin { user, password, source: SOURCE, answer: Some(answer) })
    }

    /// Tells the helpers whether the server accepted their login.
    pub(super) fn report(&self, login: &GitLogin, is_accepted: bool) {
        if let Some(answer) = &login.answer {
            // Helpers that store nothing ignore it.
            let _ = self.credential(if is_accepted { "approve" } else { "reject" }, answer);
        }
    }

    /// Runs `git credential`; returns its output if it succeeds within the time limit. Helpers get our environment, as from
    /// git, but nothing that is meant for pinstream.
    fn credential(&self, action: &str, input: &str) -> Option<String> {
        let mut program = git_program().inherit().env("GIT_TERMINAL_PROMPT", "0").env("SSH_ASKPASS", "");
        if let Some(checkout) = &self.checkout {
            program = program.args(["-C"]).args([checkout.as_os_str()]);
        }
        let run = program.args(["credential", action]).input(format!("{input}\n").as_bytes()).run(self.time_limit);
        run.ok().filter(|output| output.success).map(|output| output.stdout)
    }
}

fn plain(user: String, password: Secret, source: &'static str) -> GitLogin {
    GitLogin { user, password, source, answer: None }
}
