#!/usr/bin/env bash
# git 2.47.3 (Debian 13): a `reference-transaction` hook that aborts an update is reported differently by each transport.
#
# githooks(5) says that a non-zero exit in the state "prepared" aborts the transaction. With a path as remote, the pusher
# sees the hook's own message. With `git http-backend`, receive-pack dies before it reports: the response has status 200
# and an empty body, and the hook's message goes to the server's log only. A pusher over HTTP cannot tell this refusal from
# a lost connection; a rejection by `pre-receive` is reported over both. Observed: exit 128 over a path with "frozen by
# policy", exit 1 over HTTP without it.
set -euo pipefail

for program in git python3; do
    command -v "$program" >/dev/null || { apt-get update -qq; apt-get install -y -qq git python3 >/dev/null; }
done
work=$(mktemp -d)
server=
trap 'test -z "$server" || kill "$server"; rm -rf "$work"' EXIT
cd "$work"
export HOME="$work" GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.com
export GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.com

git init -q --bare -b main served/repo.git
git -C served/repo.git config http.receivepack true
git init -q -b main clone
git -C clone commit -q --allow-empty -m one

cat >serve.py <<'PYTHON'
"""Runs git-http-backend for each request, as a CGI server does, and prints its port."""
import http.server, os, subprocess, sys

class Handler(http.server.BaseHTTPRequestHandler):
    def run_backend(self):
        path, _, query = self.path.partition("?")
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        env = dict(os.environ, GIT_PROJECT_ROOT=sys.argv[1], GIT_HTTP_EXPORT_ALL="1", REQUEST_METHOD=self.command,
                   PATH_INFO=path, QUERY_STRING=query, CONTENT_TYPE=self.headers.get("Content-Type", ""),
                   CONTENT_LENGTH=str(len(body)), REMOTE_ADDR="127.0.0.1")
        done = subprocess.run(["git", "http-backend"], input=body, env=env, capture_output=True)
        with open("log", "ab") as log:
            log.write(done.stderr)
        head, _, rest = done.stdout.partition(b"\r\n\r\n")
        lines = [line.split(": ", 1) for line in head.decode().splitlines()]
        status = next((value for name, value in lines if name == "Status"), "200 OK")
        self.send_response(int(status.split()[0]))
        for name, value in lines:
            if name != "Status":
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        self.wfile.write(rest)
        with open("answers", "a") as answers:
            answers.write(f"{self.command} {path} {status} {len(rest)}\n")
    do_GET = do_POST = run_backend
    def log_message(self, *_):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
PYTHON
mkfifo port
python3 serve.py "$work/served" >port &
server=$!
read -r port <port
http="http://127.0.0.1:$port/repo.git"

push() {
    set +e
    git -C clone push -q "$1" main >"$2" 2>&1
    echo "$?" >"$2.exit"
    set -e
    cat "$2" "$2.exit"
}
hook() {
    rm -f served/repo.git/hooks/*
    printf '#!/bin/sh\n%s\n' "$2" >"served/repo.git/hooks/$1"
    chmod +x "served/repo.git/hooks/$1"
}
fail() {
    echo "changed: $*" >&2
    exit 1
}

git --version
echo "== pre-receive"
hook pre-receive 'echo frozen by policy >&2; exit 1'
push "$work/served/repo.git" a
push "$http" b
grep -q 'frozen by policy' a && grep -q 'frozen by policy' b || fail "pre-receive is not reported"

echo "== reference-transaction"
hook reference-transaction '[ "$1" = prepared ] || exit 0; echo frozen by policy >&2; exit 1'
push "$work/served/repo.git" c
push "$http" d
echo "== what the server answered"
cat answers
grep -q 'frozen by policy' c || fail "the path remote does not show the message"
! grep -q 'frozen by policy' d || fail "the message arrives over HTTP"
grep -q 'frozen by policy' log || fail "the message is not in the server's log"
tail -1 answers | grep -q 'receive-pack 200' || fail "the status is not 200"
[ -z "$(git -C served/repo.git for-each-ref)" ] || fail "the ref was created"
echo "as described"
