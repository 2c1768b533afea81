//! A fake forge: keeps proposals, answers over HTTP in the dialect of each of the five forges, and checks every
//! request and answer against the published API description.
//!
//! Things that people do there, such as merging and closing, are methods. The repository is a bare one that another
//! server serves.

mod azure;
mod bitbucket;
pub(crate) mod contract;
mod gitea;
mod github;
mod gitlab;
mod graphql;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use super::canary;
use super::encoding::base64;
use super::registry::http::{Answer, Body, Request, Server};
use super::remote::{git_in, run};
use contract::{Contract, Operation};

/// The token that every forge here accepts: a secret that tests search for in all output.
pub(crate) const TOKEN: &str = canary::CANARY;

/// The five forges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    GitHub,
    GitLab,
    Gitea,
    Bitbucket,
    Azure,
}

impl Kind {
    pub(crate) const ALL: [Self; 5] = [Self::GitHub, Self::GitLab, Self::Gitea, Self::Bitbucket, Self::Azure];

    /// Settings table under `[publish]` for this forge's repository.
    pub(crate) fn table(self) -> &'static str {
        match self {
            Self::GitHub => "[publish.github]\nrepository = \"acme/deploy\"\n",
            Self::GitLab => "[publish.gitlab]\nrepository = \"acme/deploy\"\n",
            Self::Gitea => "[publish.gitea]\nrepository = \"acme/deploy\"\nurl = \"FORGE\"\n",
            Self::Bitbucket => "[publish.bitbucket]\nrepository = \"acme/deploy\"\n",
            Self::Azure => "[publish.azure]\nrepository = \"acme/platform/deploy\"\n",
        }
    }

    fn contract(self) -> Contract {
        Contract::new(match self {
            Self::GitHub => include_str!("forge/contract/github.json"),
            Self::GitLab => include_str!("forge/contract/gitlab.json"),
            Self::Gitea => include_str!("forge/contract/gitea.json"),
            Self::Bitbucket => include_str!("forge/contract/bitbucket.json"),
            Self::Azure => include_str!("forge/contract/azure.json"),
        })
    }

    /// Prefix of the paths in the API description.
    fn prefix(self) -> &'static str {
        match self {
            Self::GitHub => "/api/v3",
            Self::GitLab => "/api/v4",
            Self::Gitea => "/api/v1",
            Self::Bitbucket => "/2.0",
            Self::Azure => "",
        }
    }

    fn authorization(self) -> String {
        match self {
            Self::Gitea => format!("token {TOKEN}"),
            Self::Azure => format!("Basic {}", base64(format!(":{TOKEN}"))),
            _ => format!("Bearer {TOKEN}"),
        }
    }

    /// A reviewer whom the forge does not know.
    pub(crate) fn unknown_reviewer(self) -> &'static str {
        match self {
            Self::GitHub | Self::GitLab | Self::Gitea => "nobody",
            Self::Bitbucket => "{00000000-0000-0000-0000-000000000000}",
            Self::Azure => "00000000-0000-0000-0000-000000000000",
        }
    }

    /// Name of the operation that creates a proposal.
    fn creation(self) -> &'static str {
        match self {
            Self::GitHub => "pulls/create",
            Self::GitLab => "MergeRequests/create",
            Self::Gitea => "repoCreatePullRequest",
            Self::Bitbucket => "createPullRequest",
            Self::Azure => "Pull Requests/Create",
        }
    }
}

/// A fault that happens once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Creates the next proposal, but never answers.
    LoseAnswer,
    /// Does not create the next proposal, and never answers.
    LoseRequest,
    /// Answers the next request with this status.
    Status(u16, String),
    /// Answers the next creation with this, and creates nothing.
    Refuse(u16, String),
}

/// Requests that the forge refuses.
struct Refusal {
    /// Part of the names of the operations.
    of: &'static str,
    status: u16,
    is_once: bool,
}

/// Answer to a request to enable auto-merge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum AutoMerge {
    #[default]
    Enabled,
    /// The proposal is not checked yet.
    NotYet,
    /// There is nothing to wait for; a merge is accepted.
    Clean,
    /// There is nothing to wait for; a merge is refused.
    CleanRefused,
}

