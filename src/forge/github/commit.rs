//! Commits that GitHub makes and signs: it shows them as verified where no key of ours is known there.
//!
//! Source: `/repos/{owner}/{repo}/git/trees` and `/git/commits` of GitHub's OpenAPI description. It signs what the token
//! of an app asks for, as that of Actions, if no author is named ("About commit signature verification").

use serde_json::json;

use super::GitHub;
use crate::forge::ForgeError;
use crate::forge::send::{ApiCall, ApiClient};
use crate::git::{CommitId, SignedByForge, StagedCommit};

impl GitHub {
    pub(crate) async fn commit(
        &self,
        line: &ApiClient,
        parent: &CommitId,
        message: &str,
        staged: &StagedCommit,
    ) -> Result<SignedByForge, ForgeError> {
        let entry = |(path, (mode, bytes)): (&String, &(u32, Vec<u8>))| {
            let content = String::from_utf8_lossy(bytes);
            json!({"path": path, "mode": format!("{mode:06o}"), "type": "blob", "content": content})
        };
        let entries: Vec<_> = staged.files.iter().map(entry).collect();
        let body = json!({"base_tree": staged.base, "tree": entries});
        // Both say what is to be there, and leave what nothing names to be forgotten.
        let tree = line.take(ApiCall::set(reqwest::Method::POST, self.url(line, &["git", "trees"]), &body)).await?;
        if tree["sha"] != staged.tree.as_str() {
            return Err(line.unreadable(&format!("the tree {}", staged.tree)));
        }
        let body = json!({"message": message, "tree": staged.tree, "parents": [parent.0]});
        let made = line.take(ApiCall::set(reqwest::Method::POST, self.url(line, &["git", "commits"]), &body)).await?;
        let verification = &made["verification"];
        let text = |key: &str| verification[key].as_str().map(str::to_owned);
        let (Some(id), Some(payload), Some(signature), true) =
            (made["sha"].as_str(), text("payload"), text("signature"), verification["verified"] == true)
        else {
            let reason = crate::text::escape::terminal(verification["reason"].as_str().unwrap_or("it gives no reason"));
            return Err(ForgeError::Unable {
                message: format!("GitHub did not sign the commit: {reason}"),
                help: "it signs for apps alone: use the `GITHUB_TOKEN` of Actions or a token of a GitHub App, or sign \
                       with a key"
                    .to_owned(),
            });
        };
        Ok(SignedByForge { id: id.to_owned(), payload, signature })
    }
}
