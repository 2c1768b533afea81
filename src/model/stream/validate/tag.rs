//! Validates the tags of a stream.

use std::ops::Range;
use std::sync::Arc;

use super::select_keys::SelectKeys;
use crate::model::image::{Digest, FollowedTag, Platform, StreamName, defined_image, defined_repository};
use crate::model::settings::ImportSettings;
use crate::model::settings::adoption_rules::{AdoptionRules, Hold, OnRollback};
use crate::model::settings::schedule::Schedules;
use crate::model::settings::table::ImportTable;
use crate::model::settings::user_text::{annotations, is_text};
use crate::model::settings::verify::{self, TrustFile};
use crate::model::stream::table::{HoldTable, TagEntry, TagTable};
use crate::model::stream::{Tag, TagSource, follow};
use crate::text::diagnostics::{At, Diagnostics};
use crate::text::escape::excerpt;
use crate::text::toml::{StringOr, timestamp};

/// The maximum number of digests that a tag may reject.
const REJECT_MAX: usize = 1_000;

/// Reads the tags of one stream.
pub(super) struct TagReader<'a, 'b> {
    pub(super) stream: &'a StreamName,
    pub(super) defaults: &'a ImportSettings,
    pub(super) schedules: &'a mut Schedules,
    pub(super) findings: Diagnostics<'b>,
    /// The files named by `verify` of the stream and its tags, in order.
    pub(super) anchors: Vec<TrustFile>,
}

impl TagReader<'_, '_> {
    /// Validates a tag; for a follower, also returns the position of the followed name. `None` if it has problems;
    /// `whole` means that it was read completely.
    pub(super) fn tag(
        &mut self,
        key: &At<String>,
        entry: At<TagEntry>,
        whole: bool,
    ) -> Option<(Tag, Option<Range<usize>>)> {
        let table = match entry.value {
            StringOr::Text(value) => {
                let image = self.findings.accept(&entry.span, defined_image(&value))?;
                let source = TagSource::Image { image, platform: None };
                return Some((Tag::new(source, self.defaults.clone()), None));
            }
            StringOr::Table(table) => *table,
        };
        let before = self.findings.problems.len();
        let sources = [("image", &table.image), ("follow", &table.follow), ("repository", &table.repository)];
        let written: Vec<_> = sources.into_iter().filter_map(|(key, text)| Some((key, text.as_ref()?))).collect();
        let (source, text) = match written.as_slice() {
            [] => {
                if whole {
                    let message = format!("tag `{}` has no source", excerpt(&key.value));
                    let help = "add `image = \"registry/repository:tag\"`, `follow = \"stream:tag\"`, or \
                                `repository = \"registry/repository\"` with `semver` or `pattern`";
                    self.findings.report(&key.span, message, help);
                }
                return None;
            }
            [(source, text)] => (*source, (*text).clone()),
            [(first, _), (second, text), ..] => {
                let message = format!("tag `{}` has both `{first}` and `{second}`", excerpt(&key.value));
                self.findings.report(&text.span, message, "remove one of them");
                return None;
            }
        };
        let rule = SelectKeys { semver: &table.semver, pattern: &table.pattern, order: &table.order };
        if let (Some((key, span)), "image" | "follow") = (rule.first(), source) {
            let message = format!("`{key}` and `{source}` exclude each other");
            self.findings.report(span, message, "use it with `repository`");
        }
        let tag = if source == "follow" {
            self.follow(&text, table)
        } else {
            let platform = table.platform.as_ref().and_then(|text| self.findings.parse(text));
            let source = match source {
                "image" => self.image(&text, &table, platform),
                _ => self.selected(&text, &rule, platform),
            };
            self.imported(source, table)
        };
        let right = whole && self.findings.problems.len() == before;
        let place = (source == "follow").then_some(text.span);
        tag.filter(|_| right).map(|tag| (tag, place))
    }

    fn image(&mut self, written: &At<String>, table: &TagTable, platform: Option<Platform>) -> Option<TagSource> {
        let image = self.findings.accept(&written.span, defined_image(&written.value))?;
        if let (Some(schedule), Some(_)) = (&table.schedule, image.digest()) {
            let help = "remove the schedule, or name a tag without its digest";
            self.findings.report(&schedule.span, "`schedule` has no effect on an image with a digest", help);
        }
        Some(TagSource::Image { image, platform })
    }

    fn selected(
        &mut self,
        written: &At<String>,
        rule: &SelectKeys<'_>,
        platform: Option<Platform>,
    ) -> Option<TagSource> {
        let repository = self.findings.accept(&written.span, defined_repository(&written.value));
        if rule.first().is_none() {
            let help = "add e.g. `semver = \">=1\"`, or `pattern` and `order`";
            self.findings.report(&written.span, "`repository` without `semver` or `pattern`", help);
        }
        let select = rule.read(&mut self.findings);
        Some(TagSource::Select { repository: repository?, select: Arc::new(select?), platform })
    }

