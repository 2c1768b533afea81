#!/bin/sh
# Gets all moves as JSON on its standard input; see `PINSTREAM_…` for the rest.
set -eu
. ./scripts/lib.sh
say "rolling out to $1: commit $PINSTREAM_COMMIT"
