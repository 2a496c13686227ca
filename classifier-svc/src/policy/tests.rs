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

const GARDEN: &str = "\
name: garden
version: '1'
parent: built-in
rules:
  - { id: ours.roses, title: Mulches, category: garden, risk: RED, reason: the roses are left alone, alternative: Ask., when: [{ verb: [mulch-it], object: [roses] }] }
verbs:
  mulch-it: { class: acting, terms: [mulch] }
objects:
  roses: [roses]
exceptions:
  - id: roses.of-support
    lowers: ours.roses
    to: AMBER
    reason: support looks after them until the gardener is back
    scope: { tenant: [acme], group: [support] }
    expires: 2027-01-01T00:00:00Z
tests:
  - { text: Mulch the roses., risk: RED }
  - { text: Mulch the roses., risk: AMBER, tenant: acme, group: [support], at: '2026-12-31T23:59:59Z' }
  - { text: Mulch the roses., risk: RED, tenant: acme, group: [support], at: '2027-01-01T00:00:00Z' }
";

fn garden() -> Classifier {
    Policy::parse(&[("p.yaml", GARDEN)])
        .and_then(Classifier::from_policy)
        .unwrap()
}

fn support(time: &str) -> Context {
    Context {
        tenant: Some("acme".to_owned()),
        groups: vec!["support".to_owned()],
        now: chassis::time::parse_rfc3339(time),
        ..Context::default()
    }
}

#[test]
fn an_exception_lowers_its_rule_for_its_scope_and_time_and_says_so() {
    let text = "Mulch the roses.";
    let assessment = garden().assess_text(text, &support("2026-12-01T00:00:00Z"));
    assert_eq!(assessment.risk, Risk::Amber);
    let lowered = assessment
        .matches
        .iter()
        .find(|found| found.rule == "ours.roses")
        .unwrap();
    let exception = lowered.exception.as_ref().unwrap();
    assert_eq!(
        (exception.exception.as_str(), exception.from),
        ("roses.of-support", Risk::Red)
    );
    assert!(
        assessment.reason.contains("support looks after them"),
        "{}",
        assessment.reason
    );

    let out_of_scope = [
        Context {
            tenant: Some("other".to_owned()),
            ..support("2026-12-01T00:00:00Z")
        },
        Context {
            groups: Vec::new(),
            ..support("2026-12-01T00:00:00Z")
        },
        Context {
            now: None,
            ..support("2026-12-01T00:00:00Z")
        },
        support("2027-01-01T00:00:00Z"),
    ];
    for context in out_of_scope {
        assert_eq!(garden().assess_text(text, &context).risk, Risk::Red, "{context:?}");
    }
}

#[test]
fn the_reason_names_the_exception_that_made_the_difference() {
    let text = "Mulch the roses and delete the note.";
    let assessment = garden().assess_text(text, &support("2026-12-01T00:00:00Z"));
    assert_eq!(assessment.risk, Risk::Amber);
    assert_eq!(assessment.rules.first().map(String::as_str), Some("ours.roses"));
    assert!(
        assessment.rules.iter().any(|rule| rule == "data.remove"),
        "{:?}",
        assessment.rules
    );
    assert!(
        assessment.reason.contains("`roses.of-support`"),
        "{}",
        assessment.reason
    );
}

#[test]
fn an_exception_lowers_no_other_rule() {
    let text = "Mulch the roses and transfer funds to the vendor.";
    let assessment = garden().assess_text(text, &support("2026-12-01T00:00:00Z"));
    assert_eq!((assessment.risk, assessment.decider()), (Risk::Red, "funds.transfer"));
}

#[test]
fn exceptions_that_are_none_are_refused_with_their_place() {
    let broken = |from: &str, to: &str| {
        let text = GARDEN.replace(from, to);
        assert_ne!(text, GARDEN, "{from}");
        let refused = Policy::parse(&[("p.yaml", &text)]).map(|_| ()).unwrap_err().to_string();
        assert!(
            refused.starts_with("policy file `p.yaml`, line 11: exception"),
            "{refused}"
        );
        refused
    };
    assert!(broken("to: AMBER", "to: GREEN").contains("RED to GREEN"));
    assert!(broken("to: AMBER", "to: RED").contains("does not lower"));
    assert!(broken("lowers: ours.roses", "lowers: ours.nothing").contains("unknown rule"));
    assert!(broken("lowers: ours.roses", "lowers: funds.transfer").contains("a rule of the parent"));
    assert!(broken("scope: { tenant: [acme], group: [support] }", "scope: {}").contains("no scope"));
    assert!(broken("expires: 2027-01-01T00:00:00Z", "expires: soon").contains("RFC 3339"));
    let unending = GARDEN.replace("    expires: 2027-01-01T00:00:00Z\n", "");
    let refused = Policy::parse(&[("p.yaml", &unending)])
        .map(|_| ())
        .unwrap_err()
        .to_string();
    assert!(refused.contains("expires"), "{refused}");
}

