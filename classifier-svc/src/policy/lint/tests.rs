//! What lint finds in small policies, and that it leaves sound ones alone.

use super::*;

const HEAD: &str = "\
name: t
version: '1'
verbs:
  send: { class: acting, terms: [send] }
  post: { class: acting, terms: [post] }
objects:
  money: [money]
  secret: [secret]
  nothing: []
";

fn findings(rules: &str) -> Vec<(Level, Kind, u64, String)> {
    let text = format!("{HEAD}rules:\n{rules}");
    let (source, mut refusals) = Source::parse(&[("t.yaml", &text)]);
    let (copy, _) = Source::parse(&[("t.yaml", &text)]);
    copy.compile(&mut refusals);
    lint(&source, &refusals)
        .into_iter()
        .map(|found| {
            let line = found.place.map_or(0, |place| place.line);
            (found.level, found.kind, line, found.message)
        })
        .filter(|(_, kind, ..)| *kind != Kind::Unused)
        .collect()
}

fn rule(id: &str, risk: &str, when: &str) -> String {
    format!(
        "  - {{ id: {id}, title: T, category: c, reason: why, alternative: other, risk: {risk}, when: [{when}] }}\n"
    )
}

#[test]
fn a_sound_policy_has_no_findings() {
    let rules = rule("a", "RED", "{ verb: [send], object: [money] }") + &rule("b", "AMBER", "{ verb: [send, post] }");
    assert_eq!(findings(&rules), []);
}

#[test]
fn every_refusal_is_found_with_its_line() {
    let rules = "  - { id: a, title: T, category: c, reason: why, risk: RED, when: [{ verb: [send] }] }\n".to_owned()
        + &rule("b", "AMBER", "{ verb: [sned] }")
        + &rule("c", "AMBER", "{ verb: [send], object: [money] }")
        + &rule("c", "AMBER", "{ verb: [post], object: [money] }");
    let found = findings(&rules);
    let refused: Vec<_> = found.iter().filter(|found| found.1 == Kind::Refused).collect();
    assert_eq!(refused.iter().map(|found| found.2).collect::<Vec<_>>(), [11, 12, 14]);
    assert!(refused[0].3.contains("offers no alternative"), "{refused:?}");
    assert!(refused[1].3.contains("unknown concept `sned`"), "{refused:?}");
    assert!(refused[2].3.contains("rule `c` is defined twice"), "{refused:?}");
}

#[test]
fn conditions_that_cant_hold_are_found() {
    let found = findings(&rule(
        "a",
        "AMBER",
        "{ verb: [send], object: [nothing] }, { verb: [post] }",
    ));
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].0, found[0].1), (Level::Warning, Kind::Unreachable));
    let found = findings(&rule(
        "a",
        "AMBER",
        "{ verb: [send], object: [money], without: [money] }",
    ));
    assert!(found.iter().all(|found| found.0 == Level::Error), "{found:?}");
    assert!(found[1].3.contains("rule `a` is unreachable"), "{found:?}");
    let found = findings(&rule("a", "AMBER", "{ class: composing }"));
    assert!(found[0].3.contains("no verb is of its `class`"), "{found:?}");
}

#[test]
fn a_rule_that_never_decides_is_found() {
    let rules = rule("weak", "AMBER", "{ verb: [send, post] }")
        + &rule(
            "strong",
            "AMBER",
            "{ verb: [send], object: [money], without: [secret] }",
        );
    let found = findings(&rules);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].1, found[0].2), (Kind::Shadowed, 12));
    assert!(found[0].3.contains("`weak` matches too"), "{found:?}");
}

#[test]
fn what_only_looks_like_a_shadow_is_left_alone() {
    let narrow = "{ verb: [send], object: [money] }";
    for (weak, why) in [
        (rule("weak", "GREEN", "{ verb: [send] }"), "it is less grave"),
        (
            rule("weak", "AMBER", "{ verb: [send], without: [secret] }"),
            "it has an exception",
        ),
        (rule("weak", "AMBER", "{ verb: [post] }"), "it is about another verb"),
        (
            rule("weak", "AMBER", "{ verb: [send], frame: asked }"),
            "it is about questions",
        ),
        (
            rule("weak", "AMBER", "{ verb: [send], group: [staff] }"),
            "it is about some people",
        ),
    ] {
        assert_eq!(findings(&(weak + &rule("narrow", "AMBER", narrow))), [], "{why}");
    }
    let reach = "  - { id: far, title: T, category: c, reason: why, risk: AMBER, reach: imply, when: [{ verb: [send], object: [money] }] }\n";
    assert_eq!(
        findings(&(rule("weak", "AMBER", "{ verb: [send] }") + reach)),
        [],
        "it reaches further"
    );
}

