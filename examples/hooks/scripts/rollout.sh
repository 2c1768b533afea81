#!/bin/sh
# Reads all changes as JSON from standard input; other values are in `PINSTREAM_…` variables.
set -eu
. ./scripts/lib.sh
say "rolling out to $1: commit $PINSTREAM_COMMIT"
