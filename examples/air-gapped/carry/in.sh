#!/bin/sh
# carry/in.sh FOLDER MIRROR: copies what carry/out.sh put into FOLDER to the registry MIRROR, `host:port`, below the
# name of the registry that each comes from; a port of that stands behind `-`. No digest changes. It takes `skopeo`
# alone, logged in to MIRROR.
set -eu
folder=$1 mirror=$2

while read -r repository digest tags; do
  copy="$folder/$(printf %s "$digest" | tr : -)"
  name="docker://$mirror/$(printf %s "$repository" | tr : -)"
  echo "$repository@$digest"
  skopeo copy --quiet --all --preserve-digests "dir:$copy" "$name@$digest" < /dev/null
  # More names of the same bytes.
  for tag in $tags; do
    skopeo copy --quiet --all --preserve-digests "dir:$copy" "$name:$tag" < /dev/null
  done
done < "$folder/images"
