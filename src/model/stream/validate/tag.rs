//! Validates the tags of a stream.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use super::select_keys::SelectKeys;
use crate::model::image::{Digest, FollowedTag, ImageRef, Platform, Repository, StreamName};
use crate::model::settings::ImportSettings;
use crate::model::settings::adoption_rules::{AdoptionRules, Hold, OnRollback};
use crate::model::settings::import_overlay::ImportOverlay;
use crate::model::settings::schedule::Schedules;
use crate::model::settings::user_text::{annotations, is_text};
use crate::model::settings::verify::{self, TrustFile};
use crate::model::stream::table::{HoldTable, TagEntry, TagTable};
use crate::model::stream::{Tag, TagSource, follow};
use crate::text::diagnostics::{At, Diagnostics};
use crate::text::escape::excerpt;
use crate::text::toml::StringOr;

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

/// The keys of a tag that is resolved, besides its source.
struct ImportKeys {
    platform: Option<Platform>,
    platforms: Vec<Platform>,
    import: ImportSettings,
    annotations: BTreeMap<String, String>,
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
                let image = self.findings.parse(&At { value, span: entry.span })?;
                return Some((self.plain(image), None));
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
        let tag = match source {
            "image" => self.image(&text, table),
            "follow" => self.follow(&text, table),
            _ => self.selected(&text, table),
        };
        let right = whole && self.findings.problems.len() == before;
        let place = (source == "follow").then_some(text.span);
        tag.filter(|_| right).map(|tag| (tag, place))
    }

    /// Creates a tag with an image and nothing else.
    fn plain(&self, image: ImageRef) -> Tag {
        let source = TagSource::Image { image, platform: None };
        let ImportSettings { schedule, platforms, adoption, .. } = self.defaults.clone();
        Tag { source, platforms, schedule, adoption, annotations: Default::default(), discovered: false }
    }

    fn image(&mut self, written: &At<String>, table: TagTable) -> Option<Tag> {
        self.no_select_keys(&table, "image");
        let image: Option<ImageRef> = self.findings.parse(written);
        if let (Some(schedule), Some(true)) = (&table.schedule, image.as_ref().map(|image| image.digest().is_some())) {
            let help = "remove the schedule, or name a tag without its digest";
            self.findings.report(&schedule.span, "`schedule` has no effect on an image with a digest", help);
        }
        let ImportKeys { platform, platforms, import, annotations } = self.imported(table);
        let source = TagSource::Image { image: image?, platform };
        Some(Tag {
            source,
            platforms,
            schedule: import.schedule,
            adoption: import.adoption,
            annotations,
            discovered: false,
        })
    }

    fn selected(&mut self, written: &At<String>, table: TagTable) -> Option<Tag> {
        let repository: Option<Repository> = self.findings.parse(written);
        let rule = select_keys(&table);
        if rule.first().is_none() {
            let help = "add e.g. `semver = \">=1\"`, or `pattern` and `order`";
            self.findings.report(&written.span, "`repository` without `semver` or `pattern`", help);
        }
        let select = rule.read(&mut self.findings);
        let ImportKeys { platform, platforms, import, annotations } = self.imported(table);
        let source = TagSource::Select { repository: repository?, select: Arc::new(select?), platform };
        Some(Tag {
            source,
            platforms,
            schedule: import.schedule,
            adoption: import.adoption,
            annotations,
            discovered: false,
        })
    }

    /// Validates the import keys of a tag.
    fn imported(&mut self, table: TagTable) -> ImportKeys {
        let findings = &mut self.findings;
        let platform: Option<Platform> = table.platform.as_ref().and_then(|text| findings.parse(text));
        if let (Some(_), Some(platforms)) = (&table.platform, &table.platforms) {
            let help =
                "use `platform` to pin one platform's own digest, or `platforms` to require platforms of the index";
            findings.report(&platforms.span, "`platform` and `platforms` exclude each other", help);
        }
        let written = overlay_of(&table);
        let anchor = verify::trust_file(written.verify, findings);
        self.anchors.extend(anchor.filter(|own| self.anchors.last().is_none_or(|last| !last.is_same_file(own))));
        let mut import = written.overlay(self.defaults, self.schedules, findings);
        if let (Some(timezone), None, None) = (&table.timezone, &table.schedule, &import.schedule) {
            let help = "add a schedule, or remove the time zone";
            findings.report(&timezone.span, "`timezone` without `schedule`", help);
        }
        import.adoption = own_rules(&table, import.adoption, findings);
        let annotations = annotations(table.annotations, findings);
        let platforms = if platform.is_some() { Vec::new() } else { std::mem::take(&mut import.platforms) };
        ImportKeys { platform, platforms, import, annotations }
    }

    fn follow(&mut self, written: &At<String>, table: TagTable) -> Option<Tag> {
        self.no_select_keys(&table, "follow");
        let findings = &mut self.findings;
        let own = [
            ("platform", table.platform.as_ref().map(|text| &text.span)),
            ("platforms", table.platforms.as_ref().map(|list| &list.span)),
            ("schedule", table.schedule.as_ref().map(|text| &text.span)),
            ("timezone", table.timezone.as_ref().map(|text| &text.span)),
            ("verify", table.verify.as_ref().map(|table| &table.span)),
        ];
        for (key, span) in own.into_iter().filter_map(|(key, span)| span.map(|span| (key, span))) {
            let message = format!("`{key}` and `follow` exclude each other");
            findings.report(span, message, format!("move it to `{}`", excerpt(&written.value)));
        }
        // The followed tag has passed these rules already; a follower goes along with it, also back.
        let along = Arc::new(AdoptionRules { on_rollback: OnRollback::Allow, ..AdoptionRules::default() });
        let rules = ImportOverlay { verify: None, ..overlay_of(&table) };
        let adoption = rules.adoption(Some(&along), findings);
        let adoption = own_rules(&table, adoption, findings);
        let annotations = annotations(table.annotations, findings);
        let (source, adoption) = match findings.accept(&written.span, follow::target(&written.value, self.stream))? {
            FollowedTag::Local(tag) => (TagSource::Follow(tag), adoption.filter(|rules| *rules != along)),
            // A tag of another repository is resolved by us, so that a change to it can be reverted.
            FollowedTag::Remote(tag) => (TagSource::Remote(*tag), adoption),
        };
        Some(Tag { source, platforms: Vec::new(), schedule: None, adoption, annotations, discovered: false })
    }

    /// Reports a selection rule without a repository.
    fn no_select_keys(&mut self, table: &TagTable, source: &str) {
        if let Some((key, span)) = select_keys(table).first() {
            let message = format!("`{key}` and `{source}` exclude each other");
            self.findings.report(span, message, "use it with `repository`");
        }
    }
}

