//! `env`: a line `NAME=repository@digest` for each tag, to be sourced by a shell or passed to `docker compose --env-file`.
//!
//! A name is the tag in upper case, with `_` for everything but letters and digits, and `_` before a leading digit
//! (POSIX.1-2024, 3.216 "Name"; Compose, "Syntax for environment files"). Values with special characters are in single
//! quotes, which both read literally.

use crate::text::diagnostics::Problem;

use super::{PinnedTag, entries, named, problem};

/// Formats a line per tag.
pub(super) fn text(pins: &[PinnedTag<'_>]) -> Result<String, Vec<Problem>> {
    let lines = entries(
        pins,
        |pinned| name(&pinned.id.to_string()),
        |name, pins| match pins {
            [only] => Ok(format!("{name}={}\n", value(&only.pin.repository_at_digest()))),
            _ => {
                let message = format!("{} would share the variable `{name}`", named(pins.iter().copied()));
                let help = format!("select one tag, e.g. `pinstream export env {}`, or rename the others", pins[0].id);
                Err(problem(message, help))
            }
        },
    )?;
    Ok(lines.concat())
}

fn name(tag: &str) -> String {
    let known = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    let begin = tag.starts_with(|c: char| c.is_ascii_digit()).then_some('_');
    begin.into_iter().chain(tag.chars().map(known)).collect()
}

/// Quotes a reference, which contains no single quote itself.
fn value(reference: &str) -> String {
    let is_plain = reference.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-/:@".contains(&b));
    if is_plain { reference.to_owned() } else { format!("'{reference}'") }
}

#[cfg(test)]
mod tests {
    use crate::convert::export::ExportFormat;
    use crate::convert::export::tests::{check, fails};

    #[test]
    fn each_tag_is_a_variable() {
        check(
            ExportFormat::Env,
            &[
                ("7zip:1", "quay.io/a/b:1", 1),
                ("python:3.12", "docker.io/library/python:3.12", 2),
                ("team-a/web:main", "[::1]:5000/web:main", 3),
            ],
            "PYTHON_3_12=docker.io/library/python@D2\nTEAM_A_WEB_MAIN='[::1]:5000/web@D3'\n_7ZIP_1=quay.io/a/b@D1\n",
        );
        check(ExportFormat::Env, &[], "");
    }

    #[test]
    fn tags_with_the_same_variable_are_refused() {
        let image = "quay.io/a/b:1";
        fails(
            ExportFormat::Env,
            &[("a-b:1", image, 1), ("a/b:1", image, 1), ("a:x.y", image, 1), ("a:X-y", image, 1), ("c:d", image, 1)],
            &[
                "`a-b:1`, `a/b:1` would share the variable `A_B_1`; select one tag, e.g. `pinstream export env a-b:1`, or \
                 rename the others",
                "`a:X-y`, `a:x.y` would share the variable `A_X_Y`; select one tag, e.g. `pinstream export env a:X-y`, or \
                 rename the others",
            ],
        );
    }
}
