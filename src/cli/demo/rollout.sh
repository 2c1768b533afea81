#!/bin/sh
# A hook: receives the changes that landed as JSON on standard input.
tags=$(grep -o '"tag": *"[^"]*"' | sort | sed 's/.*"\([^"]*\)"$/\1/' | paste -sd ' ' -)
echo "rolling out to $1 from commit $(printf %.9s "$PINSTREAM_COMMIT"): $tags"
