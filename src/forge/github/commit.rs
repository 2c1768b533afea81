//! Commits that GitHub creates and signs, and therefore shows as verified.
//!
//! Source: `/repos/{owner}/{repo}/git/trees` and `/git/commits` of GitHub's OpenAPI description. GitHub signs commits
//! that an app such as Actions requests without naming an author ("About commit signature verification").

use reqwest::Method;
use serde_json::json;

use super::GitHub;
use crate::forge::error::{ForgeError, ForgeResult};
use crate::forge::send::ApiCall;
use crate::git::{CommitId, SignedByForge, StagedCommit};
use crate::text::escape;

impl GitHub {
    pub(crate) async fn commit(
        &self,
        parent: &CommitId,
        message: &str,
        staged: &StagedCommit,
    ) -> ForgeResult<SignedByForge> {
        let entry = |(path, (mode, bytes)): (&String, &(u32, Vec<u8>))| {
            let content = String::from_utf8_lossy(bytes);
            json!({"path": path, "mode": format!("{mode:06o}"), "type": "blob", "content": content})
        };
        let entries: Vec<_> = staged.files.iter().map(entry).collect();
        let body = json!({"base_tree": staged.base, "tree": entries});
        // Both requests can be retried: they only add objects, which GitHub deletes if no branch refers to them.
        let tree = self.api.take(ApiCall::set(Method::POST, self.api.url(&["git", "trees"], &[]), &body)).await?;
        if tree["sha"] != staged.tree.as_str() {
            return Err(self.api.unreadable(&format!("the tree {}", staged.tree)));
        }
        let body = json!({"message": message, "tree": staged.tree, "parents": [parent.0]});
        let commit = self.api.take(ApiCall::set(Method::POST, self.api.url(&["git", "commits"], &[]), &body)).await?;
        let verification = &commit["verification"];
        let text = |key: &str| verification[key].as_str().map(str::to_owned);
        let (Some(id), Some(payload), Some(signature), true) =
            (commit["sha"].as_str(), text("payload"), text("signature"), verification["verified"] == true)
        else {
            let reason = escape::terminal(verification["reason"].as_str().unwrap_or("no reason given"));
            return Err(ForgeError::Unable {
                message: format!("GitHub did not sign the commit: {reason}"),
                help:
                    "use the `GITHUB_TOKEN` of Actions or the token of a GitHub App, for which alone GitHub signs; or \
                       sign with a key"
                        .to_owned(),
            });
        };
        Ok(SignedByForge { id: id.to_owned(), payload, signature })
    }
}
