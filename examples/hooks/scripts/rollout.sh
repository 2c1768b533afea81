#!/bin/sh
# Receives all changes as JSON on standard input, and more in variables `PINSTREAM_…`.
set -eu
. ./scripts/lib.sh
say "rolling out to $1: commit $PINSTREAM_COMMIT"
