#!/bin/sh
# A hook: it is given the moves that have landed, as JSON on its standard input.
moves=$(grep -o '"tag": *"[^"]*"' | sort | sed 's/.*"\([^"]*\)"$/\1/' | paste -sd ' ' -)
echo "rolling out to $1 from commit $(printf %.9s "$PINSTREAM_COMMIT"): $moves"