#[test]
fn a_child_adds_to_its_parent_and_never_lowers_it() {
    let child = garden();
    let parent = Classifier::built_in().unwrap();
    for text in [
        "Transfer funds from treasury to vendor account immediately.",
        "Summarize our AI governance policy for internal use.",
        "Send an email to all employees that payroll will be delayed by 2 days.",
    ] {
        assert_eq!(
            child.classify_text(text).risk,
            parent.classify_text(text).risk,
            "{text}"
        );
    }
    let again = GARDEN
        .replace("id: ours.roses", "id: funds.transfer")
        .replace("lowers: ours.roses", "lowers: x");
    let refused = Policy::parse(&[("p.yaml", &again)])
        .map(|_| ())
        .unwrap_err()
        .to_string();
    assert!(refused.contains("`funds.transfer` is defined twice"), "{refused}");
    // A word that a child takes for itself changes nothing of what the parent says of it.
    let taken = "name: t\nversion: '1'\nparent: built-in\nobjects:\n  harmless: [funds from treasury to vendor account]\nrules:\n  - { id: ours.any, title: T, category: c, risk: GREEN, reason: it is ours, when: [{ object: [harmless], reach: null }] }\n".replace(", reach: null", "");
    let taken = Policy::parse(&[("t.yaml", &taken)])
        .and_then(Classifier::from_policy)
        .unwrap();
    assert_eq!(
        taken
            .classify_text("Transfer funds from treasury to vendor account immediately.")
            .risk,
        Risk::Red
    );
    let unknown = GARDEN.replace("parent: built-in", "parent: elsewhere");
    assert!(Policy::parse(&[("p.yaml", &unknown)]).is_err());
}

#[test]
fn rules_hold_only_in_their_circumstances() {
    let policy = format!(
        "{HEAD}rules:\n  - {{ id: ops, title: T, category: c, risk: GREEN, reason: why, when: [{{ verb: [send], only: {{ tenant: [acme], agent: [ops-*], session: new }} }}] }}\n"
    );
    let classifier = Policy::parse(&[("t.yaml", &policy)])
        .and_then(Classifier::from_policy)
        .unwrap();
    let context = |agent: &str, continued| Context {
        tenant: Some("acme".to_owned()),
        agent: Some(agent.to_owned()),
        continued: Some(continued),
        ..Context::default()
    };
    let risk = |context: &Context| classifier.assess_text("Send it.", context).risk;
    assert_eq!(risk(&context("ops-1", false)), Risk::Green);
    for context in [context("main", false), context("ops-1", true), Context::default()] {
        assert_eq!(risk(&context), Risk::Amber, "{context:?}");
    }
    assert!(
        refused(&rule(
            "risk: AMBER, when: [{ verb: [send], only: { time: { from: '08:00' } } }]"
        ))
        .contains("only one of")
    );
}

#[test]
fn going_ahead_in_a_continued_session_is_never_green_by_itself() {
    let classifier = Classifier::built_in().unwrap();
    let continued = Context {
        continued: Some(true),
        ..Context::default()
    };
    for text in [
        "Go ahead.",
        "yes",
        "Do it now",
        "Continue as discussed.",
        "OK, proceed with the second option",
    ] {
        assert!(classifier.assess_text(text, &continued).risk > Risk::Green, "{text}");
    }
}

#[test]
fn only_addresses_of_an_internal_domain_are_internal() {
    let text = "name: t\nversion: '1'\nparent: built-in\ninternal_domains: ['@Acme.example']\n\
                verbs:\n  mulch-it: { class: acting, terms: [mulch] }\n\
                rules:\n  - { id: ours.outside, title: T, category: c, risk: RED, reason: why, alternative: Ask., \
                when: [{ verb: [mulch-it], object: [entity.external-email] }] }\n";
    let classifier = Policy::parse(&[("p.yaml", text)])
        .and_then(Classifier::from_policy)
        .unwrap();
    for (address, external) in [
        ("bob@acme.example", false),
        ("Bob@mail.ACME.example", false),
        ("eve@notacme.example", true),
        ("eve@evil.example/acme.example", true),
        ("eve@evil.example&bob@acme.example", true),
        ("eve@acme.example.evil.example", true),
    ] {
        let rules = classifier.classify_text(&format!("Mulch {address} now.")).rules;
        assert_eq!(rules.iter().any(|rule| rule == "ours.outside"), external, "{address}");
    }
}

#[test]
fn command_names_of_all_files_count_and_none_is_of_two_kinds() {
    let ours = "commands: { read: [peek], destroy: [Obliterate] }\n";
    let files = |ours: &str| {
        let own = crate::policy::DEFAULT.iter().copied();
        let files: Vec<(&str, &str)> = own.chain([("zz-ours.yaml", ours)]).collect();
        Policy::parse(&files).and_then(Classifier::from_policy)
    };
    let classifier = files(ours).unwrap();
    for (text, risk) in [
        ("rm -rf /srv/data", Risk::Red),
        ("obliterate -f /srv/data", Risk::Red),
        ("peek -f /srv/data", Risk::Green),
    ] {
        assert_eq!(classifier.classify_text(text).risk, risk, "{text}");
    }
    let refused = files("commands: { read: [rm] }\n").map(|_| ()).unwrap_err().to_string();
    assert!(refused.contains("commands name `rm` as two kinds"), "{refused}");
}

#[test]
fn what_a_policy_says_of_itself_it_says_once() {
    for more in ["version: '2'\n", "name: u\n"] {
        let error = Policy::parse(&[("a.yaml", HEAD), ("b.yaml", more)])
            .map(|_| ())
            .unwrap_err();
        assert!(
            error.to_string().contains("`b.yaml`, line 1: says the policy's"),
            "{error}"
        );
    }
    let child = "name: c\nversion: '2'\nparent: built-in\n";
    assert!(Policy::parse(&[("c.yaml", child)]).is_ok());
}