    /// Validates the keys of a tag that is resolved, besides its source.
    fn imported(&mut self, source: Option<TagSource>, table: TagTable) -> Option<Tag> {
        let findings = &mut self.findings;
        if let (Some(_), Some(platforms)) = (&table.platform, &table.platforms) {
            let help =
                "use `platform` to pin one platform's own digest, or `platforms` to require platforms of the index";
            findings.report(&platforms.span, "`platform` and `platforms` exclude each other", help);
        }
        let TagTable { schedule, timezone, platforms, soak, on_rollback, verify, ignore, allow, .. } = table;
        let written =
            ImportTable { schedule, timezone, platforms, soak, on_rollback, verify, ignore, allow, budget: None };
        let anchor = verify::trust_file(written.verify.as_ref(), findings);
        self.anchors.extend(anchor.filter(|own| self.anchors.last().is_none_or(|last| !last.is_same_file(own))));
        let mut import = written.overlay(self.defaults, self.schedules, findings);
        if let (Some(timezone), None, None) = (&written.timezone, &written.schedule, &import.schedule) {
            let help = "add a schedule, or remove the time zone";
            findings.report(&timezone.span, "`timezone` without `schedule`", help);
        }
        import.adoption = own_rules(table.hold, &table.reject, import.adoption, findings);
        if table.platform.is_some() {
            import.platforms = Arc::default();
        }
        let annotations = annotations(table.annotations, findings);
        Some(Tag { annotations, ..Tag::new(source?, import) })
    }

    fn follow(&mut self, written: &At<String>, table: TagTable) -> Option<Tag> {
        let findings = &mut self.findings;
        let own = [
            ("platform", table.platform.as_ref().map(|text| &text.span)),
            ("platforms", table.platforms.as_ref().map(|list| &list.span)),
            ("schedule", table.schedule.as_ref().map(|text| &text.span)),
            ("timezone", table.timezone.as_ref().map(|text| &text.span)),
            ("verify", table.verify.as_ref().map(|table| &table.span)),
        ];
        for (key, span) in own.into_iter().filter_map(|(key, span)| Some((key, span?))) {
            let message = format!("`{key}` and `follow` exclude each other");
            findings.report(span, message, format!("move it to `{}`", excerpt(&written.value)));
        }
        // The followed tag has passed these rules already; a follower goes along with it, also back.
        let along = Arc::new(AdoptionRules { on_rollback: OnRollback::Allow, ..AdoptionRules::default() });
        let TagTable { soak, on_rollback, ignore, allow, .. } = table;
        let rules = ImportTable { soak, on_rollback, ignore, allow, ..ImportTable::default() };
        let adoption = rules.adoption(Some(&along), findings);
        let adoption = own_rules(table.hold, &table.reject, adoption, findings);
        let annotations = annotations(table.annotations, findings);
        let (source, adoption) = match findings.accept(&written.span, follow::target(&written.value, self.stream))? {
            FollowedTag::Local(tag) => (TagSource::Follow(tag), adoption.filter(|rules| *rules != along)),
            // A tag of another repository is resolved by us, so that a change to it can be reverted.
            FollowedTag::Remote(tag) => (TagSource::Remote(*tag), adoption),
        };
        Some(Tag { annotations, ..Tag::new(source, ImportSettings { adoption, ..ImportSettings::default() }) })
    }
}

/// Adds the rules that only tags have: `hold` and `reject`.
fn own_rules(
    hold: Option<At<StringOr<HoldTable>>>,
    reject: &[At<String>],
    rules: Option<Arc<AdoptionRules>>,
    findings: &mut Diagnostics<'_>,
) -> Option<Arc<AdoptionRules>> {
    if hold.is_none() && reject.is_empty() {
        return rules;
    }
    let mut rules = rules.map(Arc::unwrap_or_clone).unwrap_or_default();
    rules.hold = hold.map(|hold| read_hold(hold, findings));
    if let Some(more) = reject.get(REJECT_MAX) {
        let message = format!("more than {REJECT_MAX} digests are rejected");
        findings.report(&more.span, message, "remove digests that the registry no longer serves");
        return None;
    }
    for text in reject {
        let Some(digest) = findings.parse::<Digest>(text) else { continue };
        if rules.reject.contains(&digest) {
            findings.report(&text.span, "duplicate digest", "remove one of them");
        }
        rules.reject.push(digest);
    }
    Some(Arc::new(rules))
}

fn read_hold(written: At<StringOr<HoldTable>>, findings: &mut Diagnostics<'_>) -> Hold {
    let HoldTable { reason, until } = match written.value {
        StringOr::Text(value) => HoldTable { reason: Some(At { value, span: written.span }), until: None },
        StringOr::Table(table) => *table,
    };
    let reason = reason.filter(|reason| is_text(reason, findings)).map(|reason| reason.value);
    let until = until.and_then(|until| {
        let moment = timestamp(until.value);
        if moment.is_none() {
            let help = "write e.g. `2026-12-01` or `2026-12-01T08:00:00Z`, without quotes";
            findings.report(&until.span, "invalid date", help);
        }
        moment
    });
    Hold { reason, until }
}
