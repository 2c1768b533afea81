//! `env = { path, key }`: a variable in the `.env` file of a compose project, which is read as compose reads it
//! (docs.docker.com, "Syntax for environment files"). Variables are images only through a compose file next to it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    Evidence, FileFormat, FileText, ImageSite, NotAnImage, ReferencePart, SiteCandidate, TargetEdit, TargetError,
    TargetKind, TargetReader, WriteSpec, available, compose,
};
use crate::model::image::ImageRef;
use crate::text::diagnostics::{At, Problem, SourceFile};

use super::dotenv::{EnvVariable, NAME, variables};
use super::image_site::parse;
use super::variables::{expand, trailing_variable};

/// The variable with this name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvPlace(String);

/// A variable in the `.env` file of a compose project.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[schemars(rename = "TargetEnv", extend("required" = ["path", "key"]))]
pub(super) struct EnvTable {
    /// A file below the root, or a glob, e.g. `**/.env`.
    pub(super) path: Option<At<String>>,
    /// The variable.
    key: Option<At<String>>,
}

impl FileFormat for EnvPlace {
    type Table = EnvTable;
    const PATTERNS: &'static [&'static str] = &["**/.env"];
    const COMPANIONS: &'static [&'static str] =
        &["compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"];

    fn read(table: &EnvTable, reader: &mut TargetReader<'_, '_>) -> Option<Self> {
        let key = reader.required(table.key.as_ref(), "key", "key = \"WEB_IMAGE\"")?;
        Some(Self(key.value.clone()))
    }

    fn keys(&self) -> Vec<(&'static str, &str)> {
        vec![("key", &self.0)]
    }

    fn edits(&self, spec: &WriteSpec<'_>) -> Result<Vec<TargetEdit>, TargetError> {
        let (text, name) = (spec.text, &self.0);
        let variables = variables(text.text());
        let mut named = variables.iter().filter(|variable| variable.name == name);
        let Some(variable) = named.next() else {
            let message = format!("`{}` has no variable `{name}`", text.path());
            let names = variables.iter().map(|variable| format!("`{}`", variable.name));
            return Err(text.missing(0, message, available("variables", names)));
        };
        if let Some(again) = named.next() {
            let message = format!("`{name}` is set twice");
            return Err(text.invalid(again.span.clone(), message, "remove one of the two lines"));
        }
        if variable.value.contains('$') {
            let message = format!("the value of `{name}` contains variables");
            return Err(text.invalid(variable.span.clone(), message, "write the value out"));
        }
        Ok(vec![spec.replace(variable.span.clone(), variable.value, &spec.value()?)])
    }

    fn recognize(file: &SourceFile) -> Option<Evidence> {
        (file.path.rsplit('/').next() == Some(NAME)).then_some(Evidence::Name)
    }

    fn find(text: &FileText) -> Result<Vec<ImageSite>, Problem> {
        let variables = variables(text.text());
        let uses = uses(text, &variables).into_iter();
        Ok(uses.map(|(at, used)| ImageSite::literal(variables[at].span.clone(), &used.text, used.image)).collect())
    }

    fn suggest(text: &FileText, sites: &[ImageSite]) -> Result<Vec<Vec<SiteCandidate>>, Problem> {
        let variables = variables(text.text());
        let uses = uses(text, &variables);
        let candidate = |(at, used): (&usize, &EnvUse)| {
            let kind = TargetKind::Env(Self(variables[*at].name.to_owned()));
            let part = match used.before {
                None => None,
                Some(':') => Some(ReferencePart::TagAtDigest),
                Some('@') => Some(ReferencePart::Digest),
                Some(_) => return None,
            };
            Some(SiteCandidate { kind, part })
        };
        let of = |site: &ImageSite| {
            let used = uses.iter().filter(|(at, _)| variables[**at].span == site.span);
            used.filter_map(candidate).collect()
        };
        Ok(sites.iter().map(of).collect())
    }
}

/// The image that a variable decides.
struct EnvUse {
    text: String,
    image: Result<ImageRef, NotAnImage>,
    /// The character before the variable.
    before: Option<char>,
}

