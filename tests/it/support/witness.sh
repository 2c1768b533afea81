#!/bin/sh
# Notes the words that a program is started with, then becomes that program.
printf '%s\n' "$0 $*" >> "${0%/*}/started"
exec "${0%/*}/real/${0##*/}" "$@"
