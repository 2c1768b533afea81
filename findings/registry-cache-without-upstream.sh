#!/usr/bin/env bash
# docker-registry 2.8.2 (Debian 13) as pull-through cache: while its upstream is down, it answers with a part of the truth.
#
# The list of tags has status 200 and contains only the tags that were pulled through the cache before. A tag that was not
# is 404 MANIFEST_UNKNOWN to HEAD and GET, exactly like a tag that does not exist, although the upstream has it. A manifest
# by digest that exists nowhere is 500 UNKNOWN with and without the upstream. Only a blob tells the two apart: one that exists
# nowhere is 404 BLOB_UNKNOWN with the upstream and 500 without it. A client that removes what the list lacks, or believes the
# 404 of a tag, removes tags that exist.
# Observed: list {"name":"app","tags":["one"]}; "two" 404; digest 500; blob 500. After the restart of the upstream the list
# has both tags, "two" is 200, the digest is 500 as before, and the blob is 404.
set -euo pipefail

for program in curl docker-registry python3; do
    command -v "$program" >/dev/null || { apt-get update -qq; apt-get install -y -qq curl docker-registry python3 >/dev/null; }
done
work=$(mktemp -d)
upstream=
cache=
trap 'for process in $upstream $cache; do kill "$process" 2>/dev/null || true; done; rm -rf "$work"' EXIT
cd "$work"
export OTEL_TRACES_EXPORTER=none

free_port() { # a port that nothing listens on
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}
ready() { # ready PORT
    curl -fsS --retry 30 --retry-delay 1 --retry-all-errors -o /dev/null "http://127.0.0.1:$1/v2/" 2>/dev/null
}
config() { # config NAME PORT: the configuration of a registry
    printf 'version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: %s\nhttp:\n  addr: 127.0.0.1:%s\n' \
        "$work/$1" "$2"
}
start_upstream() {
    docker-registry serve upstream.yml >upstream.log 2>&1 &
    upstream=$!
    ready "$up"
}
status() { # status METHOD REFERENCE: the status of a manifest in the cache
    local head=()
    [ "$1" = HEAD ] && head=(--head)
    curl -sS -o /dev/null -w '%{http_code}' "${head[@]}" -H 'Accept: application/vnd.oci.image.manifest.v1+json' \
        "http://127.0.0.1:$port/v2/app/manifests/$2"
}
blob() { # the status of a blob that exists nowhere
    curl -sS -o /dev/null -w '%{http_code}' "http://127.0.0.1:$port/v2/app/blobs/$none"
}
expect() { # expect WHAT ACTUAL EXPECTED
    echo "$1: $2"
    [ "$2" = "$3" ] || { echo "expected: $3" >&2; exit 1; }
}

none=sha256:$(printf '0%.0s' $(seq 64))
up=$(free_port)
port=$(free_port)
config upstream "$up" >upstream.yml
{ config cache "$port"; printf 'proxy:\n  remoteurl: http://127.0.0.1:%s\n' "$up"; } >cache.yml
start_upstream

# An image without layers, with two tags.
printf '{}' >config.json
digest=sha256:$(sha256sum config.json | cut -d' ' -f1)
location=$(curl -fsS -X POST -D - -o /dev/null "http://127.0.0.1:$up/v2/app/blobs/uploads/" |
    tr -d '\r' | sed -n 's/^[Ll]ocation: //p')
curl -fsS -X PUT --data-binary @config.json -H 'Content-Type: application/octet-stream' "$location&digest=$digest"
for tag in one two; do
    printf '{"schemaVersion":2,"mediaType":"%s.manifest.v1+json","config":{"mediaType":"%s.config.v1+json","size":2,"digest":"%s"},"layers":[],"annotations":{"tag":"%s"}}' \
        application/vnd.oci.image application/vnd.oci.image "$digest" "$tag" |
        curl -fsS -X PUT -H 'Content-Type: application/vnd.oci.image.manifest.v1+json' --data-binary @- \
            "http://127.0.0.1:$up/v2/app/manifests/$tag"
done

docker-registry serve cache.yml >cache.log 2>&1 &
cache=$!
ready "$port"
expect "pulled through the cache" "$(status GET one)" 200
# The cache writes its copy after it has answered.
for _ in $(seq 100); do
    [ -e "$work/cache/docker/registry/v2/repositories/app/_manifests/tags/one" ] && break
    sleep 0.1
done

kill "$upstream"
wait "$upstream" 2>/dev/null || true
expect "list without upstream" "$(curl -sS "http://127.0.0.1:$port/v2/app/tags/list")" '{"name":"app","tags":["one"]}'
expect "HEAD of a tag that only the upstream has" "$(status HEAD two)" 404
expect "GET of a tag that only the upstream has" "$(status GET two)" 404
expect "GET of a tag that does not exist" "$(status GET three)" 404
expect "GET of a digest that does not exist" "$(status GET "$none")" 500
expect "GET of a blob that does not exist" "$(blob)" 500

start_upstream
expect "list with upstream" "$(curl -sS "http://127.0.0.1:$port/v2/app/tags/list")" '{"name":"app","tags":["one","two"]}'
expect "GET of the digest that does not exist" "$(status GET "$none")" 500
expect "GET of the blob that does not exist" "$(blob)" 404
expect "HEAD of the other tag" "$(status HEAD two)" 200
echo "as observed"
