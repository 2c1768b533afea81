//! Docker's credential files, read as docker reads them: keys in any case, null and empty values as absent, white space
//! within base64. A broken entry affects only itself.
//!
//! Sources: docker's `config.json` (docker/cli, `config/configfile`), containers-auth.json(5).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Value};
use url::Url;

use super::credential::Credential;
use crate::http::{Secret, UrlOrigin};
use crate::registry::RegistrySetupError;

/// Base64 with or without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// One parsed credential file.
pub(super) struct ConfigFile {
    /// Path, or name of the variable that contains it.
    pub(super) name: String,
    pub(super) entries: BTreeMap<String, AuthEntry>,
    /// Helper for hosts without an entry (`credsStore`).
    pub(super) store: Option<String>,
}

/// Everything that a file says about one key.
pub(super) struct AuthEntry {
    pub(super) scope: EntryScope,
    /// Helper for this key (`credHelpers`).
    pub(super) helper: Option<String>,
    /// Credential in the file; none if the entry is empty.
    pub(super) login: Result<Option<Arc<Credential>>, EntryError>,
}

/// Defect of one entry. Its values are not shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum EntryError {
    #[error("the entry is not an object")]
    NotAnObject,
    #[error("`{0}` is not a string")]
    NotAString(&'static str),
    #[error("`auth` is not valid base64")]
    Base64,
    #[error("`auth` is not `user:password`")]
    NoColon,
}

/// The servers and repositories that a key stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct EntryScope {
    /// Host name; `docker.io` for all names of Docker Hub.
    host: String,
    port: u16,
    /// True if the credential must not be sent without TLS.
    is_secure: bool,
    /// Path prefix; may be empty.
    pub(super) path: String,
}

impl ConfigFile {
    /// Parses a file.
    ///
    /// # Errors
    /// If it is not JSON of the expected form.
    pub(super) fn parse(name: String, text: &Secret) -> Result<Self, RegistrySetupError> {
        // The parser's error may quote the file, so only its position is shown.
        let syntax = |error: serde_json::Error| RegistrySetupError::CredentialSyntax {
            file: name.clone(),
            line: error.line(),
            column: error.column(),
        };
        let config: Map<String, Value> = serde_json::from_str(text.reveal()).map_err(syntax)?;
        let form = |key: &'static str| RegistrySetupError::CredentialForm { file: name.clone(), key };
        let object = |key: &'static str| match field(&config, key) {
            None => Ok(None),
            Some(Value::Object(object)) => Ok(Some(object)),
            Some(_) => Err(form(key)),
        };
        let (auths, helpers) = (object("auths")?, object("credHelpers")?);
        let store = string(&config, "credsStore").map_err(|_| form("credsStore"))?;
        let keys: BTreeSet<&String> = auths.into_iter().chain(helpers).flat_map(Map::keys).collect();
        let entry = |key: &String| {
            let login = auths.and_then(|auths| auths.get(key)).map_or(Ok(None), parse_login);
            let helper = helpers.and_then(|helpers| helpers.get(key)).and_then(Value::as_str);
            let helper = helper.filter(|helper| !helper.is_empty()).map(str::to_owned);
            Some((key.clone(), AuthEntry { scope: EntryScope::parse(key)?, helper, login }))
        };
        let entries = keys.into_iter().filter_map(entry).collect();
        Ok(Self { entries, store: store.map(str::to_owned), name })
    }
}

/// Returns the value of `name` in any case; none if it is null. Like docker, the last of several keys counts.
fn field<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    let mut values = object.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value);
    values.rfind(|value| !value.is_null())
}

/// Returns the string of `name`; none if it is empty.
fn string<'a>(object: &'a Map<String, Value>, name: &'static str) -> Result<Option<&'a str>, EntryError> {
    match field(object, name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str()).filter(|text| !text.is_empty())),
        Some(_) => Err(EntryError::NotAString(name)),
    }
}

/// Parses an entry of `auths`. As in docker, `auth` takes precedence over `username` and `password`.
fn parse_login(entry: &Value) -> Result<Option<Arc<Credential>>, EntryError> {
    let entry = match entry {
        Value::Null => return Ok(None),
        Value::Object(entry) => entry,
        _ => return Err(EntryError::NotAnObject),
    };
    if let Some(token) = string(entry, "identitytoken")? {
        return Ok(Some(Arc::new(Credential::Identity(Secret::new(token)))));
    }
    if let Some(token) = string(entry, "registrytoken")? {
        return Ok(Some(Arc::new(Credential::Token(Secret::new(token)))));
    }
    let login = match string(entry, "auth")? {
        Some(auth) => {
            let auth: String = auth.split_ascii_whitespace().collect();
            let login = BASE64.decode(auth).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            let login = login.ok_or(EntryError::Base64)?;
            let (user, password) = login.split_once(':').ok_or(EntryError::NoColon)?;
            Credential::login(user, password.trim_matches('\0'))
        }
        None => {
            let text = |name| Ok(string(entry, name)?.unwrap_or_default());
            Credential::login(text("username")?, text("password")?)
        }
    };
    Ok(login.map(Arc::new))
}

