#!/bin/sh
# Sends a message to a Matrix room. The event id is the transaction id, so that a retry sends no second message.
# MATRIX_URL is the server, e.g. https://matrix.example.org; MATRIX_ROOM is the room id, e.g. !abc:example.org.
set -eu
jq -L notify 'include "moves";
  def code: "<code>\(@html)</code>";
  { msgtype: "m.notice",
    # Never notify anyone, whatever the text contains.
    "m.mentions": {},
    body: message("\(.tag) \(.old) → \(.new) (\(.class))"
      + (if .compare then " \(.compare)" else "" end)
      + ([.warnings[] | "\n  ! \(.)"] | add // "")),
    format: "org.matrix.custom.html",
    formatted_body: (message("\(.tag | code) \(.old | code) → \(.new | code) (\(.class))"
      + (if .compare then " <a href=\"\(.compare | @html)\">compare</a>" else "" end)
      + ([.warnings[] | "\n⚠ \(code)"] | add // "")) | gsub("\n"; "<br>")) }' > message.json
room=$(printf %s "$MATRIX_ROOM" | jq --raw-input --raw-output @uri)
printf 'Authorization: Bearer %s\n' "$MATRIX_TOKEN" |
  curl --silent --show-error --fail-with-body --max-time 30 \
    --request PUT --header @- --header 'Content-Type: application/json' --data-binary @message.json \
    "$MATRIX_URL/_matrix/client/v3/rooms/$room/send/m.room.message/$PINSTREAM_EVENT_ID"