#[test]
fn of_two_equal_rules_the_later_one_is_shadowed() {
    let found = findings(&(rule("one", "AMBER", "{ verb: [send] }") + &rule("two", "AMBER", "{ verb: [send] }")));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].3.starts_with("rule `two`"), "{found:?}");
}

#[test]
fn superfluous_conditions_and_fields_are_found() {
    let found = findings(&rule(
        "a",
        "AMBER",
        "{ verb: [send], object: [money] }, { verb: [send] }",
    ));
    assert_eq!(found[0].1, Kind::Redundant, "{found:?}");
    assert!(found[0].3.starts_with("condition 1"), "{found:?}");
    let found = findings(&rule("a", "AMBER", "{ tool: ['files_*'], with: [money] }"));
    assert_eq!(found[0].1, Kind::Ignored, "{found:?}");
    let found = findings(&rule("a", "AMBER", "{ tool: ['files_*'] }, { tool: [files_read] }"));
    assert!(found[0].3.starts_with("condition 2"), "{found:?}");
}

#[test]
fn concepts_that_nothing_names_are_found() {
    let text = format!(
        "{HEAD}rules:\n{}",
        rule("a", "AMBER", "{ verb: [send], object: [money] }")
    );
    let (source, _) = Source::parse(&[("t.yaml", &text)]);
    let found = lint(&source, &[]);
    let unused: Vec<_> = found.iter().filter(|found| found.kind == Kind::Unused).collect();
    assert_eq!(unused.len(), 3, "{unused:?}");
    assert!(unused[0].message.contains("`post`"), "{unused:?}");
    let cases = untested(&source, &BTreeSet::new());
    assert_eq!(cases[0].message, "rule `a` is matched by no case");
    assert_eq!(untested(&source, &BTreeSet::from(["a".to_owned()])).len(), 0);
}

#[test]
fn failing_tests_are_refusals_and_texts_count_as_cases() {
    let rules = rule("a", "AMBER", "{ verb: [send], object: [money] }") + &rule("b", "AMBER", "{ verb: [post] }");
    let text = format!("{HEAD}rules:\n{rules}tests:\n  - {{ text: send money, risk: GREEN }}\n");
    let examined = |texts: &[&str]| {
        let (source, refusals) = Source::parse(&[("t.yaml", &text)]);
        examine(&source, refusals, texts.iter().copied())
    };
    let found = examined(&[]);
    assert_eq!((found[0].level, found[0].kind), (Level::Error, Kind::Refused));
    assert_eq!(found[0].place.as_ref().unwrap().line, 14);
    let untested = |found: &[Finding]| found.iter().filter(|found| found.kind == Kind::Untested).count();
    assert_eq!((untested(&found), untested(&examined(&["post it"]))), (1, 0));
}

#[test]
fn of_a_policy_that_cant_be_read_only_that_is_said() {
    let rules = format!("rules:\n{}", rule("a", "AMBER", "{ verb: [send] }"));
    let (source, refusals) = Source::parse(&[("lexicon.yaml", "verbs: [send\n"), ("rules.yaml", &rules)]);
    let found = examine(&source, refusals, []);
    assert_eq!(found.len(), 1, "{found:?}");
    let place = found[0].place.as_ref().unwrap();
    assert_eq!((place.file.as_str(), place.line), ("lexicon.yaml", 1));
    assert!(found[0].message.contains("line 1, column 8"), "{found:?}");
}

#[test]
fn the_built_in_policy_has_no_errors() {
    let (source, refusals) = Source::built_in();
    let found = examine(&source, refusals, []);
    assert!(found.iter().all(|found| found.level > Level::Error), "{found:#?}");
}
