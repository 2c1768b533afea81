//! Validates the rule that selects tags of a repository, for a tag and for `[discover]`.

use std::ops::Range;

use crate::model::image::defined_repository;
use crate::model::settings::ImportSettings;
use crate::model::stream::Discovery;
use crate::model::stream::select::{Order, Pattern, Select};
use crate::model::stream::table::DiscoverTable;
use crate::text::diagnostics::{At, Diagnostics};
use crate::text::escape::excerpt;

/// The default `limit` of `[discover]`.
const LIMIT: usize = 50;
/// The largest `limit` of `[discover]`.
const LIMIT_MAX: usize = 10_000;

/// The keys of a selection rule.
pub(super) struct SelectKeys<'a> {
    pub(super) semver: &'a Option<At<String>>,
    pub(super) pattern: &'a Option<At<String>>,
    pub(super) order: &'a Option<At<String>>,
}

impl SelectKeys<'_> {
    /// Returns name and position of its first key, if any.
    pub(super) fn first(&self) -> Option<(&'static str, &Range<usize>)> {
        let keys = [("semver", self.semver), ("pattern", self.pattern), ("order", self.order)];
        keys.into_iter().find_map(|(key, text)| Some((key, &text.as_ref()?.span)))
    }

    /// Validates the rule; `None` if it has problems or no keys.
    pub(super) fn read(&self, findings: &mut Diagnostics<'_>) -> Option<Select> {
        let pattern = self.pattern.as_ref().map(|text| findings.accept(&text.span, Pattern::new(&text.value)));
        let range = self.semver.as_ref().map(|text| findings.parse(text));
        let order = match (self.order.as_ref().map(|order| (order, order.value.as_str())), range) {
            (None | Some((_, "semver")), Some(range)) => range.map(|range| Order::Semver(Some(range))),
            (Some((order, _)), Some(_)) => {
                let help = "remove `order`; `semver` implies it";
                findings.report(&order.span, "`semver` and another `order` exclude each other", help);
                None
            }
            (Some((_, "semver")), None) => Some(Order::Semver(None)),
            (Some((_, "number")), None) => Some(Order::Number),
            (Some((_, "alphabet")), None) => Some(Order::Alphabet),
            (Some((order, word)), None) => {
                let message = format!("invalid value `{}` for `order`", excerpt(word));
                findings.report(&order.span, message, "write `semver`, `number` or `alphabet`");
                None
            }
            (None, None) => {
                if let Some(pattern) = &self.pattern {
                    let help = "add `order = \"number\"`, `\"alphabet\"` or `\"semver\"`; the highest tag is selected";
                    findings.report(&pattern.span, "`pattern` without `order`", help);
                }
                None
            }
        };
        Some(Select { pattern: pattern.map_or(Some(None), |read| read.map(Some))?, order: order? })
    }
}

/// Validates `[discover]`; `None` if it has problems. `whole` means that it was read completely.
pub(super) fn discover(
    table: At<DiscoverTable>,
    import: &ImportSettings,
    whole: bool,
    findings: &mut Diagnostics<'_>,
) -> Option<Discovery> {
    let before = findings.problems.len();
    let At { value: table, span } = table;
    let written = SelectKeys { semver: &table.semver, pattern: &table.pattern, order: &table.order };
    let all = Some(Select { pattern: None, order: Order::Priority });
    let select = if written.first().is_some() { written.read(findings) } else { all };
    let limit = table.limit.as_ref().and_then(|limit| findings.in_range(limit, "limit", LIMIT_MAX, "write"));
    let limit = limit.unwrap_or(LIMIT);
    let repository = match &table.repository {
        Some(text) => findings.accept(&text.span, defined_repository(&text.value)),
        None => {
            if whole {
                let help = "add `repository = \"registry/repository\"`";
                findings.report(&span, "`[discover]` has no `repository`", help);
            }
            None
        }
    };
    let import = import.clone();
    let right = findings.problems.len() == before && whole;
    right.then_some(Discovery { repository: repository?, select: select?, limit, import })
}
