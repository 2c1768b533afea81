#!/bin/sh
# Comments on an issue or pull request on GitHub. Text in backquotes mentions nobody and is not markup. A retry may comment
# twice, with the same id in the invisible part of the comment.
# GitLab: POST $CI_API_V4_URL/projects/$CI_PROJECT_ID/issues/$ISSUE_NUMBER/notes with the header `PRIVATE-TOKEN: …`.
# Gitea, Forgejo: POST https://HOST/api/v1/repos/OWNER/NAME/issues/$ISSUE_NUMBER/comments with `Authorization: token …`.
# The body is the same for all three.
set -eu
jq -L notify 'include "moves";
  def code: "`\(gsub("`"; "\u0027"))`";
  { body: (message("- \(.tag | code) \(.old | code) → \(.new | code) (\(.class))"
      + (if .compare then " [compare](\(.compare))" else "" end)
      + ([.warnings[] | "\n  - ⚠ \(code)"] | add // "")) + "\n\n<!-- pinstream \(.id) -->") }' > message.json
printf 'Authorization: Bearer %s\n' "$GITHUB_TOKEN" |
  curl --silent --show-error --fail-with-body --max-time 30 \
    --header @- --header 'Accept: application/vnd.github+json' --header 'X-GitHub-Api-Version: 2022-11-28' \
    --header 'Content-Type: application/json' --data-binary @message.json \
    "${GITHUB_API_URL:-https://api.github.com}/repos/$GITHUB_REPOSITORY/issues/$ISSUE_NUMBER/comments"