/// A proposal as the forge stores it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pull {
    pub(crate) number: u64,
    pub(crate) branch: String,
    pub(crate) base: String,
    pub(crate) title: String,
    pub(crate) body: String,
    pub(crate) state: PullState,
    pub(crate) is_draft: bool,
    pub(crate) labels: Vec<String>,
    pub(crate) reviewers: Vec<String>,
    pub(crate) auto_merge: bool,
    pub(crate) comments: Vec<String>,
    /// Reviewers who have reviewed.
    pub(crate) reviewed: Vec<String>,
    /// Hours after which a bot closed it.
    expired_after: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PullState {
    Open,
    Merged,
    Closed,
}

/// State of the forge.
pub(crate) struct State {
    repo: PathBuf,
    pub(crate) pulls: Vec<Pull>,
    /// Operations in the order in which they were requested.
    calls: Vec<String>,
    /// Deviations from the published description.
    wrong: Vec<String>,
    fault: Option<Fault>,
    auto_merge: AutoMerge,
    refusal: Option<Refusal>,
    /// Set if the forge signs the commits that it creates.
    signs: bool,
}

/// A running forge. Dropping it stops it, and fails the test if anything deviated from the published description.
pub(crate) struct FakeForge {
    pub(crate) kind: Kind,
    server: Server,
    state: Arc<Mutex<State>>,
}

impl FakeForge {
    /// Starts a forge for the repository at `repo`, without proposals.
    pub(crate) fn start(kind: Kind, repo: &Path) -> Self {
        let state = State {
            signs: true,
            repo: repo.to_owned(),
            pulls: Vec::new(),
            calls: Vec::new(),
            wrong: Vec::new(),
            fault: None,
            auto_merge: AutoMerge::default(),
            refusal: None,
        };
        let state = Arc::new(Mutex::new(state));
        let (shared, contract) = (Arc::clone(&state), kind.contract());
        let handler = move |request: &Request| answer(kind, &contract, &mut lock(&shared), request);
        Self { kind, server: Server::start(None, Arc::new(handler)), state }
    }

    /// Base URL of the forge.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.server.host())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    pub(crate) fn pulls(&self) -> Vec<Pull> {
        self.state().pulls.clone()
    }

    /// Lists the open proposals.
    pub(crate) fn open(&self) -> Vec<Pull> {
        self.pulls().into_iter().filter(|pull| pull.state == PullState::Open).collect()
    }

    /// Returns the operations requested since the last call.
    pub(crate) fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.state().calls)
    }

    /// Treats the token as a person's: the forge does not sign what it creates.
    pub(crate) fn never_signs(&self) {
        self.state().signs = false;
    }

    pub(crate) fn fail(&self, fault: Fault) {
        self.state().fault = Some(fault);
    }

    /// Refuses all operations of a kind: `merge`, `comment`, `lookup` (of users or labels) or `update`.
    pub(crate) fn refuse(&self, of: &'static str, status: u16) {
        self.state().refusal = Some(Refusal { of, status, is_once: false });
    }

    /// Refuses the next operation of a kind.
    pub(crate) fn refuse_once(&self, of: &'static str, status: u16) {
        self.state().refusal = Some(Refusal { of, status, is_once: true });
    }

    pub(crate) fn answer_auto_merge(&self, answer: AutoMerge) {
        self.state().auto_merge = answer;
    }

    /// Has the requested people and teams review a proposal.
    pub(crate) fn review(&self, number: u64) {
        let mut state = self.state();
        let pull = state.pull(number);
        pull.reviewed.clone_from(&pull.reviewers);
    }

    /// Removes labels, reviewers and auto-merge of a proposal, as a person would.
    pub(crate) fn clear_options(&self, number: u64) {
        let mut state = self.state();
        let pull = state.pull(number);
        (pull.labels, pull.reviewers, pull.auto_merge) = (Vec::new(), Vec::new(), false);
    }

    /// Closes a proposal that was open for some hours, as a bot would.
    pub(crate) fn expire(&self, number: u64, hours: u64) {
        let mut state = self.state();
        let pull = state.pull(number);
        (pull.state, pull.expired_after) = (PullState::Closed, Some(hours));
    }

    /// Closes a proposal, as a person would.
    pub(crate) fn close(&self, number: u64) {
        self.state().pull(number).state = PullState::Closed;
    }

    /// Merges a proposal as a person would, squashed into one commit, and deletes its branch.
    pub(crate) fn merge(&self, number: u64) {
        self.state().merge(number);
    }
}