fn select_keys(table: &TagTable) -> SelectKeys<'_> {
    SelectKeys { semver: table.semver.as_ref(), pattern: table.pattern.as_ref(), order: table.order.as_ref() }
}

fn overlay_of(table: &TagTable) -> ImportOverlay<'_> {
    ImportOverlay {
        schedule: table.schedule.as_ref(),
        timezone: table.timezone.as_ref(),
        platforms: table.platforms.as_ref().map(|list| list.value.as_slice()),
        soak: table.soak.as_ref(),
        on_rollback: table.on_rollback.as_ref(),
        ignore: table.ignore.as_deref(),
        allow: table.allow.as_ref(),
        verify: table.verify.as_ref(),
    }
}

/// Adds the rules that only tags have: `hold` and `reject`.
fn own_rules(
    table: &TagTable,
    rules: Option<Arc<AdoptionRules>>,
    findings: &mut Diagnostics<'_>,
) -> Option<Arc<AdoptionRules>> {
    if table.hold.is_none() && table.reject.is_empty() {
        return rules;
    }
    let mut rules = rules.map(Arc::unwrap_or_clone).unwrap_or_default();
    rules.hold = table.hold.as_ref().map(|hold| read_hold(hold, findings));
    if let Some(more) = table.reject.get(REJECT_MAX) {
        findings.report(
            &more.span,
            format!("more than {REJECT_MAX} digests are rejected"),
            "remove digests that the registry no longer serves",
        );
        return None;
    }
    for text in &table.reject {
        let Some(digest) = findings.parse::<Digest>(text) else { continue };
        if rules.reject.contains(&digest) {
            findings.report(&text.span, "duplicate digest", "remove one of them");
        }
        rules.reject.push(digest);
    }
    Some(Arc::new(rules))
}

fn read_hold(written: &At<StringOr<HoldTable>>, findings: &mut Diagnostics<'_>) -> Hold {
    match &written.value {
        StringOr::Text(reason) => {
            let reason = At { value: reason.clone(), span: written.span.clone() };
            Hold { reason: is_text(&reason, findings).then_some(reason.value), until: None }
        }
        StringOr::Table(table) => {
            let reason = table.reason.as_ref().filter(|reason| is_text(reason, findings));
            let until = table.until.as_ref().and_then(|until| {
                let moment = until.value.timestamp();
                if moment.is_none() {
                    let help = "write e.g. `2026-12-01` or `2026-12-01T08:00:00Z`, without quotes";
                    findings.report(&until.span, "invalid date", help);
                }
                moment
            });
            Hold { reason: reason.map(|reason| reason.value.clone()), until }
        }
    }
}
