//! Overlays import settings: root, then stream, then tag, key by key.

use std::sync::Arc;

use super::adoption_rules::AdoptionRules;
use super::schedule::Schedules;
use super::table::ImportTable;
use super::user_text::LIST_MAX;
use super::{ImportSettings, duration, verify};
use crate::model::image::Platform;
use crate::model::image::class::ChangeClass;
use crate::text::diagnostics::{At, Diagnostics};

impl ImportTable {
    /// Overlays these settings on `defaults`.
    pub(crate) fn overlay(
        &self,
        defaults: &ImportSettings,
        schedules: &mut Schedules,
        findings: &mut Diagnostics<'_>,
    ) -> ImportSettings {
        let own = self.timezone.as_ref().and_then(|name| findings.accept(&name.span, schedules.zone(&name.value)));
        let timezone = own.or_else(|| defaults.timezone.clone());
        let utc = jiff::tz::TimeZone::UTC;
        let zone = timezone.as_ref().unwrap_or(&utc);
        let schedule = match &self.schedule {
            Some(text) => findings.accept(&text.span, schedules.schedule(&text.value, zone)),
            None => defaults.schedule.as_ref().map(|schedule| schedule.in_zone(zone)),
        };
        let platforms = match &self.platforms {
            Some(written) => platforms(&written.value, findings).into(),
            None => Arc::clone(&defaults.platforms),
        };
        let adoption = self.adoption(defaults.adoption.as_ref(), findings);
        ImportSettings { schedule, timezone, platforms, adoption }
    }

    /// Overlays the adoption rules on `defaults`; the same `Arc` if there are none here.
    pub(crate) fn adoption(
        &self,
        defaults: Option<&Arc<AdoptionRules>>,
        findings: &mut Diagnostics<'_>,
    ) -> Option<Arc<AdoptionRules>> {
        let Self { soak, on_rollback, ignore, allow, verify: signed, .. } = self;
        if soak.is_none() && on_rollback.is_none() && ignore.is_none() && allow.is_none() && signed.is_none() {
            return defaults.cloned();
        }
        let mut adoption = defaults.map(|defaults| AdoptionRules::clone(defaults)).unwrap_or_default();
        if let Some(text) = soak {
            adoption.soak = findings.accept(&text.span, duration::parse(&text.value));
        }
        if let Some(text) = on_rollback {
            adoption.on_rollback = findings.parse(text).unwrap_or_default();
        }
        if let Some(words) = ignore {
            adoption.ignore = words.iter().filter_map(|word| findings.parse::<ChangeClass>(word)).collect();
        }
        if let Some(text) = allow {
            adoption.allow = findings.parse(text);
        }
        if let Some(table) = signed {
            adoption.verify = verify::verify(table, findings);
        }
        Some(Arc::new(adoption))
    }
}

/// Validates a list of platforms without duplicates.
fn platforms(written: &[At<String>], findings: &mut Diagnostics<'_>) -> Vec<Platform> {
    let mut platforms: Vec<Platform> = Vec::new();
    if let Some(more) = written.get(LIST_MAX) {
        findings.report(&more.span, format!("more than {LIST_MAX} platforms"), "list only those you need");
        return platforms;
    }
    for text in written {
        let Some(platform) = findings.parse(text) else { continue };
        if platforms.contains(&platform) {
            findings.report(&text.span, format!("duplicate platform `{platform}`"), "remove one of them");
        } else {
            platforms.push(platform);
        }
    }
    platforms
}
