//! Lines and columns of a text, as editors and forges count them.

use std::ops::Range;

/// The byte offsets at which the lines of a text start.
#[derive(Debug)]
pub struct LineIndex(pub(crate) Vec<usize>);

/// A range of a text in lines and columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceSpan {
    /// First line, from 1.
    pub line: usize,
    /// Column in the first line, from 1, in UTF-16 code units, as editors and forges count.
    pub column: usize,
    /// Last line.
    pub end_line: usize,
    /// Column in the last line just past the range.
    pub end_column: usize,
}

/// Returns line and column of a position, counted from 1, in characters.
pub(crate) fn position(text: &str, at: usize) -> Option<(usize, usize)> {
    let before = text.get(..at)?;
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    Some((before.matches('\n').count() + 1, before[line_start..].chars().count() + 1))
}

impl LineIndex {
    /// Indexes the lines of `text`.
    pub fn new(text: &str) -> Self {
        Self(std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect())
    }

    /// Returns the number, from 1, of the line that contains byte `at`.
    pub(crate) fn line_number(&self, at: usize) -> usize {
        self.0.partition_point(|start| *start <= at)
    }

    /// Converts the byte range `range` of the same text; `None` if it is not within the text.
    pub(crate) fn span(&self, text: &str, range: &Range<usize>) -> Option<SourceSpan> {
        let place = |at: usize| {
            let line = self.line_number(at);
            let before = text.get(self.0[line - 1]..at)?;
            Some((line, before.encode_utf16().count() + 1))
        };
        let (line, column) = place(range.start)?;
        let (end_line, end_column) = place(range.end.max(range.start))?;
        Some(SourceSpan { line, column, end_line, end_column })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(range: Range<usize>, expected: Option<[usize; 4]>) {
        let text = "a\n\u{1f40d} = é\r\n";
        let found = LineIndex::new(text).span(text, &range);
        assert_eq!(found.map(|span| [span.line, span.column, span.end_line, span.end_column]), expected, "{range:?}");
    }

    #[test]
    fn columns_are_counted_in_utf_16_code_units() {
        check(0..1, Some([1, 1, 1, 2]));
        check(2..6, Some([2, 1, 2, 3]));
        check(9..11, Some([2, 6, 2, 7]));
        check(0..6, Some([1, 1, 2, 3]));
        check(13..13, Some([3, 1, 3, 1]));
    }

    #[test]
    fn a_range_outside_the_text_has_no_position() {
        check(3..6, None);
        check(99..100, None);
    }
}
