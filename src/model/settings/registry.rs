//! `[registry."host"]`: access to registries, with mirrors, certificate authorities and limits.

use std::collections::BTreeMap;

use super::path::{self, ReferencedFile, referenced_file};
use super::table::RegistryTable;
use crate::model::image::{RegistryHost, defined_registry, is_repository_path};
use crate::text::diagnostics::{At, Diagnostics, NameError};
use crate::text::escape::excerpt;
use crate::text::toml::Entries;

/// `[registry."host[:port]"]`: access to one registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistrySettings {
    /// Mirrors, tried in order before the registry itself.
    pub mirrors: Vec<Mirror>,
    /// A PEM file of the root with the authorities trusted for this registry only.
    pub ca: Option<String>,
    /// Use HTTP without TLS.
    pub plain_http: bool,
    /// The maximum number of concurrent requests.
    pub requests: usize,
}

impl Default for RegistrySettings {
    fn default() -> Self {
        Self { mirrors: Vec::new(), ca: None, plain_http: false, requests: 16 }
    }
}

/// A mirror: `mirror.corp.example:5000/redhat` is prepended to the paths of the mirrored registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirror {
    /// The mirror's host.
    pub registry: RegistryHost,
    /// The prefix of repository paths; may be empty.
    pub prefix: String,
}

pub(super) fn registries(
    written: &Entries<RegistryTable>,
    findings: &mut Diagnostics<'_>,
) -> BTreeMap<RegistryHost, RegistrySettings> {
    let mut registries = BTreeMap::new();
    for (key, table) in &written.0 {
        let Some(host) = findings.accept(&key.span, defined_registry(&key.value)) else { continue };
        let settings = registry(table, findings);
        if registries.insert(host.clone(), settings).is_some() {
            let help = "remove one of them; case does not matter in host names";
            findings.report(&key.span, format!("duplicate registry `{host}`"), help);
        }
    }
    registries
}

fn registry(table: &RegistryTable, findings: &mut Diagnostics<'_>) -> RegistrySettings {
    let mirrors = table.mirrors.iter().filter_map(|text| findings.accept(&text.span, mirror(&text.value))).collect();
    let mut settings = RegistrySettings {
        mirrors,
        ca: table.ca.as_ref().and_then(|text| findings.accept(&text.span, path::parse(&text.value))),
        plain_http: table.plain_http.as_ref().is_some_and(|written| written.value),
        ..RegistrySettings::default()
    };
    if let (true, Some(ca)) = (settings.plain_http, &table.ca) {
        findings.report(&ca.span, "`ca` has no effect with `plain-http`", "remove one of them");
    }
    if let Some(requests) = &table.requests {
        settings.requests = findings.in_range(requests, "requests", 256, "use").unwrap_or(settings.requests);
    }
    settings
}

fn mirror(text: &str) -> Result<Mirror, NameError> {
    if let Some((_, rest)) = text.split_once("://") {
        let error = NameError::new(format!("`{text}` is a URL, not a mirror"));
        return Err(error.help(format!("remove the scheme: `{rest}`")));
    }
    let (host, prefix) = text.split_once('/').map_or((text, None), |(host, prefix)| (host, Some(prefix)));
    if prefix.is_some_and(|prefix| !is_repository_path(prefix)) {
        return Err(NameError::new(format!("invalid mirror `{text}`"))
            .help("write `host` or `host:port`, optionally with a path, e.g. `mirror.corp.example:5000/redhat`"));
    }
    Ok(Mirror { registry: host.parse()?, prefix: prefix.unwrap_or_default().to_owned() })
}

/// Returns the files that registries name.
pub(super) fn files_of_registries(written: &Entries<RegistryTable>, findings: &Diagnostics<'_>) -> Vec<ReferencedFile> {
    let authority = |(key, table): &(At<String>, RegistryTable)| {
        referenced_file(table.ca.as_ref()?, format!("`ca` of `[registry.\"{}\"]`", excerpt(&key.value)), findings)
    };
    written.0.iter().filter_map(authority).collect()
}
