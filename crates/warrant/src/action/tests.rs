//! What an action may hold, and that its canonical form stands for it alone.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::fixtures::{alterations, instruction, tool_call};

fn fields(action: &Action) -> Vec<&'static str> {
    action.validate().into_iter().map(|violation| violation.field).collect()
}

fn with_instruction(instruction: impl Into<String>) -> Action {
    Action {
        operation: Operation::Instruction {
            instruction: instruction.into(),
        },
        ..self::instruction()
    }
}

fn with_arguments(arguments_json: impl Into<String>) -> Action {
    let operation = Operation::ToolCall {
        tool: "mail.send".into(),
        arguments_json: arguments_json.into(),
    };
    Action {
        operation,
        ..instruction()
    }
}

#[test]
fn ordinary_actions_are_valid() {
    let long = "x".repeat(DEFAULT_LIMITS.text_bytes);
    let actions = [
        instruction(),
        tool_call(),
        with_instruction("Прочти\n\tмою почту 👩\u{200D}👧"),
        with_instruction(long),
        with_arguments("{}"),
        with_arguments("{ \"a\" : [1, {\"a\": \"\\u202e\"}],\n\t\"b\" : null }"),
        Action {
            requester: "Алиса Иванова".into(),
            session: "a".repeat(256),
            ..instruction()
        },
    ];
    for action in actions {
        assert_eq!(action.validate(), [], "{action:?}");
    }
}

#[test]
fn every_violation_is_named_at_once() {
    let operation = Operation::ToolCall {
        tool: String::new(),
        arguments_json: "[]".into(),
    };
    let action = Action {
        tenant: String::new(),
        issuer: "https://id\u{202E}".into(),
        requester: "ali\u{200B}ce".into(),
        agent: "Main:x".into(),
        session: "a".repeat(257),
        operation,
        ..instruction()
    };
    assert_eq!(
        fields(&action),
        [
            "agent",
            "tenant",
            "issuer",
            "requester",
            "session",
            "tool",
            "arguments_json"
        ]
    );
    assert!(
        action
            .validate()
            .iter()
            .all(|violation| !violation.description.is_empty())
    );
}

#[test]
fn bad_texts_are_refused() {
    for bad in [
        "",
        " \n",
        "a\rb",
        "a\0b",
        "a\u{1B}[2Jb",
        "a\u{202E}b",
        "a\u{2066}b",
        &"x".repeat(65 * 1024),
    ] {
        assert_eq!(fields(&with_instruction(bad)), ["instruction"], "{bad:.20}");
    }
    for bad in [
        "null",
        "[]",
        "{",
        r#"{"a":1,"a":1}"#,
        r#"{"a":{"b":1,"\u0062":2}}"#,
        "{}{}",
        "{\"a\":\"\u{202E}\"}",
    ] {
        assert_eq!(fields(&with_arguments(bad)), ["arguments_json"], "{bad}");
    }
}

#[test]
fn limits_are_the_callers() {
    let limits = Limits {
        text_bytes: 10,
        identifier_bytes: 4,
    };
    let violations = instruction().validate_with(&limits);
    let fields: Vec<_> = violations.iter().map(|violation| violation.field).collect();
    assert_eq!(fields, ["issuer", "requester", "session", "instruction"]);
    assert_eq!(Limits::default(), DEFAULT_LIMITS);
}

#[test]
fn every_altered_field_changes_the_digest() {
    for action in [instruction(), tool_call()] {
        for altered in alterations(&action) {
            assert_ne!(altered, action);
            assert_ne!(altered.digest(), action.digest(), "{altered:?}");
        }
    }
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        ".{0,12}",
        "[\\x00-\\x7f]{0,12}",
        "[\"\\\\/{}:,a]{0,12}",
        any::<String>()
    ]
}

fn any_operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        any_text().prop_map(|instruction| Operation::Instruction { instruction }),
        (any_text(), any_text()).prop_map(|(tool, arguments_json)| Operation::ToolCall { tool, arguments_json }),
    ]
}

prop_compose! {
    fn any_action()(
        run in 1_u128..,
        texts in proptest::array::uniform5(any_text()),
        operation in any_operation(),
    ) -> Action {
        let [tenant, issuer, requester, agent, session] = texts;
        Action { run: RunId::from_bytes(run.to_be_bytes()).unwrap(), tenant, issuer, requester, agent, session, operation }
    }
}

/// The members by name, in the order of a map that knows nothing of the canonical form.
fn members(action: &Action) -> BTreeMap<&'static str, String> {
    let mut members = BTreeMap::from([
        ("v", "1".to_owned()),
        ("run", action.run.to_string()),
        ("tenant", action.tenant.clone()),
        ("issuer", action.issuer.clone()),
        ("requester", action.requester.clone()),
        ("agent", action.agent.clone()),
        ("session", action.session.clone()),
    ]);
    match &action.operation {
        Operation::Instruction { instruction } => {
            members.extend([("kind", "instruction".to_owned()), ("instruction", instruction.clone())]);
        }
        Operation::ToolCall { tool, arguments_json } => members.extend([
            ("kind", "tool_call".to_owned()),
            ("tool", tool.clone()),
            ("arguments_json", arguments_json.clone()),
        ]),
    }
    members
}

proptest! {
    #[test]
    fn canonical_form_is_rfc_8785(action in any_action()) {
        let independent = serde_json_canonicalizer::to_string(&members(&action)).unwrap();
        prop_assert_eq!(action.canonical(), independent);
    }

    #[test]
    fn canonical_form_stands_for_one_action(one in any_action(), other in any_action()) {
        let read: BTreeMap<String, String> = serde_json::from_str(&one.canonical()).unwrap();
        let expected: BTreeMap<String, String> =
            members(&one).into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        prop_assert_eq!(read, expected, "nothing is lost");
        prop_assert_eq!(one == other, one.digest() == other.digest());
    }

    #[test]
    fn moving_a_character_across_fields_changes_the_digest(text in "[a-z]{2,20}", at in 0_usize..20, to in 0_usize..20) {
        let split = |at: usize| {
            let (tenant, requester) = text.split_at(at.min(text.len()));
            Action { tenant: tenant.into(), requester: requester.into(), ..instruction() }
        };
        let (one, other) = (split(at), split(to));
        prop_assert_eq!(one == other, one.digest() == other.digest());
    }

    #[test]
    fn validation_never_panics(action in any_action()) {
        action.validate();
    }

    #[test]
    fn an_identifier_is_accepted_within_its_bounds_only(text in prop_oneof![any_text(), "[ -~]{0,300}"], field in 0_usize..4) {
        let mut action = instruction();
        let fields = [&mut action.tenant, &mut action.issuer, &mut action.requester, &mut action.session];
        fields.into_iter().nth(field).unwrap().clone_from(&text);
        let within = !text.trim().is_empty() && text.len() <= 256;
        let accepted = action.validate().is_empty();
        prop_assert!(!accepted || within && !text.chars().any(char::is_control));
        prop_assert!(accepted || !within || !text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()));
    }

    #[test]
    fn an_agent_is_accepted_if_it_is_an_agent_id(text in prop_oneof![any_text(), "[a-z0-9_-]{0,70}"]) {
        let action = Action { agent: text, ..instruction() };
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
        let expected = (1..=64).contains(&action.agent.len()) && action.agent.bytes().all(plain);
        prop_assert_eq!(action.validate().is_empty(), expected);
    }
}
