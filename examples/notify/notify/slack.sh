#!/bin/sh
# Sends a message to Slack through an incoming webhook. Its URL is a secret and therefore not passed on a command line.
# Slack's mrkdwn requires `&`, `<` and `>` as entities; nothing else is special between backquotes.
set -eu
jq -L notify 'include "moves";
  def entities: gsub("&"; "&amp;") | gsub("<"; "&lt;") | gsub(">"; "&gt;");
  def code: "`\(gsub("`"; "\u0027") | entities)`";
  { unfurl_links: false,
    text: message("\(.tag | code) \(.old | code) → \(.new | code) (\(.class))"
      + (if .compare then " <\(.compare | entities)|compare>" else "" end)
      + ([.warnings[] | "\n    :warning: \(code)"] | add // "")) }' > message.json
jq --null-input --raw-output '"url = \(env.SLACK_WEBHOOK_URL | tojson)"' |
  curl --config - --silent --show-error --fail-with-body --max-time 30 \
    --header 'Content-Type: application/json' --data-binary @message.json
