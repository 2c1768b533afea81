# What a message says of the moves of a `pinstream.event/v1`, as text that each script escapes for where it goes.

# Text of an image: one short line, without characters that hide or reorder others.
def plain: gsub("[\\p{Cc}\\p{Cf}\\p{Zl}\\p{Zp}]"; " ")[:80] | if test("\\S") then . else "?" end;

def at($by_version):
  if . == null then "nothing" elif $by_version then .version | plain else .digest | sub("^.*:"; "")[:12] end;

# {tag, old, new, class, compare, warnings}: versions where they differ, else the beginnings of the digests.
def told:
  (.new.version and (.old == null or .old.version and .old.version != .new.version)) as $by_version
  | { tag: "\(.stream):\(.tag)",
      old: (.old | at($by_version)),
      new: (.new | at($by_version)),
      class: (.explanation.class // .change),
      compare: (.explanation.compare // "" | if test("^https?://[A-Za-z0-9._~:/?@!$+,=%&-]+$") then . else null end),
      warnings: [.explanation.warnings[]? | plain] };

# `line` of each of the first 50 moves, and how many there are besides.
def message(line):
  [.moves[:50][] | told | line] + [.moves[50:] | select(length > 0) | "and \(length) more"] | join("\n");
