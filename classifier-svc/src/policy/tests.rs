//! What the loader refuses, and what it says then.

use super::*;

const HEAD: &str =
    "name: t\nversion: '1'\nverbs:\n  send: { class: acting, terms: [send] }\nobjects:\n  money: [money]\n";

fn refused(body: &str) -> String {
    let text = format!("{HEAD}{body}");
    match Policy::parse(&[("t.yaml", &text)]).and_then(Classifier::from_policy) {
        Ok(_) => panic!("accepted: {body}"),
        Err(error) => error.to_string(),
    }
}

fn rule(fields: &str) -> String {
    format!("rules:\n  - {{ id: r, title: T, category: c, reason: why, {fields} }}\n")
}

#[test]
fn the_built_in_policy_passes_its_own_tests() {
    let classifier = Classifier::built_in().unwrap();
    assert!(classifier.policy().rule_count() > 40 && classifier.policy().tests.len() >= 5);
}

#[test]
fn red_without_an_alternative_is_refused() {
    let error = refused(&rule("risk: RED, when: [{ verb: [send] }]"));
    assert_eq!(
        error,
        "policy file `t.yaml`, line 8: rule `r` is RED and offers no alternative"
    );
}

#[test]
fn unknown_names_are_refused() {
    assert!(refused(&rule("risk: AMBER, when: [{ verb: [sned] }]")).contains("unknown concept `sned`"));
    assert!(refused(&rule("risk: AMBER, when: [{ verb: [money] }]")).contains("as a verb"));
    let error = refused(&rule("risk: AMBER, wen: []"));
    assert!(
        error.contains("t.yaml") && error.contains("wen") && error.contains("line"),
        "{error}"
    );
}

#[test]
fn conditions_must_say_something() {
    assert!(refused(&rule("risk: AMBER, when: []")).contains("has no condition"));
    assert!(refused(&rule("risk: AMBER, when: [{ group: [x] }]")).contains("without verb"));
}

#[test]
fn a_policy_that_fails_its_own_tests_is_refused() {
    let error = refused("tests:\n  - { text: 'send money', risk: GREEN }\n");
    assert!(error.contains("`send money` must be GREEN"), "{error}");
}

#[test]
fn concepts_are_defined_once() {
    let second = "verbs:\n  send: { class: acting, terms: [mail] }\n";
    let error = Policy::parse(&[("a.yaml", HEAD), ("b.yaml", second)])
        .map(|_| ())
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "policy file `b.yaml`, line 2: concept `send` is defined twice"
    );
}

#[test]
fn the_digest_covers_every_byte_and_border() {
    let digest = |files: &[(&str, &str)]| source::digest(files);
    assert_ne!(digest(&[("a", "xy")]), digest(&[("a", "x"), ("y", "")]));
    assert_ne!(digest(&[("a", "x")]), digest(&[("a", "y")]));
}
