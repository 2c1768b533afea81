//! Credentials for a Git remote over HTTP.
//!
//! Each source is tried once per connection, and only with the remote's own address. Nothing here has a `Debug`, `Display`
//! or `Serialize`.

use std::path::PathBuf;
use std::sync::mpsc;
use std::time::Duration;

use super::address::RemoteAddress;
use super::git_program;
use super::sign::SigningKeySource;
use crate::http::Secret;
use crate::system::environment;
use crate::system::program::ProgramError;

/// The default user name for a token: as GitHub documents, and as other forges accept.
const TOKEN_USER: &str = "x-access-token";

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
    /// The helpers' description, which they get back with the server's verdict.
    description: Option<String>,
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

    /// Iterates over the logins in the order in which they are tried; reads each when it is its turn.
    pub(super) fn iter(&self) -> impl Iterator<Item = GitLogin> {
        let token = || {
            let user = self.sources.username.as_deref().or(self.address.user()).unwrap_or(TOKEN_USER).to_owned();
            self.sources.token.clone().map(|token| plain(user, token, "`PINSTREAM_GIT_TOKEN`"))
        };
        let address = || {
            let user = self.address.user()?.to_owned();
            Some(plain(user, self.address.password()?.clone(), "the password of the address"))
        };
        let lazily = std::iter::once_with(token).chain(std::iter::once_with(address));
        lazily.chain(std::iter::once_with(|| self.fill())).flatten()
    }

    /// Returns the name of a configured token, which was not sent because the server did not ask for it.
    pub(super) fn unused(&self) -> Option<&'static str> {
        self.sources.token.as_ref().map(|_| "`PINSTREAM_GIT_TOKEN`")
    }

    /// Gets a login from Git's credential helpers (gitcredentials(7)).
    fn fill(&self) -> Option<GitLogin> {
        const SOURCE: &str = "Git's credential helper";
        let user = self.sources.username.as_deref().or(self.address.user());
        let mut question = format!("url={}\n", self.address.url());
        if let Some(user) = user {
            question.push_str(&format!("username={user}\n"));
        }
        match self.credential("fill", &question) {
            Ok(None) => None,
            Ok(Some(answer)) => {
                let value = |name: &str| answer.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
                let (user, password) = (value("username")?.to_owned(), Secret::new(value("password")?));
                Some(GitLogin { user, password, source: SOURCE, description: Some(answer) })
            }
            Err(_) => {
                // Without git, libgit2 runs one of the helpers.
                let mut helper = git2::CredentialHelper::new(self.address.url());
                helper.config(&git2::Config::open_default().ok()?).username(user);
                let (sender, receiver) = mpsc::channel();
                // The receiver is gone after the time limit.
                std::thread::spawn(move || sender.send(helper.execute()).ok());
                let (user, password) = receiver.recv_timeout(self.time_limit).ok().flatten()?;
                Some(plain(user, Secret::new(password), SOURCE))
            }
        }
    }

    /// Tells the helpers whether the server accepted their login.
    pub(super) fn report(&self, login: &GitLogin, is_accepted: bool) {
        if let Some(description) = &login.description {
            // Helpers that store nothing ignore it.
            let _ = self.credential(if is_accepted { "approve" } else { "reject" }, description);
        }
    }

    /// Runs `git credential`; returns its output if it succeeds.
    fn credential(&self, action: &str, input: &str) -> Result<Option<String>, ProgramError> {
        let mut program = git_program().env("GIT_TERMINAL_PROMPT", "0").env("SSH_ASKPASS", "");
        if let Some(askpass) = environment::var("GIT_ASKPASS") {
            program = program.env("GIT_ASKPASS", askpass);
        }
        if let Some(checkout) = &self.checkout {
            program = program.args(["-C"]).args([checkout.as_os_str()]);
        }
        match program.args(["credential", action]).input(format!("{input}\n").as_bytes()).run(self.time_limit) {
            Ok(output) => Ok(output.success.then_some(output.stdout)),
            Err(error @ ProgramError::Missing { .. }) => Err(error),
            // The helper hangs: there is no login.
            Err(_) => Ok(None),
        }
    }
}

fn plain(user: String, password: Secret, source: &'static str) -> GitLogin {
    GitLogin { user, password, source, description: None }
}
