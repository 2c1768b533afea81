//! Credentials for a Git remote: where they come from, and how often they are offered.
//!
//! Each source is offered once, to the origin of the remote's own address and to no other. A value here has no
//! `Debug`, `Display` or `Serialize`.

use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::mpsc;
use std::time::Duration;

use git2::{Cred, CredentialType, ErrorClass, ErrorCode};

use super::address::RemoteAddress;
use super::secret::GitSecret;
use super::sign::SigningKeySource;
use crate::system::environment;

/// Whom a token belongs to where nobody says: what GitHub documents, and what other forges take.
const TOKEN_USER: &str = "x-access-token";
/// Who logs in over SSH where nobody says.
const SSH_USER: &str = "git";

/// Where credentials come from, besides Git's credential helpers.
#[derive(Clone, Default)]
pub struct GitCredentialSources {
    /// A token or password for `https://`.
    pub token: Option<GitSecret>,
    /// Whom it belongs to.
    pub username: Option<String>,
    /// A private key for SSH.
    pub ssh_key: Option<PathBuf>,
    /// What opens it.
    pub ssh_passphrase: Option<GitSecret>,
    /// Whether an SSH agent is running.
    pub agent: bool,
    /// A PEM file of authorities to trust besides the machine's.
    pub authorities: Option<PathBuf>,
    /// The key that signs commits.
    pub signing: SigningKeySource,
}

impl GitCredentialSources {
    /// What the environment of the process says.
    pub fn from_environment() -> Self {
        Self {
            token: environment::var("PINSTREAM_GIT_TOKEN").map(GitSecret::new),
            username: environment::var("PINSTREAM_GIT_USERNAME"),
            ssh_key: environment::var("PINSTREAM_GIT_SSH_KEY").map(PathBuf::from),
            ssh_passphrase: environment::var("PINSTREAM_GIT_SSH_PASSPHRASE").map(GitSecret::new),
            agent: environment::var("SSH_AUTH_SOCK").is_some(),
            authorities: environment::var("GIT_SSL_CAINFO").map(PathBuf::from),
            signing: SigningKeySource::from_environment(),
        }
    }
}

impl GitCredentialSources {
    /// The same without a token, which is for one server alone and cannot say for which.
    #[must_use]
    pub fn without_token(self) -> Self {
        Self { token: None, username: None, ..self }
    }
}

/// What is offered to a server, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CredentialOffer {
    Token,
    AddressPassword,
    Helper,
    SshKey,
    SshAgent,
}

/// Answers the questions of one connection; libgit2 asks again for as long as it is given wrong answers.
pub(super) struct CredentialAsker {
    address: RemoteAddress,
    sources: GitCredentialSources,
    config: Option<git2::Config>,
    time_limit: Duration,
    left: Vec<CredentialOffer>,
    tried: Rc<RefCell<Vec<&'static str>>>,
}

impl CredentialAsker {
    /// For one connection to `address`; what it offers is written to `tried`.
    pub(super) fn new(
        address: &RemoteAddress,
        sources: &GitCredentialSources,
        config: Option<git2::Config>,
        time_limit: Duration,
        tried: &Rc<RefCell<Vec<&'static str>>>,
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
        let (address, sources, tried) = (address.clone(), sources.clone(), Rc::clone(tried));
        Self { address, sources, config, time_limit, left, tried }
    }

    /// The next credential for the server at `url` that takes `allowed`.
    pub(super) fn answer(&mut self, url: &str, allowed: CredentialType) -> Result<Cred, git2::Error> {
        if !self.address.is_origin_of(url) {
            return Err(refusal("credentials are only for the remote's own address"));
        }
        if allowed == CredentialType::USERNAME {
            return Cred::username(self.ssh_user());
        }
        while let Some(offer) = self.left.pop() {
            if let Some(credential) = self.make(offer, url, allowed) {
                return credential;
            }
        }
        Err(refusal("the server took none of the credentials"))
    }

    /// One credential; none where its source has nothing to offer.
    fn make(&self, offer: CredentialOffer, url: &str, allowed: CredentialType) -> Option<Result<Cred, git2::Error>> {
        let plain = allowed.contains(CredentialType::USER_PASS_PLAINTEXT) && !self.address.is_ssh();
        let key = allowed.contains(CredentialType::SSH_KEY);
        let user = self.sources.username.as_deref().or(self.address.user()).unwrap_or(TOKEN_USER);
        let passphrase = self.sources.ssh_passphrase.as_ref().map(GitSecret::reveal);
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
                let (user, password) = self.ask_helper(url)?;
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
        self.tried.borrow_mut().push(source);
    }

    fn ssh_user(&self) -> &str {
        self.address.user().unwrap_or(SSH_USER)
    }

    /// Asks the helpers of the user's Git configuration. They are programs and may hang, so they have a time limit.
    fn ask_helper(&self, url: &str) -> Option<(String, String)> {
        let mut helper = git2::CredentialHelper::new(url);
        helper.config(self.config.as_ref()?);
        helper.username(self.sources.username.as_deref().or(self.address.user()));
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            // Nobody listens any more where the time was up.
            let _ = sender.send(helper.execute());
        });
        receiver.recv_timeout(self.time_limit).ok().flatten()
    }
}

fn refusal(message: &str) -> git2::Error {
    git2::Error::new(ErrorCode::Auth, ErrorClass::Callback, message)
}
