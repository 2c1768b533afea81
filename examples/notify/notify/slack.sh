#!/bin/sh
# Sends a Slack message through an incoming webhook. Its URL is secret, so it is never passed on a command line.
# In Slack's mrkdwn `&`, `<` and `>` are written as entities; between backquotes nothing else has a meaning.
set -eu
jq -L notify 'include "changes";
  def entities: gsub("&"; "&amp;") | gsub("<"; "&lt;") | gsub(">"; "&gt;");
  def code: "`\(gsub("`"; "\u0027") | entities)`";
  { unfurl_links: false,
    text: message("\(.tag | code) \(.old | code) → \(.new | code) (\(.class))"
      + (if .compare then " <\(.compare | entities)|compare>" else "" end)
      + ([.warnings[] | "\n    :warning: \(code)"] | add // "")) }' > message.json
jq --null-input --raw-output '"url = \(env.SLACK_WEBHOOK_URL | tojson)"' |
  curl --config - --silent --show-error --fail-with-body --max-time 30 \
    --header 'Content-Type: application/json' --data-binary @message.json
