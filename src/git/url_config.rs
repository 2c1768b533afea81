//! Settings of Git's configuration that depend on a URL: `http.<url>.*` and `url.<base>.insteadOf` (git-config(1)).

use url::Url;

/// Specificity of a matching pattern: the length of its host, of its path, and of its user name.
type Specificity = (usize, usize, usize);

/// Returns the values of `http.NAME` and `http.PATTERN.NAME` whose pattern matches `url`, in the order of the files. As in
/// git, a value is skipped if a more specific pattern came before it, so the last one is the setting.
pub(super) fn values(config: &git2::Config, url: &Url, name: &str) -> Vec<String> {
    let mut best = (0, 0, 0);
    let mut found = Vec::new();
    let Ok(mut entries) = config.entries(Some("^http\\.")) else { return found };
    while let Some(Ok(entry)) = entries.next() {
        let (Ok(key), Ok(value)) = (entry.name(), entry.value()) else { continue };
        let Some((before, last)) = key.rsplit_once('.') else { continue };
        if !last.eq_ignore_ascii_case(name) {
            continue;
        }
        let specificity = match before.split_once('.') {
            None => Some((0, 0, 0)),
            Some((_, pattern)) => specificity(pattern, url),
        };
        if let Some(specificity) = specificity.filter(|specificity| *specificity >= best) {
            best = specificity;
            found.push(value.to_owned());
        }
    }
    found
}

/// Returns the values of a setting that is a list; an empty value discards those before it.
pub(super) fn list(config: &git2::Config, url: &Url, name: &str) -> Vec<String> {
    let mut values = values(config, url, name);
    let start = values.iter().rposition(String::is_empty).map_or(0, |at| at + 1);
    values.drain(..start);
    values
}

/// Matches a pattern: the same scheme and port, the same host or one with `*` for parts of it, a path that contains this
/// one, and the same user if the pattern names one.
fn specificity(pattern: &str, url: &Url) -> Option<Specificity> {
    let pattern = Url::parse(pattern).ok()?;
    let (host, pattern_host) = (url.host_str()?, pattern.host_str()?);
    let (parts, pattern_parts) = (host.split('.'), pattern_host.split('.'));
    let is_same_host = parts.clone().count() == pattern_parts.clone().count()
        && parts.zip(pattern_parts).all(|(part, pattern)| pattern == "*" || pattern == part);
    let is_same_place = pattern.scheme() == url.scheme()
        && pattern.port_or_known_default() == url.port_or_known_default()
        && (pattern.username().is_empty() || pattern.username() == url.username());
    let path = pattern.path().trim_end_matches('/');
    let rest = url.path().strip_prefix(path)?;
    let is_below = rest.is_empty() || rest.starts_with('/');
    let literal = pattern_host.replace('*', "").len();
    (is_same_host && is_same_place && is_below).then_some((literal, path.len() + 1, pattern.username().len()))
}

/// Rewrites an address by `url.BASE.insteadOf`; the longest prefix wins.
pub(super) fn instead_of(config: &git2::Config, address: &str) -> String {
    let mut best: Option<(String, String)> = None;
    if let Ok(mut entries) = config.entries(Some("^url\\..*\\.insteadof$")) {
        while let Some(Ok(entry)) = entries.next() {
            let (Ok(key), Ok(prefix)) = (entry.name(), entry.value()) else { continue };
            let base = key.strip_prefix("url.").and_then(|rest| rest.rsplit_once('.')).map(|(base, _)| base);
            let is_longer = best.as_ref().is_none_or(|(known, _)| prefix.len() > known.len());
            if let Some(base) = base.filter(|_| is_longer && !prefix.is_empty() && address.starts_with(prefix)) {
                best = Some((prefix.to_owned(), base.to_owned()));
            }
        }
    }
    best.map_or_else(|| address.to_owned(), |(prefix, base)| format!("{base}{}", &address[prefix.len()..]))
}

#[cfg(test)]
mod tests;