impl EntryScope {
    /// Parses `host[:port][/path]`, or the URL that `docker login` writes; none for other keys.
    fn parse(key: &str) -> Option<Self> {
        let (scheme, rest) = match (key.strip_prefix("https://"), key.strip_prefix("http://")) {
            (Some(rest), _) => (Some("https"), rest),
            (None, Some(rest)) => (Some("http"), rest),
            (None, None) => (None, key),
        };
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let url = Url::parse(&format!("{}://{host}/", scheme.unwrap_or("https"))).ok()?;
        let origin = UrlOrigin::of(&url)?;
        let path = path.trim_end_matches('/');
        let path = if scheme.is_some() && matches!(path, "v1" | "v2") { "" } else { path };
        Some(Self {
            host: canonical_host(origin.place.host()).to_owned(),
            port: origin.place.port(),
            // An explicit port identifies the server, with or without TLS.
            is_secure: scheme == Some("https") || origin.place.port() == 443,
            path: path.to_owned(),
        })
    }

    /// Returns true if the credential may be sent to `path` at `origin`.
    pub(super) fn covers(&self, origin: &UrlOrigin, path: &str) -> bool {
        let UrlOrigin { secure, place } = origin;
        let is_prefix = self.path.is_empty()
            || path.strip_prefix(&self.path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        let is_host = self.host == canonical_host(place.host()) && self.port == place.port();
        is_host && is_prefix && (*secure || !self.is_secure)
    }
}

/// Maps all host names of Docker Hub to `docker.io`.
pub(super) fn canonical_host(host: &str) -> &str {
    match host {
        "index.docker.io" | "registry-1.docker.io" => "docker.io",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The credential of the only entry, as text.
    fn login(entry: &str) -> String {
        let text = format!("{{\"auths\": {{\"r.example\": {entry}}}}}");
        let file = ConfigFile::parse("config.json".to_owned(), &Secret::new(text)).map_err(|error| error.to_string());
        match &file.unwrap().entries["r.example"].login {
            Ok(None) => "none".to_owned(),
            Ok(Some(credential)) => match credential.as_ref() {
                Credential::Password { user, password } => format!("{user}:{}", password.reveal()),
                Credential::Identity(token) => format!("identity {}", token.reveal()),
                Credential::Token(token) => format!("token {}", token.reveal()),
            },
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn r06_entries_are_read_as_docker_reads_them() {
        for (entry, expected) in [
            (r#"{"auth": "dTpw"}"#, "u:p"),
            (r#"{"Username": "u", "Password": "p"}"#, "u:p"),
            (r#"{"USERNAME": "u", "password": "p"}"#, "u:p"),
            (r#"{"auth": "", "username": "u", "password": "p"}"#, "u:p"),
            (r#"{"auth": null, "username": "u", "password": "p"}"#, "u:p"),
            (r#"{"auth": "dTpw", "username": "other", "password": "other"}"#, "u:p"),
            (r#"{"auth": " dT\npw\r\n\t"}"#, "u:p"),
            (r#"{"auth": "dTpwYXNz"}"#, "u:pass"),
            (r#"{"auth": "dTpwYQ=="}"#, "u:pa"),
            (r#"{"auth": "dTpwYQ"}"#, "u:pa"),
            (r#"{"auth": "dTpwOnE="}"#, "u:p:q"),
            (r#"{"auth": "dTpwAAA="}"#, "u:p"),
            (r#"{"IdentityToken": "t", "auth": "dTpw"}"#, "identity t"),
            (r#"{"identitytoken": "", "auth": "dTpw"}"#, "u:p"),
            (r#"{"registrytoken": "t"}"#, "token t"),
            ("{}", "none"),
            ("null", "none"),
            (r#"{"auth": "Og==", "email": "x"}"#, "none"),
            (r#"{"auth": "!"}"#, "`auth` is not valid base64"),
            (r#"{"auth": "dXA="}"#, "`auth` is not `user:password`"),
            (r#"{"auth": 1}"#, "`auth` is not a string"),
            (r#"{"username": ["u"]}"#, "`username` is not a string"),
            (r#""u:p""#, "the entry is not an object"),
        ] {
            assert_eq!(login(entry), expected, "{entry}");
        }
    }

    #[test]
    fn r06_top_level_keys_have_any_case_and_may_be_null() {
        let parse = |text: &str| {
            let file = ConfigFile::parse("f".to_owned(), &Secret::new(text))?;
            let helpers = file.entries.iter().filter_map(|(key, entry)| Some((key.clone(), entry.helper.clone()?)));
            Ok::<_, RegistrySetupError>((file.entries.len(), helpers.collect::<Vec<_>>(), file.store.clone()))
        };
        let none = Vec::new();
        assert_eq!(parse(r#"{"auths": null, "credHelpers": null, "credsStore": null}"#).unwrap(), (0, none, None));
        assert_eq!(
            parse(r#"{"AUTHS": {"a": {}}, "credhelpers": {"b": "h", "c": ""}, "CredsStore": "s"}"#).unwrap(),
            (3, vec![("b".to_owned(), "h".to_owned())], Some("s".to_owned()))
        );
        for (bad, expected) in [
            ("[]", "`f` is not a docker configuration: line 1, column 0"),
            ("{\"auths\": canary}", "`f` is not a docker configuration: line 1, column 11"),
            (r#"{"auths": "canary"}"#, "`f` is not a docker configuration: `auths` has the wrong type"),
            (r#"{"credsStore": 1}"#, "`f` is not a docker configuration: `credsStore` has the wrong type"),
        ] {
            assert_eq!(parse(bad).unwrap_err().to_string(), expected);
        }
    }
}