impl Drop for FakeForge {
    fn drop(&mut self) {
        let wrong = std::mem::take(&mut self.state().wrong);
        if !std::thread::panicking() {
            assert!(wrong.is_empty(), "violations of the API description: {wrong:#?}");
            canary::absent("what a forge was told", format!("{:?}", self.pulls()).as_bytes());
        }
    }
}

impl State {
    pub(crate) fn pull(&mut self, number: u64) -> &mut Pull {
        self.pulls.iter_mut().find(|pull| pull.number == number).unwrap()
    }

    /// Returns the status of an operation that is refused.
    fn refused(&mut self, name: &str, body: &Value) -> Option<u16> {
        let is_of = |kind: &str| match kind {
            "merge" => {
                let is_graphql = body["query"].as_str().is_some_and(|query| query.contains("autoMerge:"));
                ["MergeRequests/merge", "repoMergePullRequest"].contains(&name)
                    || is_graphql
                    || body["autoCompleteSetBy"].is_object()
            }
            "lookup" => ["Users/all", "issueListLabels"].contains(&name),
            "comment" => ["omment", "Notes", "Threads"].iter().any(|word| name.contains(word)),
            _ => ["update", "edit", "Edit", "Update"].iter().any(|word| name.contains(word)),
        };
        let refusal = self.refusal.as_ref().filter(|refusal| is_of(refusal.of))?;
        let status = refusal.status;
        if refusal.is_once {
            self.refusal = None;
        }
        Some(status)
    }

    fn merge(&mut self, number: u64) {
        let repo = self.repo.clone();
        let pull = self.pull(number);
        pull.state = PullState::Merged;
        let git = |args: &[&str]| String::from_utf8(run(git_in(&repo).args(args), b"")).unwrap().trim().to_owned();
        let tree = git(&["merge-tree", "--write-tree", &pull.base, &pull.branch]);
        let message = format!("{} (#{number})", pull.title);
        let commit = git(&["commit-tree", &tree, "-p", &pull.base, "-m", &message]);
        git(&["update-ref", &format!("refs/heads/{}", pull.base), &commit]);
        git(&["update-ref", "-d", &format!("refs/heads/{}", pull.branch)]);
    }

    /// Enables auto-merge of a proposal at `head`; returns why not.
    fn enable_auto_merge(&mut self, number: &str, head: &str) -> Option<&'static str> {
        let answer = self.auto_merge;
        let branch = self.of(number).map(|pull| pull.branch.clone())?;
        if self.tip(&branch).as_deref() != Some(head) {
            return Some("SHA does not match HEAD of source branch");
        }
        self.of(number)?.auto_merge = answer == AutoMerge::Enabled;
        (answer != AutoMerge::Enabled).then_some("405 Method Not Allowed")
    }

    /// Finds the proposal whose number is in the path.
    fn of(&mut self, number: &str) -> Option<&mut Pull> {
        self.pulls.iter_mut().find(|pull| pull.number.to_string() == number)
    }

    /// Creates a proposal; `None` if one is already open.
    fn open(&mut self, branch: &str, base: &str, title: &str, body: &str) -> Option<&mut Pull> {
        let is_same = |pull: &Pull| pull.branch == branch && pull.base == base && pull.state == PullState::Open;
        if self.pulls.iter().any(is_same) {
            return None;
        }
        self.pulls.push(Pull {
            number: self.pulls.len() as u64 + 1,
            branch: branch.to_owned(),
            base: base.to_owned(),
            title: title.to_owned(),
            body: body.to_owned(),
            state: PullState::Open,
            is_draft: false,
            labels: Vec::new(),
            reviewers: Vec::new(),
            auto_merge: false,
            comments: Vec::new(),
            reviewed: Vec::new(),
            expired_after: None,
        });
        self.pulls.last_mut()
    }

    /// Returns the commit at the tip of a branch.
    fn tip(&self, branch: &str) -> Option<String> {
        let output = git_in(&self.repo).args(["rev-parse", "--verify", "-q", branch]).output().unwrap();
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap().trim().to_owned())
    }
}

