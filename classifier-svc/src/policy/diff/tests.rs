//! Every kind of change is named, and nothing else.

use super::*;

const OLD: &str = "\
verbs:
  send: { class: acting, terms: [send, mail] }
objects:
  money: [money]
rules:
  - { id: a, title: A, category: c, risk: AMBER, reason: why, when: [{ verb: [send] }] }
  - { id: b, title: B, category: c, risk: GREEN, reason: why, when: [{ class: reading, frame: asked }] }
";
const NEW: &str = "\
internal_domains: [example.org]
verbs:
  send: { class: acting, terms: [send, post] }
objects:
  money: [money]
  gold: [gold]
rules:
  - { id: a, title: A, category: c, risk: RED, reason: because, alternative: ask, when: [{ verb: [send], object: [money] }] }
  - { id: c, title: C, category: c, risk: GREEN, reason: why, when: [{ frame: asked }] }
";

fn source(text: &str) -> Source {
    let (source, refusals) = Source::parse(&[("t.yaml", text)]);
    assert!(refusals.is_empty(), "{refusals:?}");
    source
}

#[test]
fn equal_policies_do_not_differ() {
    assert!(diff(&source(OLD), &source(OLD)).is_empty());
}

#[test]
fn rules_are_compared_field_by_field() {
    let found = diff(&source(OLD), &source(NEW));
    assert_eq!((found.added.len(), found.removed.len(), found.changed.len()), (1, 1, 1));
    assert_eq!(
        (found.added[0].rule.as_str(), found.removed[0].rule.as_str()),
        ("c", "b")
    );
    let changes: Vec<(&str, Option<&str>, Option<&str>)> = found.changed[0]
        .changes
        .iter()
        .map(|change| (change.field, change.old.as_deref(), change.new.as_deref()))
        .collect();
    assert_eq!(
        changes,
        [
            ("risk", Some("AMBER"), Some("RED")),
            ("reach", Some("instruct"), Some("imply")),
            ("reason", Some("why"), Some("because")),
            ("alternative", None, Some("ask")),
            ("condition", Some("{ verb: [send] }"), None),
            ("condition", None, Some("{ verb: [send], object: [money] }")),
        ]
    );
}

#[test]
fn lexicons_and_settings_are_compared_too() {
    let found = diff(&source(OLD), &source(NEW));
    assert_eq!(found.settings, ["internal_domains"]);
    let names: Vec<&str> = found.concepts.iter().map(|changed| changed.concept.as_str()).collect();
    assert_eq!(names, ["gold", "send"]);
    assert_eq!(
        (&found.concepts[1].added[..], &found.concepts[1].removed[..]),
        (&["post".to_owned()][..], &["mail".to_owned()][..])
    );
}
