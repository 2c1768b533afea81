#!/bin/sh
# carry/out.sh DIRECTORY: copies the pinned image of each tag to DIRECTORY, unmodified and with all platforms, once per
# digest. Existing copies are skipped. Requires `pinstream`, `jq` and `skopeo`, with logins to the registries.
set -eu
directory=$1
mkdir -p "$directory"

# Lines of repository, digest and the tags that serve the digest; followers have none. If a single platform is pinned, the
# index is copied, because that is what the tag serves.
pinstream list --format json > "$directory/list.json"
jq --raw-output '
  [ .tags[] | select(.reference)
    | (.reference | capture("^(?<repository>.*?)(:(?<tag>[^:/@]+))?@(?<digest>.*)$"))
      + { index, serves: (.index or ((.follow or .platform) | not)) } ]
  | (map(select(.index) | { ("\(.repository)@\(.digest)"): .index }) | add // {}) as $indexes
  | map(.digest = ($indexes["\(.repository)@\(.digest)"] // .digest))
  | group_by([.repository, .digest])[]
  | ([.[] | select(.serves) | .tag | values] | unique) as $tags
  | [.[0].repository, .[0].digest] + $tags | join(" ")' "$directory/list.json" > "$directory/images"

while read -r repository digest tags; do
  copy="$directory/$(printf %s "$digest" | tr : -)"
  [ -e "$copy/done" ] && continue
  echo "$repository@$digest"
  rm -rf "$copy"
  skopeo copy --quiet --all --preserve-digests "docker://$repository@$digest" "dir:$copy" < /dev/null
  : > "$copy/done"
done < "$directory/images"
