say() { printf '%s: %s\n' "$PINSTREAM_HOOK" "$1"; }
