//! `[git]`: branch, author, message and signature of commits.

use super::table::GitTable;
use super::user_text::template;
use crate::text::diagnostics::{Diagnostics, NameError, is_bidi_control};
use crate::text::escape::excerpt;
use crate::text::template::Template;

/// `[git]`: branch, author, message and signature of commits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GitSettings {
    /// The branch; `None` means the remote's `HEAD`.
    pub branch: Option<String>,
    /// Author and committer; `None` means `pinstream <pinstream@localhost>`.
    pub author: Option<Author>,
    /// The template of commit messages; `None` means the default.
    pub message: Option<Template>,
    /// The signature; `None` leaves commits unsigned.
    pub sign: Option<Sign>,
}

/// Signature of commits. The key is never in a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// Signed with a key of the operator.
    Key(SigningKeyKind),
    /// Signed by GitHub, which creates the commits of proposals and shows them as verified.
    GitHub,
}

/// Kinds of keys for signing commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SigningKeyKind {
    /// An SSH key.
    Ssh,
    /// An OpenPGP key.
    OpenPgp,
}

/// The author of commits, `name <address>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Author {
    /// The author's name.
    pub name: String,
    /// The e-mail address.
    pub email: String,
}

impl Default for Author {
    /// Returns the author used unless the settings name one.
    fn default() -> Self {
        Self { name: "pinstream".to_owned(), email: "pinstream@localhost".to_owned() }
    }
}

pub(super) fn git(table: &GitTable, findings: &mut Diagnostics<'_>) -> GitSettings {
    let branch = table.branch.as_ref().and_then(|text| findings.accept(&text.span, branch(&text.value)));
    let author = table.author.as_ref().and_then(|text| findings.accept(&text.span, author(&text.value)));
    let message = table.message.as_ref().and_then(|text| template("git.message", text, Template::read, findings));
    let sign = table.sign.as_ref().and_then(|text| findings.accept(&text.span, sign(&text.value)));
    GitSettings { branch, author, message, sign }
}

/// Parses a branch name, by the rules of git-check-ref-format(1).
pub fn branch(text: &str) -> Result<String, NameError> {
    let bad = || NameError::new(format!("invalid branch name `{text}`"));
    if let Some(short) = text.strip_prefix("refs/heads/") {
        return Err(bad().help(format!("remove `refs/heads/`: `{short}`")));
    }
    let odd = |c: char| c.is_control() || is_bidi_control(c) || " ~^:?*[\\".contains(c);
    let part =
        |part: &str| !part.is_empty() && !part.starts_with('.') && !part.ends_with('.') && !part.ends_with(".lock");
    let fits = text.len() <= 255
        && !text.contains(odd)
        && !text.contains("..")
        && !text.contains("@{")
        && !text.starts_with(['-', '@'])
        && !text.starts_with("refs/")
        && text != "HEAD"
        && text.split('/').all(part);
    if fits { Ok(text.to_owned()) } else { Err(bad().help("write e.g. `main` or `release/1.2`")) }
}

fn author(text: &str) -> Result<Author, NameError> {
    let odd = |c: char| c.is_control() || is_bidi_control(c) || matches!(c, '<' | '>');
    let split = text.trim().strip_suffix('>').and_then(|rest| rest.split_once('<'));
    let author = split.map(|(name, email)| (name.trim(), email.trim())).filter(|(name, email)| {
        let fits = |text: &str| !text.is_empty() && text.len() <= 255 && !text.contains(odd);
        fits(name) && fits(email) && !email.contains(char::is_whitespace)
    });
    match author {
        Some((name, email)) => Ok(Author { name: name.to_owned(), email: email.to_owned() }),
        None => Err(NameError::new(format!("invalid author `{text}`"))
            .help("write `name <address>`, e.g. `pinstream <pinstream@acme.example>`")),
    }
}

fn sign(text: &str) -> Result<Sign, NameError> {
    match text {
        "ssh" => Ok(Sign::Key(SigningKeyKind::Ssh)),
        "openpgp" => Ok(Sign::Key(SigningKeyKind::OpenPgp)),
        "github" => Ok(Sign::GitHub),
        _ => Err(NameError::new(format!("invalid value `{}` for `sign`", excerpt(text))).help(
            "write `ssh` or `openpgp`, with a key in `PINSTREAM_SIGNING_KEY`, an agent or git config, or `github` for \
                 proposals on GitHub",
        )),
    }
}