impl Pull {
    /// Returns the times at which it was opened and closed.
    fn times(&self) -> [String; 2] {
        let hours = self.expired_after.unwrap_or(48);
        let time = |hours: u64| format!("2026-11-{:02}T{:02}:00:00Z", 1 + hours / 24, hours % 24);
        [time(0), time(hours)]
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Status, and the relevant part of an answer.
type Part = (u16, Value);

fn answer(kind: Kind, contract: &Contract, state: &mut State, request: &Request) -> Answer {
    let json = |status: u16, body: &Value| {
        Answer::new(status).header("content-type", "application/json").body(body.to_string())
    };
    if request.header("authorization") != Some(&kind.authorization()) {
        return json(401, &serde_json::json!({"message": "Bad credentials"}));
    }
    let said = |status: u16, text: &str| Answer::new(status).header("content-type", "application/json").body(text);
    if let Some(Fault::Status(status, text)) = state.fault.clone() {
        state.fault = None;
        return said(status, &text);
    }
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    if kind == Kind::GitHub && request.path() == "/api/graphql" {
        state.calls.push("graphql".to_owned());
        if let Some(status) = state.refused("graphql", &body) {
            return json(status, &serde_json::json!({"message": "no"}));
        }
        return json(200, &github::graphql(state, &body));
    }
    let path = request.path().strip_prefix(kind.prefix());
    let Some(operation) = path.and_then(|path| contract.find(&request.method, path)) else {
        state.wrong.push(format!("no such operation: {} {}", request.method, request.target));
        return json(404, &Value::Null);
    };
    state.calls.push(operation.name.to_owned());
    state.wrong.extend(contract.asked(&operation, request, &body));
    if let Some(status) = state.refused(operation.name, &body) {
        return json(status, &serde_json::json!({"message": "no"}));
    }
    let fault = if operation.name == kind.creation() { state.fault.take() } else { None };
    match &fault {
        Some(Fault::LoseRequest) => return Answer::new(200).sent(Body::Hangup),
        Some(Fault::Refuse(status, text)) => return said(*status, text),
        _ => {}
    }
    let (status, part) = act(kind, state, &operation, request, &body);
    let (whole, wrong) = contract.answered(&operation, status, &part);
    state.wrong.extend(wrong);
    if fault.is_some() { Answer::new(200).sent(Body::Hangup) } else { json(status, &whole) }
}

fn act(kind: Kind, state: &mut State, operation: &Operation<'_>, request: &Request, body: &Value) -> Part {
    match kind {
        Kind::GitHub => github::act(state, operation, body),
        Kind::GitLab => gitlab::act(state, operation, request, body),
        Kind::Gitea => gitea::act(state, operation, request, body),
        Kind::Bitbucket => bitbucket::act(state, operation, request, body),
        Kind::Azure => azure::act(state, operation, request, body),
    }
}

/// Reads a string from a request body.
fn text<'a>(body: &'a Value, key: &str) -> &'a str {
    body[key].as_str().unwrap_or_default()
}

/// Returns one page of the items; the query has its number, from 1, and its size.
fn page<T: Clone>(items: &[T], request: &Request, size: &str) -> Vec<T> {
    let number = |key: &str, other: usize| request.query(key).first().map_or(other, |text| text.parse().unwrap());
    let (page, size) = (number("page", 1), number(size, 30));
    items.iter().skip((page - 1) * size).take(size).cloned().collect()
}
