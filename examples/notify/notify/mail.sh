#!/bin/sh
# Sends a mail with curl, because most CI images have no mail server. SMTP_URL is e.g. smtps://mail.example.org or
# smtp://mail.example.org:587, which must offer STARTTLS unless it is this machine. MAIL_FROM and MAIL_TO are one address
# each. A retry has the same Message-ID. Headers contain no text from images, and the body is base64.
set -eu
jq -L notify --raw-output 'include "moves";
  def header: gsub("[[:cntrl:]]"; "");
  message("\(.tag)  \(.old) → \(.new)  (\(.class))"
    + (if .compare then "\n  \(.compare)" else "" end)
    + ([.warnings[] | "\n  ! \(.)"] | add // "")) as $text
  | (.moves[0] | "\(.stream):\(.tag)") as $first
  | ( "From: \(env.MAIL_FROM | header)",
      "To: \(env.MAIL_TO | header)",
      "Subject: pinstream: \($first)\(if .moves[1:] == [] then "" else " and \(.moves[1:] | length) more" end)",
      "Date: \(now | strftime("%a, %d %b %Y %H:%M:%S +0000"))",
      "Message-ID: <\(.id)@\(env.MAIL_FROM | header | sub("^.*@"; ""))>",
      "Auto-Submitted: auto-generated",
      "MIME-Version: 1.0",
      "Content-Type: text/plain; charset=utf-8",
      "Content-Transfer-Encoding: base64",
      "",
      ("\($text)\n" | @base64 | match(".{1,76}"; "g").string) )
  | "\(.)\r"' > message.eml
case $SMTP_URL in smtp://localhost | smtp://localhost[:/]* | smtp://127.0.0.1[:/]*) tls= ;; *) tls=--ssl-reqd ;; esac
jq --null-input --raw-output 'env | select(.SMTP_USER) | "user = \("\(.SMTP_USER):\(.SMTP_PASSWORD)" | tojson)"' |
  curl --config - --silent --show-error --max-time 30 $tls \
    --mail-from "$MAIL_FROM" --mail-rcpt "$MAIL_TO" --upload-file message.eml "$SMTP_URL"
