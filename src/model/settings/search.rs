//! `[files]`: files and images that the search for images skips.

use globset::{GlobBuilder, GlobMatcher};

use super::globs::glob;
use super::table::FilesTable;
use crate::model::image::{ImageRef, NameError, written_repository};
use crate::text::diagnostics::Diagnostics;

/// Files and images that `check --all-images`, `targets add` and `init --from` skip.
#[derive(Clone, Debug, Default)]
pub struct SearchRules {
    paths: Vec<PathRule>,
    images: Vec<GlobMatcher>,
}

/// A pattern of files (gitignore(5)).
#[derive(Clone, Debug)]
struct PathRule {
    text: String,
    glob: GlobMatcher,
    is_negated: bool,
    /// True if it matches directories only.
    is_directory: bool,
}

impl PartialEq for SearchRules {
    fn eq(&self, other: &Self) -> bool {
        let paths = |rules: &Self| rules.paths.iter().map(|rule| rule.text.clone()).collect::<Vec<_>>();
        let images = |rules: &Self| rules.images.iter().map(|glob| glob.glob().glob().to_owned()).collect::<Vec<_>>();
        (paths(self), images(self)) == (paths(other), images(other))
    }
}

/// Reads the valid patterns of `[files]`.
pub(super) fn rules(table: &FilesTable, findings: &mut Diagnostics<'_>) -> SearchRules {
    let paths = table.ignore.iter().filter_map(|text| findings.accept(&text.span, PathRule::new(&text.value)));
    let paths = paths.collect();
    let images = table.ignore_images.iter().filter_map(|text| findings.accept(&text.span, glob(&text.value)));
    SearchRules { paths, images: images.collect() }
}

impl SearchRules {
    /// Returns whether a file is skipped; `path` is relative to the root.
    pub fn ignores(&self, path: &str) -> bool {
        if self.paths.is_empty() {
            return false;
        }
        let directories = path.match_indices('/').map(|(at, _)| (&path[..at], true));
        // A file cannot be included again if its directory is skipped.
        directories.chain([(path, false)]).any(|(path, is_directory)| {
            let last = self.paths.iter().rfind(|rule| rule.matches(path, is_directory));
            last.is_some_and(|rule| !rule.is_negated)
        })
    }

    /// Returns whether an image is skipped; `text` is what the file has, `image` what it means if it is valid.
    pub fn ignores_image(&self, text: &str, image: Option<&ImageRef>) -> bool {
        if self.images.is_empty() {
            return false;
        }
        let names = [Some(written_repository(text).to_owned()), image.map(|image| image.repository().to_string())];
        names.iter().flatten().any(|name| self.images.iter().any(|glob| glob.is_match(name)))
    }
}

impl PathRule {
    fn new(text: &str) -> Result<Self, NameError> {
        let invalid = |why: &str| {
            let error = NameError::new(format!("invalid pattern `{text}`: {why}"));
            Err(error.help("write a pattern as in `.gitignore`, e.g. `vendor/`, `**/testdata/` or `!/deploy/*.yaml`"))
        };
        let (is_negated, pattern) = text.strip_prefix('!').map_or((false, text), |pattern| (true, pattern));
        let (is_directory, pattern) = pattern.strip_suffix('/').map_or((false, pattern), |pattern| (true, pattern));
        if pattern.is_empty() || text.starts_with('#') || text.trim() != text {
            return invalid("it matches no file");
        }
        // Without a slash before its end, a pattern matches in every directory. Braces have no meaning.
        let anchor = if pattern.contains('/') { "" } else { "**/" };
        let pattern = pattern.trim_start_matches('/').replace('{', "[{]").replace('}', "[}]");
        let built =
            GlobBuilder::new(&format!("{anchor}{pattern}")).literal_separator(true).backslash_escape(true).build();
        match built {
            Ok(glob) => Ok(Self { text: text.to_owned(), glob: glob.compile_matcher(), is_negated, is_directory }),
            Err(error) => invalid(&error.kind().to_string()),
        }
    }

    fn matches(&self, path: &str, is_directory: bool) -> bool {
        (is_directory || !self.is_directory) && self.glob.is_match(path)
    }
}

#[cfg(test)]
mod tests {
    use super::super::read;

    #[track_caller]
    fn check(patterns: &str, yes: &[&str], no: &[&str]) {
        let (settings, problems) = read(format!("[files]\nignore = {patterns}\n").as_bytes());
        assert_eq!(problems, []);
        assert_eq!(yes.iter().find(|path| !settings.search.ignores(path)), None, "{patterns} should match");
        assert_eq!(no.iter().find(|path| settings.search.ignores(path)), None, "{patterns} should not match");
    }

    #[test]
    fn f11_files_are_ignored_by_the_rules_of_gitignore() {
        check("['vendor/']", &["vendor/a.yaml", "a/vendor/b/c.yaml"], &["vendor", "vendors/a.yaml"]);
        check(
            "['/vendor/', 'docs/*.yaml']",
            &["vendor/a", "docs/a.yaml"],
            &["a/vendor/b", "a/docs/a.yaml", "docs/b/a.yaml"],
        );
        check("['*.yaml', '!keep.yaml']", &["a.yaml", "b/a.yaml"], &["keep.yaml", "b/keep.yaml", "a.yml"]);
        check("['a/**', '!a/b.yaml']", &["a/c.yaml", "a/x/b.yaml"], &["a/b.yaml", "b.yaml"]);
        check(
            "['**/testdata/**/x', 'f[a-c]', '\\#x', '{a}']",
            &["testdata/x", "b/testdata/c/x", "fb", "#x", "{a}"],
            &["fd", "a"],
        );
        check("[]", &[], &["a"]);
        for pattern in ["", "!", "/", "# x", "a ", "["] {
            let (_, problems) = read(format!("[files]\nignore = ['{pattern}']\n").as_bytes());
            assert_eq!(problems.len(), 1, "{pattern}");
        }
    }

    #[test]
    fn f11_images_are_ignored_by_their_repository() {
        let (settings, problems) =
            read(b"[files]\nignore-images = ['registry.example/**', 'docker.io/library/x*', '<*']\n");
        assert_eq!(problems, []);
        for (text, expected) in [
            ("registry.example/a/b:1", true),
            ("registry.example:5000/a", false),
            ("xenial:1", true),
            ("docker.io/xenial@sha256:00", true),
            ("axenial:1", false),
            ("<image>", true),
        ] {
            let image = crate::model::image::complete(text.split('@').next().unwrap()).ok();
            assert_eq!(settings.search.ignores_image(text, image.as_ref()), expected, "{text}");
        }
    }
}
