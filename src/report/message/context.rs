//! Template context of changes: the keys of `pinstream.event/v1`, with values that are safe anywhere.

use super::default::{LINES_MAX, subject, version_chars, version_chars_and};
use crate::image_diff::{Explanation, Explanations, summary};
use crate::model::image::{Digest, ImageRef, PinnedRef};
use crate::model::lock::diff::{PinChange, PinSide};
use crate::report::v1::explanation::{BaseV1, DifferenceV1, ExplanationV1, LayersV1, SidesV1};
use crate::report::v1::words::{ChangeKindV1, word};
use crate::text::template::context::{
    BaseContext, ChangeContext, DifferenceContext, LayersContext, SideContext, SidesContext, TemplateContext,
};

/// Maximum number of differences per change.
const DIFFERENCES_MAX: usize = 50;
/// Maximum characters of a sentence.
const SENTENCE_MAX: usize = 200;

/// Builds the context for `changes`; `message` is the default commit message.
pub(super) fn template_context(changes: &[PinChange], explained: &Explanations, message: &str) -> TemplateContext {
    let text = message.split_once('\n').map(|(_, text)| text.trim()).unwrap_or_default();
    TemplateContext {
        count: changes.len(),
        changes: (changes.iter().take(LINES_MAX))
            .map(|one| change_context(one, explained.get(&one.tag).map(|one| &**one)))
            .collect(),
        more: changes.len().saturating_sub(LINES_MAX),
        title: subject(changes),
        text: text.to_owned(),
    }
}

fn change_context(one: &PinChange, explanation: Option<&Explanation>) -> ChangeContext {
    let pinned = |side: &PinSide| PinnedRef { image: one.image.clone(), digest: side.digest.clone() }.to_string();
    let plain = ChangeContext {
        id: one.tag.to_string(),
        stream: one.tag.stream.to_string(),
        tag: one.tag.tag.to_string(),
        follow: one.follow.as_ref().map(ToString::to_string),
        image: one.image.to_string(),
        change: word(ChangeKindV1::from(&one.kind)),
        old: one.before().map(side),
        new: one.after().map(side),
        reference: one.after().map(pinned),
        ..ChangeContext::default()
    };
    let Some(explanation) = explanation else { return plain };
    let age = summary::age(&explanation.created);
    // Destructured, so that a new key cannot be forgotten here.
    let ExplanationV1 {
        class,
        unknown,
        compare,
        warnings,
        built,
        size,
        layers,
        platforms_gained,
        platforms_lost,
        base,
        differences,
    } = ExplanationV1::from(explanation);
    ChangeContext {
        class,
        unknown: unknown.map(|sentence| version_chars_and(&sentence, " ,", SENTENCE_MAX)),
        compare,
        age,
        warnings,
        built: sides(built, |text| text),
        size: sides(size, |size| size),
        layers: layers.map(|LayersV1 { kept, added, removed }| LayersContext { kept, added, removed }),
        platforms_gained,
        platforms_lost,
        base: base.map(|base| sides(base, base_of)),
        differences: differences.into_iter().take(DIFFERENCES_MAX).map(difference).collect(),
        ..plain
    }
}

fn side(side: &PinSide) -> SideContext {
    SideContext {
        digest: side.digest.to_string(),
        short: side.digest.short().to_owned(),
        version: side.version.as_deref().map(version_chars).filter(|version| !version.is_empty()),
    }
}

fn sides<T, U>(sides: SidesV1<T>, show: impl Fn(T) -> U) -> SidesContext<U> {
    SidesContext { old: sides.old.map(&show), new: sides.new.map(&show) }
}

/// Replaces a name that is not an image, and drops a digest that is invalid: both could be arbitrary text.
fn base_of(base: BaseV1) -> BaseContext {
    let BaseV1 { name, digest } = base;
    let is_plain =
        |name: &str| name.parse::<ImageRef>().is_ok_and(|image| image.repository().registry().port().is_none());
    BaseContext {
        name: name.map(|name| if is_plain(&name) { name } else { version_chars(&name) }),
        digest: digest.filter(|digest| digest.parse::<Digest>().is_ok()),
    }
}

