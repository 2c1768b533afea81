//! The places that a target means, as they stand: for those who look at targets. Writes nothing.

use crate::model::image::TagId;
use crate::text::diagnostics::Problem;

use super::text::FileText;
use super::{PinLookup, Target, TargetError};

/// A place that a target means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetSite {
    /// The tag whose pin is written there.
    pub from: TagId,
    /// Its line, from 1.
    pub line: usize,
    /// What stands there.
    pub written: String,
    /// Whether that is what would be written.
    pub is_right: bool,
}

/// A file to look at: it is read once, however many targets mean it.
pub struct FileSites<'a> {
    path: &'a str,
    is_there: bool,
    text: Option<FileText>,
}

impl<'a> FileSites<'a> {
    /// The file `path`; it has no bytes where it is not there.
    pub fn new(path: &'a str, bytes: Option<&[u8]>) -> Self {
        Self { path, is_there: bytes.is_some(), text: bytes.and_then(|bytes| FileText::new(path, bytes)) }
    }
}

impl Target {
    /// The places that it means in a file.
    ///
    /// # Errors
    /// Where it has no place there, unless it is for several files, or one that cannot be written over.
    pub fn sites(&self, file: &FileSites<'_>, pins: PinLookup<'_>) -> Result<Vec<TargetSite>, Problem> {
        let Some(text) = &file.text else {
            return match file.is_there {
                true if self.passes_by_binaries() => Ok(Vec::new()),
                true => Err(self.no_text(file.path)),
                false => Err(self.not_there(file.path)),
            };
        };
        match self.changes(text, pins) {
            Ok(changes) => {
                let site = |(from, change): (TagId, super::TextChange)| {
                    let line = text.line(change.span.start);
                    let is_right = text.text()[change.span] == change.new;
                    TargetSite { from, line, written: change.was, is_right }
                };
                Ok(changes.into_iter().map(site).collect())
            }
            Err(TargetError::Nothing(_)) if self.path.is_glob() => Ok(Vec::new()),
            Err(TargetError::Nothing(problem) | TargetError::Wrong(problem)) => Err(problem),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{DIGEST, pins, targets};
    use super::FileSites;

    /// The places of one target on `a.yaml` with these bytes.
    #[track_caller]
    fn check(path: &str, bytes: Option<&[u8]>, expected: &str) {
        let written =
            format!("[[target]]\nfrom = \"python:3.12\"\nyaml = {{ path = \"{path}\", at = \"a[*].image\" }}\n");
        let found = match targets(&written)[0].sites(&FileSites::new("a.yaml", bytes), &pins) {
            Ok(sites) => {
                let shown = sites.iter().map(|site| {
                    let mark = if site.is_right { "=" } else { "!" };
                    format!("{} {mark} {}", site.line, site.written)
                });
                shown.collect::<Vec<_>>().join("; ")
            }
            Err(problem) => problem.message,
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn each_place_tells_what_stands_there_and_whether_that_is_right() {
        let right = format!("docker.io/library/python:3.12@{DIGEST}");
        let text = format!("a:\n- image: \"{right}\"\n- image: python:3\n");
        check("a.yaml", Some(text.as_bytes()), &format!("2 = {right}; 3 ! python:3"));
    }

    #[test]
    fn a_place_that_is_not_there_is_told_unless_there_are_other_files() {
        check("a.yaml", Some(b"b: 1"), "`a.yaml` has no `a`");
        check("*.yaml", Some(b"b: 1"), "");
        check("*.yaml", Some(b"a: [{image: {}}]"), "a list or map stands where a text is to be written");
        check("a.yaml", None, "the target names `a.yaml`, which does not exist");
        check("a.yaml", Some(b"\xff"), "the target names `a.yaml`, which is no text in UTF-8");
    }
}