/// Returns the images of the compose files next to the file, by the number of the variable at their end.
fn uses(text: &FileText, variables: &[EnvVariable<'_>]) -> BTreeMap<usize, EnvUse> {
    let last = |name: &str| variables.iter().rposition(|variable| variable.name == name);
    let value = |name: &str| last(name).map(|at| variables[at].value.to_owned());
    let mut uses: BTreeMap<usize, EnvUse> = BTreeMap::new();
    for written in text.companions.iter().flat_map(compose::image_names) {
        let Some((before, name)) = trailing_variable(&written) else { continue };
        let Some(at) = last(name).filter(|at| !variables[*at].value.is_empty()) else { continue };
        let name = expand(&written, value);
        let used = EnvUse { image: parse(&name), text: name, before: before.chars().last() };
        match uses.get_mut(&at) {
            Some(known) if known.text != used.text => {
                known.image = Err(NotAnImage::Open("the variable is used in several images"));
            }
            Some(_) => {}
            None => drop(uses.insert(at, used)),
        }
    }
    uses
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::FileKind;
    use super::super::tests::{DIGEST, check};
    use super::*;

    fn file(path: &str, text: &str) -> Arc<SourceFile> {
        Arc::new(SourceFile { path: path.to_owned(), text: text.to_owned() })
    }

    /// Checks the images that a compose file and its `.env` file name together.
    #[track_caller]
    fn check_both(compose: &str, env: &str, in_compose: &[&str], in_env: &[&str]) {
        let (compose, env) = (file("compose.yaml", compose), file(".env", env));
        let found = |file: &Arc<SourceFile>, other: &Arc<SourceFile>| {
            let sites = FileKind::of(file).unwrap().find_with(file, std::slice::from_ref(other)).unwrap();
            let show = |site: &ImageSite| {
                let written = &file.text[site.span.clone()];
                match &site.image {
                    Ok(image) => format!("{written} = {image}"),
                    Err(why) => format!("{written} ! {why}"),
                }
            };
            sites.iter().map(show).collect::<Vec<_>>()
        };
        assert_eq!(found(&compose, &env), in_compose);
        assert_eq!(found(&env, &compose), in_env);
    }

    #[test]
    fn f15_the_env_file_of_a_compose_project_decides_its_images() {
        check_both(
            "services:\n  web: {image: '${WEB_IMAGE}'}\n  db: {image: 'postgres:${DB_VERSION:-9}'}\n  c: {image: \
             '${HUB}/redis:7'}\n  d: {image: '$NONE'}\n  own: {build: ., image: '$OWN'}\n",
            "# Images.\nWEB_IMAGE=nginx:1.25 # web\nexport DB_VERSION: '16'\nHUB=docker.io\nOWN=x:1\nOTHER=y:1\n",
            &[
                "${WEB_IMAGE} ! is set in `.env`",
                "postgres:${DB_VERSION:-9} ! is set in `.env`",
                "${HUB}/redis:7 = docker.io/library/redis:7",
                "$NONE ! contains a variable without a value",
                "$OWN ! names the result of `build`",
            ],
            &["nginx:1.25 = docker.io/library/nginx:1.25", "16 = docker.io/library/postgres:16"],
        );
        check_both(
            "services: {a: {image: 'a:$V'}, b: {image: 'b:$V'}}\n",
            "V=1\n",
            &["a:$V ! is set in `.env`", "b:$V ! is set in `.env`"],
            &["1 ! the variable is used in several images"],
        );
    }

    #[test]
    fn f15_the_pin_is_written_into_the_env_file() {
        let at = |target: &str, before: &str, expected: &str| {
            let expected = expected.replace("NEW", &format!("python:3.12@{DIGEST}")).replace("DIGEST", DIGEST);
            check(target, ".env", before, &expected);
        };
        let key = "env = { path = \".env\", key = \"WEB\" }";
        at(key, "A=1\r\nWEB=python:3 # web\r\n", "A=1\r\nWEB=NEW # web\r\n");
        at(key, "export WEB = \"python:3\"", "export WEB = \"NEW\"");
        at(key, "WEB=", "WEB=docker.io/library/NEW");
        at(&format!("write = \"tag@digest\"\n{key}"), "WEB: '3'\n", "WEB: '3.12@DIGEST'\n");
        at(key, "WEBS=1\n", "1 ! `.env` has no variable `WEB`; it has: `WEBS`");
        at(key, "WEB=1\nWEB=2\n", "2 ! `WEB` is set twice; remove one of the two lines");
        at(key, "WEB=${X}:1\n", "1 ! the value of `WEB` contains variables; write the value out");
    }
}
