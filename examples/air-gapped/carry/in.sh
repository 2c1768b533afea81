#!/bin/sh
# carry/in.sh DIRECTORY MIRROR: copies the images that carry/out.sh wrote to DIRECTORY to the registry MIRROR, `host:port`,
# each below the name of its source registry, with `-` instead of `:` before a port. Digests do not change. Requires only
# `skopeo`, logged in to MIRROR.
set -eu
directory=$1 mirror=$2

while read -r repository digest tags; do
  copy="$directory/$(printf %s "$digest" | tr : -)"
  name="docker://$mirror/$(printf %s "$repository" | tr : -)"
  echo "$repository@$digest"
  skopeo copy --quiet --all --preserve-digests "dir:$copy" "$name@$digest" < /dev/null
  # Further tags of the same image.
  for tag in $tags; do
    skopeo copy --quiet --all --preserve-digests "dir:$copy" "$name:$tag" < /dev/null
  done
done < "$directory/images"
