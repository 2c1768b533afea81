//! Commits that GitHub makes itself: for installations that show no other as verified.
//!
//! Source: the mutation `createCommitOnBranch` of GitHub's GraphQL schema. It adds to a branch that is there, if that
//! is where it is expected; the answer may be lost, and then the branch is not where it was expected any more.

use base64::Engine as _;
use serde_json::{Map, json};

use super::GitHub;
use super::graphql::failure;
use crate::forge::send::Line;
use crate::forge::{ForgeCommit, ForgeError};

const COMMIT: &str = "mutation($input: CreateCommitOnBranchInput!) { createCommitOnBranch(input: $input) { commit { oid \
                      } } }";

impl GitHub {
    pub(crate) async fn commit(&self, line: &Line, commit: &ForgeCommit) -> Result<String, ForgeError> {
        let ForgeCommit { branch, expected, files, message } = commit;
        let encode = |bytes: &Vec<u8>| base64::engine::general_purpose::STANDARD.encode(bytes);
        let additions = files.iter().filter_map(|(path, bytes)| Some((path, bytes.as_ref()?)));
        let additions: Vec<_> =
            additions.map(|(path, bytes)| json!({"path": path, "contents": encode(bytes)})).collect();
        let deletions = files.iter().filter(|(_, bytes)| bytes.is_none()).map(|(path, _)| json!({"path": path}));
        let deletions: Vec<_> = deletions.collect();
        let (headline, body) = message.split_once('\n').unwrap_or((message, ""));
        let input = json!({
            "branch": {"repositoryNameWithOwner": self.place(), "branchName": branch},
            "expectedHeadOid": expected,
            "fileChanges": {"additions": additions, "deletions": deletions},
            "message": {"headline": headline.trim(), "body": body.trim()},
        });
        let variables = Map::from_iter([("input".to_owned(), input)]);
        let answer = self.send(line, COMMIT, &variables, false).await?;
        if let Some(id) = answer["data"]["createCommitOnBranch"]["commit"]["oid"].as_str() {
            return Ok(id.to_owned());
        }
        let kinds = answer["errors"].as_array().into_iter().flatten().filter_map(|error| error["type"].as_str());
        if kinds.into_iter().any(|kind| kind == "STALE_DATA") {
            return Err(ForgeError::Moved { branch: branch.clone(), expected: expected.clone() });
        }
        Err(failure(line, &answer, &self.place()))
    }
}
