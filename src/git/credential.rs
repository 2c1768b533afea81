//! Credentials for a Git remote.
//!
//! Each source is offered once per connection, to the origin of the remote's own address only. Nothing here has a `Debug`,
//! `Display` or `Serialize`.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use git2::{Cred, CredentialType, ErrorClass, ErrorCode};

use super::address::RemoteAddress;
use super::sign::SigningKeySource;
use crate::http::Secret;
use crate::system::environment;

/// The default user name for a token: as GitHub documents, and as other forges accept.
const TOKEN_USER: &str = "x-access-token";
/// The default user name over SSH.
const SSH_USER: &str = "git";

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
    /// Use the SSH agent.
    pub agent: bool,
    /// PEM file with authorities to trust besides the machine's.
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
            agent: environment::var("SSH_AUTH_SOCK").is_some(),
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

/// The names of credentials that were offered.
pub(super) type TriedCredentials = Arc<Mutex<Vec<&'static str>>>;

/// The sources in the order in which they are offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CredentialOffer {
    Token,
    AddressPassword,
    Helper,
    SshKey,
    SshAgent,
}

/// The sources of credentials that are left to offer on one connection; libgit2 requests one after another.
pub(super) struct CredentialProvider {
    address: RemoteAddress,
    sources: GitCredentialSources,
    config: Option<git2::Config>,
    time_limit: Duration,
    left: Vec<CredentialOffer>,
    tried: TriedCredentials,
}

impl CredentialProvider {
    /// Prepares one connection to `address`; `tried` receives the names of what is offered.
    pub(super) fn new(
        address: &RemoteAddress,
        sources: &GitCredentialSources,
        config: Option<git2::Config>,
        time_limit: Duration,
        tried: &TriedCredentials,
    ) -> Self {
        let mut left = Vec::new();
        if address.is_ssh() {
            left.extend(sources.ssh_key.as_ref().map(|_| CredentialOffer::SshKey));
            left.extend(sources.agent.then_some(CredentialOffer::SshAgent));
        } else {
            left.extend(sources.token.as_ref().map(|_| CredentialOffer::Token));
            left.extend(address.password().map(|_| CredentialOffer::AddressPassword));
            left.push(CredentialOffer::Helper);
        }
        left.reverse();
        let (address, sources, tried) = (address.clone(), sources.clone(), Arc::clone(tried));
        Self { address, sources, config, time_limit, left, tried }
    }

    /// Returns the next credential for the server at `url`, of one of the kinds `allowed`.
    pub(super) fn next(&mut self, url: &str, allowed: CredentialType) -> Result<Cred, git2::Error> {
        if !self.address.is_origin_of(url) {
            return Err(refusal("credentials are sent to the remote's own address only"));
        }
        if allowed == CredentialType::USERNAME {
            return Cred::username(self.ssh_user());
        }
        while let Some(offer) = self.left.pop() {
            if let Some(credential) = self.make(offer, url, allowed) {
                return credential;
            }
        }
        Err(refusal("the server accepted none of the credentials"))
    }

    /// Creates a credential; none if its source has none of these kinds.
    fn make(&self, offer: CredentialOffer, url: &str, allowed: CredentialType) -> Option<Result<Cred, git2::Error>> {
        let plain = allowed.contains(CredentialType::USER_PASS_PLAINTEXT) && !self.address.is_ssh();
        let key = allowed.contains(CredentialType::SSH_KEY);
        let user = self.sources.username.as_deref().or(self.address.user()).unwrap_or(TOKEN_USER);
        let passphrase = self.sources.ssh_passphrase.as_ref().map(Secret::reveal);
        match offer {
            CredentialOffer::Token if plain => {
                self.note("`PINSTREAM_GIT_TOKEN`");
                Some(Cred::userpass_plaintext(user, self.sources.token.as_ref()?.reveal()))
            }
            CredentialOffer::AddressPassword if plain => {
                self.note("the password of the address");
                Some(Cred::userpass_plaintext(self.address.user()?, self.address.password()?.reveal()))
            }
            CredentialOffer::Helper if plain => {
                let (user, password) = self.run_helper(url)?;
                self.note("Git's credential helper");
                Some(Cred::userpass_plaintext(&user, &password))
            }
            CredentialOffer::SshKey if key => {
                self.note("the key of `PINSTREAM_GIT_SSH_KEY`");
                Some(Cred::ssh_key(self.ssh_user(), None, self.sources.ssh_key.as_ref()?, passphrase))
            }
            CredentialOffer::SshAgent if key => {
                self.note("the SSH agent");
                Some(Cred::ssh_key_from_agent(self.ssh_user()))
            }
            _ => None,
        }
    }

    fn note(&self, source: &'static str) {
        self.tried.lock().unwrap_or_else(PoisonError::into_inner).push(source);
    }

    fn ssh_user(&self) -> &str {
        self.address.user().unwrap_or(SSH_USER)
    }

    /// Runs the credential helpers of the user's Git configuration, within the time limit.
    fn run_helper(&self, url: &str) -> Option<(String, String)> {
        let mut helper = git2::CredentialHelper::new(url);
        helper.config(self.config.as_ref()?);
        helper.username(self.sources.username.as_deref().or(self.address.user()));
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            // The receiver is gone after the time limit.
            let _ = sender.send(helper.execute());
        });
        receiver.recv_timeout(self.time_limit).ok().flatten()
    }
}

fn refusal(message: &str) -> git2::Error {
    git2::Error::new(ErrorCode::Auth, ErrorClass::Callback, message)
}