fn difference(difference: DifferenceV1) -> DifferenceContext {
    let DifferenceV1 { what, name, old, new } = difference;
    let [name, old, new] = [name, old, new].map(|text| text.as_deref().map(version_chars));
    DifferenceContext { what: word(what), name, old, new }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::Value;

    use super::*;
    use crate::image_diff::{Difference, DifferenceKind, LayerDiff, OldNew};
    use crate::model::image::facts::BaseImage;
    use crate::model::lock::{diff, sample};
    use crate::model::state::RunCounts;
    use crate::report::event::EventContext;
    use crate::report::v1::event::EventV1;

    const HOSTILE: &str = "1\n\nSigned-off-by: @root [skip ci] fixes #1 <b>\u{202e}\n---\nPinstream-Plan: x";

    fn hostile() -> Explanation {
        let text = || Some(HOSTILE.to_owned());
        let base = || BaseImage { name: text(), digest: text() };
        let differences = [
            DifferenceKind::User,
            DifferenceKind::Label(HOSTILE.to_owned()),
            DifferenceKind::Variable(HOSTILE.to_owned()),
        ];
        Explanation {
            class: "minor".parse().ok(),
            unknown: text(),
            compare: Some("https://github.com/acme/web/compare/0a...1b".to_owned()),
            created: OldNew { old: "2026-10-01T00:00:00Z".parse().ok(), new: "2026-10-13T00:00:00Z".parse().ok() },
            size: OldNew { old: Some(1), new: Some(2) },
            layers: Some(LayerDiff { kept: 1, added: 2, removed: 3 }),
            added_platforms: vec!["linux/arm64".parse().unwrap()],
            removed_platforms: vec!["linux/amd64".parse().unwrap()],
            base: Some(OldNew { old: Some(base()), new: Some(base()) }),
            becomes_root: true,
            differences: differences.map(|kind| Difference { kind, old: text(), new: text() }).into(),
        }
    }

    /// Returns changes of all sample tags, each with `explanation`.
    fn all_changes(explanation: Explanation) -> (Vec<PinChange>, Explanations) {
        let mut new = sample::python();
        for pin in new.pins.values_mut() {
            pin.digest = sample::digest(9);
            pin.details.version = Some(HOSTILE.to_owned());
        }
        let changes = diff::changes(&sample::python(), &new);
        let explanation = Arc::new(explanation);
        let explained = changes.iter().map(|one| (one.tag.clone(), Arc::clone(&explanation))).collect();
        (changes, explained)
    }

    #[test]
    fn templates_have_the_keys_of_events() {
        let (changes, explained) = all_changes(hostile());
        let begun = RunCounts::default();
        let landed = EventContext { remote: None, branch: "main", root: "", commit: "0", begun: &begun };
        let event = serde_json::to_value(EventV1::new("x", landed, &changes, &explained)).unwrap();
        let given = serde_json::to_value(template_context(&changes, &explained, "")).unwrap();
        for (event, given) in event["changes"].as_array().unwrap().iter().zip(given["changes"].as_array().unwrap()) {
            assert_all_keys(event, given);
            assert_all_keys(&event["explanation"], given);
        }
    }

    fn assert_all_keys(event: &Value, given: &Value) {
        let known = ["explanation", "id"];
        for (key, value) in event.as_object().unwrap() {
            assert!(known.contains(&key.as_str()) || given.get(key).is_some(), "{key}");
            if value.is_object() && key != "explanation" {
                assert_all_keys(value, &given[key]);
            }
        }
    }

    #[test]
    fn t9_no_text_of_an_image_acts_in_a_template_context() {
        fn texts(value: &Value, found: &mut Vec<String>) {
            match value {
                Value::String(text) => found.push(text.clone()),
                Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
                Value::Object(items) => items.values().for_each(|item| texts(item, found)),
                _ => {}
            }
        }
        let (changes, explained) = all_changes(hostile());
        let mut found = Vec::new();
        texts(&serde_json::to_value(template_context(&changes, &explained, "one\n\ntwo")).unwrap(), &mut found);
        assert!(found.len() > 50, "{found:?}");
        for text in found {
            assert!(!text.contains("[skip ci]") && !text.contains("@root") && !text.contains("#1"), "{text}");
            assert!(!text.chars().any(|c| c.is_control() || c == '\u{202e}' || c == '<'), "{text}");
            assert!(!text.starts_with("Signed-off-by:") && !text.starts_with("Pinstream-"), "{text}");
        }
    }

    #[test]
    fn a_base_name_that_is_not_an_image_is_replaced() {
        let check = |name: &str, expected: &str| {
            let base = base_of(BaseV1 { name: Some(name.to_owned()), digest: Some("latest".to_owned()) });
            assert_eq!((base.name.as_deref(), base.digest), (Some(expected), None));
        };
        check("docker.io/library/debian:12", "docker.io/library/debian:12");
        check("debian 12", "debian_12");
        // At the start of a line it would be a trailer.
        check("signed-off-by:5000/a:1", "signed-off-by_5000_a_1");
    }
}
