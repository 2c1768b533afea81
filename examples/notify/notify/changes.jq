# Formats the changes of a `pinstream.event/v1` as text; each script escapes it for its destination.

# Text from an image: one short line without control or reordering characters.
def plain: gsub("[\\p{Cc}\\p{Cf}\\p{Zl}\\p{Zp}]"; " ")[:80] | if test("\\S") then . else "?" end;

def at($by_version):
  if . == null then "nothing" elif $by_version then .version | plain else .digest | sub("^.*:"; "")[:12] end;

# {tag, old, new, class, compare, warnings}: versions if they differ, else shortened digests.
def change:
  (.new.version and (.old == null or .old.version and .old.version != .new.version)) as $by_version
  | { tag: "\(.stream):\(.tag)",
      old: (.old | at($by_version)),
      new: (.new | at($by_version)),
      class: (.explanation.class // .change),
      compare: (.explanation.compare // "" | if test("^https?://[A-Za-z0-9._~:/?@!$+,=%&-]+$") then . else null end),
      warnings: [.explanation.warnings[]? | plain] };

# `line` for each of the first 50 changes, and the number of further ones.
def message(line):
  [.changes[:50][] | change | line] + [.changes[50:] | select(length > 0) | "and \(length) more"] | join("\n");
