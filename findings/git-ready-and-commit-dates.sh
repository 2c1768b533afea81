#!/usr/bin/env bash
# git 2.47.3 (Debian 13): whether upload-pack reports `ready` for a commit depends on the dates of its descendants.
#
# gitprotocol-pack(5) says that a server may answer `ACK <commit> ready` once it knows enough common commits. git decides
# that everything wanted descends from what the client has, but its walk skips parents whose committer date is older than
# that of the client's commit. A branch of three commits above the client's one is `ready` if their dates grow, and is not
# if the clock of their authors was behind, although the ancestry is the same. A fetch merely sends more; a client that
# takes a missing `ready` for "not an ancestor" is wrong. The answer to `deepen` has no such limit: a client that names
# the commit as shallow gets `unshallow` for it in both cases.
# Observed: `ready` 1 and 0, `unshallow` 1 and 1.
set -euo pipefail

command -v git >/dev/null || { apt-get update -qq; apt-get install -y -qq git >/dev/null; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export HOME="$work" GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.com
export GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.com GIT_AUTHOR_DATE="2026-01-01T00:00:00Z"

commit() { GIT_COMMITTER_DATE="$1" git -C repo commit -q --allow-empty -m "$1"; }
git init -q -b main repo
commit 2026-01-01T00:00:00Z
commit 2026-02-01T00:00:00Z
have=$(git -C repo rev-parse HEAD)
for day in 02 03 04; do commit "2026-02-${day}T00:00:00Z"; done
later=$(git -C repo rev-parse HEAD)
git -C repo checkout -q -b behind "$have"
for day in 02 03 04; do commit "2026-01-${day}T00:00:00Z"; done
behind=$(git -C repo rev-parse HEAD)
for tip in "$later" "$behind"; do git -C repo merge-base --is-ancestor "$have" "$tip"; done

packet() { printf '%04x%s\n' $((${#1} + 5)) "$1"; }
ask() { # ask TIP LINE...: sends the lines up to the first flush, then a `have`, and prints the answer
    { packet "want $1 multi_ack_detailed"; packet "shallow $have"; shift
      for line in "$@"; do packet "$line"; done
      printf 0000; packet "have $have"; printf 0000; } | git upload-pack --stateless-rpc repo | tr -d '\0'
}
count() { { grep -o "$1" || true; } | wc -l; }

echo "git $(git --version | cut -d' ' -f3)"
found="$(ask "$later" | count "$have ready") $(ask "$behind" | count "$have ready")"
found="$found $(ask "$later" 'deepen 1000' | count "unshallow $have") $(ask "$behind" 'deepen 1000' | count "unshallow $have")"
echo "ready: later dates, earlier dates; unshallow: the same: $found"
[ "$found" = "1 0 1 1" ]
