//! What is taken out, what stays, and that a second look finds nothing more.

use proptest::prelude::*;

use super::*;

#[test]
fn obvious_secrets_are_taken_and_named() {
    let cases = [
        (
            "use sk-proj-abcdefghijklmnop1234 now",
            "use [redacted:provider-key] now",
            "provider-key",
        ),
        (
            "id AKIAIOSFODNN7EXAMPLE.",
            "id [redacted:aws-access-key].",
            "aws-access-key",
        ),
        (
            "Authorization: Bearer abcdefghijklmnop.q-r_s",
            "Authorization: Bearer [redacted:bearer-token]",
            "bearer-token",
        ),
        ("password=hunter22&x=1", "password=[redacted:password]&x=1", "password"),
        (
            "my Password: hunter22, thanks",
            "my Password: [redacted:password], thanks",
            "password",
        ),
        (
            r#"{"password": "correct horse, \"battery\"", "user":"a"}"#,
            r#"{"password": "[redacted:password]", "user":"a"}"#,
            "password",
        ),
        (
            r#"{\"api_key\":\"abcd1234\"}"#,
            r#"{\"api_key\":\"[redacted:password]\"}"#,
            "password",
        ),
        (
            "-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n-----END OPENSSH PRIVATE KEY-----\nrest",
            "[redacted:private-key]\nrest",
            "private-key",
        ),
        (
            "-----BEGIN PRIVATE KEY-----\ncut off",
            "[redacted:private-key]",
            "private-key",
        ),
    ];
    for (dirty, clean, rule) in cases {
        assert_eq!(text(dirty), (Cow::Borrowed(clean), vec![rule]), "{dirty}");
    }
}

#[test]
fn ordinary_text_stays() {
    for ordinary in [
        "Summarize our AI governance policy for internal use.",
        "reset the password for alice",
        "an sk-learn-based-classification-pipeline",
        "a task-oriented list, risk-assessment, sk-8",
        "the bearer of this letter",
        "-----BEGIN PUBLIC KEY-----\nabc\n-----END PUBLIC KEY-----",
    ] {
        assert_eq!(text(ordinary), (Cow::Borrowed(ordinary), vec![]));
    }
}

#[test]
fn attributes_are_judged_by_name_and_by_value_and_evidence_is_left_alone() {
    let mut given = BTreeMap::from(
        [
            ("http.authorization", "x"),
            ("http.Client-Secret", "x"),
            ("http.client-secrets", "x"),
            ("note", "password=hunter22"),
            ("gen_ai.usage.input_tokens", "12"),
            (semconv::REQUESTER, "password=alice"),
            (semconv::WARRANT_JWS, "sk-abcdefghijklmnopqrstuvwxyz"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned())),
    );
    let taken = attrs(&mut given);
    let expected = [
        "attrs.http.Client-Secret:key-name",
        "attrs.http.authorization:key-name",
        "attrs.note:password",
    ];
    assert_eq!(taken, expected);
    assert_eq!(given["http.authorization"], "[redacted:key-name]");
    assert_eq!(given["gen_ai.usage.input_tokens"], "12");
    assert_eq!(given[semconv::REQUESTER], "password=alice");
    assert_eq!(given[semconv::WARRANT_JWS], "sk-abcdefghijklmnopqrstuvwxyz");
}

proptest! {
    #[test]
    fn a_second_look_finds_nothing_more(dirty in r#"(?s)((password|secret|api_key|Bearer |sk-|AKIA|=|:|"|\\| |[a-zA-Z0-9]{1,24}|.)){0,12}"#) {
        let (clean, _) = text(&dirty);
        let (again, found) = text(&clean);
        prop_assert_eq!(&clean, &again);
        prop_assert!(found.is_empty());
    }
}
