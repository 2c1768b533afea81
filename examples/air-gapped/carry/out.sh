#!/bin/sh
# carry/out.sh FOLDER: copies what each tag is pinned to into FOLDER, bytes and all platforms as they are, once for each
# digest. What is there already is not copied again. It takes `pinstream`, `jq` and `skopeo`, logged in where need be.
set -eu
folder=$1
mkdir -p "$folder"

# A line has repository, digest, and the tags that serve it: a follower has none of its own. Of one platform's image the
# index that it is in is copied, which is what its tag serves.
pinstream list --format json > "$folder/list.json"
jq --raw-output '
  [ .tags[] | select(.reference)
    | (.reference | capture("^(?<repository>.*?)(:(?<tag>[^:/@]+))?@(?<digest>.*)$"))
      + { index, serves: (.index or ((.follow or .platform) | not)) } ]
  | (map(select(.index) | { ("\(.repository)@\(.digest)"): .index }) | add // {}) as $indexes
  | map(.digest = ($indexes["\(.repository)@\(.digest)"] // .digest))
  | group_by([.repository, .digest])[]
  | ([.[] | select(.serves) | .tag | values] | unique) as $tags
  | [.[0].repository, .[0].digest] + $tags | join(" ")' "$folder/list.json" > "$folder/images"

while read -r repository digest tags; do
  copy="$folder/$(printf %s "$digest" | tr : -)"
  [ -e "$copy/done" ] && continue
  echo "$repository@$digest"
  rm -rf "$copy"
  skopeo copy --quiet --all --preserve-digests "docker://$repository@$digest" "dir:$copy" < /dev/null
  : > "$copy/done"
done < "$folder/images"
