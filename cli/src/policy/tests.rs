//! The commands as they are typed: what they print, and how they end.

use std::{fs, path::PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{Console, Exit, Terminals, run as run_command};

const POLICY: &str = "\
name: small
version: '1'
verbs:
  send: { class: acting, terms: [send] }
  read: { class: reading, terms: [read] }
objects:
  ledger: [ledger]
rules:
  - { id: send.any, title: Sends, category: c, risk: AMBER, reason: it sends something, when: [{ verb: [send] }] }
  - { id: read.any, title: Reads, category: c, risk: GREEN, reason: it reads, when: [{ verb: [read] }] }
tests:
  - { text: Send the ledger., risk: AMBER, rule: send.any }
";
const LEDGER_RULE: &str = "\
  - { id: send.ledger, title: Sends the ledger, category: c, risk: RED, reason: the ledger stays here, alternative: Ask for an extract., when: [{ verb: [send], object: [ledger] }] }
";

/// Runs `countersign policy …` and returns exit, standard output and standard error.
pub(super) fn ran(arguments: &[&str], input: &str) -> (Exit, String, String) {
    let (mut out, mut err, mut input) = (Vec::new(), Vec::new(), input.as_bytes());
    let mut console = Console {
        out: &mut out,
        err: &mut err,
        input: &mut input,
        terminals: Terminals::default(),
        no_color: true,
    };
    let command = ["countersign", "policy"].iter().chain(arguments);
    let exit = run_command(command.map(Into::into), &mut console);
    (exit, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

fn file(folder: &TempDir, name: &str, text: &str) -> String {
    let path: PathBuf = folder.path().join(name);
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

fn with_ledger_rule() -> String {
    POLICY.replace("tests:\n", &format!("  {LEDGER_RULE}tests:\n"))
}

#[test]
fn lint_names_level_kind_and_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, "small.yaml", POLICY);
    let (exit, out, _) = ran(&["lint", "--policy-file", &path], "");
    assert_eq!(exit, Exit::Ok);
    assert!(
        out.contains("warning  unused    small.yaml:7   no rule and no fact names the object `ledger`"),
        "{out}"
    );
    assert!(
        out.contains("note     untested  small.yaml:10  rule `read.any` is matched by no case"),
        "{out}"
    );
    assert!(
        out.ends_with("small 1: errors 0, warnings 1, notes 1 in 2 rules\n"),
        "{out}"
    );
    let cases = file(&folder, "cases.jsonl", "{\"id\": 1, \"text\": \"Read it.\"}\n");
    let (_, out, _) = ran(&["lint", "--policy-file", &path, "--cases", &cases], "");
    assert!(out.contains("notes 0 in"), "{out}");
}

#[test]
fn lint_ends_with_an_error_for_what_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let text = POLICY
        .replace("verb: [read]", "verb: [raed]")
        .replace("version: '1'\n", "");
    let path = file(&folder, "small.yaml", &text);
    let (exit, out, _) = ran(&["lint", "--policy-file", &path, "--output", "json"], "");
    assert_eq!(exit, Exit::Failure);
    let json: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(json["errors"], 2, "{json}");
    let places: Vec<&Value> = json["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|found| &found["place"])
        .collect();
    assert!(places.contains(&&json!({"file": "small.yaml", "line": 9})), "{json}");
    let (exit, _, err) = ran(&["lint", "--policy-file", "/nonexistent"], "");
    assert_eq!(exit, Exit::Failure);
    assert!(err.contains("/nonexistent"), "{err}");
}

#[test]
fn test_shows_expected_and_actual() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(
        &folder,
        "small.yaml",
        &POLICY.replace("risk: AMBER, rule", "risk: RED, rule"),
    );
    let (exit, out, _) = ran(&["test", "--policy-file", &path], "");
    assert_eq!(exit, Exit::Failure);
    assert!(
        out.starts_with(
            "small.yaml:12\n  expected RED by send.any\n  actual   AMBER by send.any\n  text     Send the ledger.\n"
        ),
        "{out}"
    );
    assert!(out.contains("tests of the policy: 0 of 1 pass"), "{out}");
}

#[test]
fn test_measures_labelled_cases() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, "small.yaml", POLICY);
    let cases = "{\"id\": \"a\", \"text\": \"Read it.\", \"label\": \"GREEN\"}\n\
                 {\"id\": \"b\", \"text\": \"Send it.\", \"label\": \"RED\"}\n\
                 {\"id\": \"c\", \"text\": \"Send it.\", \"label\": \"RED\", \"border\": true}\n";
    let cases = file(&folder, "cases.jsonl", cases);
    let arguments = ["test", "--policy-file", &path, "--cases", &cases];
    let (exit, out, _) = ran(&arguments, "");
    assert_eq!(exit, Exit::Ok, "cases are measured, not demanded");
    assert!(
        out.contains("cases.jsonl:2 b\n  expected RED\n  actual   AMBER by send.any"),
        "{out}"
    );
    assert!(
        out.contains("cases: 1 of 2 judged as labelled; border cases left out: 1"),
        "{out}"
    );
    assert!(out.contains("RED not RED     1/1    100.0%  20.7% to 100.0%"), "{out}");
    assert!(out.contains("AMBER as GREEN  0/0    –       no such cases"), "{out}");
    let (_, out, _) = ran(&[&arguments[..], &["--output", "json"]].concat(), "");
    let json: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        json["cases"]["verdicts_by_label"]["RED"],
        json!({"GREEN": 0, "AMBER": 1, "RED": 0})
    );
    let unlabelled = file(&folder, "none.jsonl", "{\"id\": 1, \"text\": \"Read it.\"}\n");
    let (exit, _, err) = ran(&["test", "--cases", &unlabelled], "");
    assert_eq!(exit, Exit::Failure);
    assert!(err.contains("none.jsonl:1 has no label"), "{err}");
}

#[test]
fn explain_quotes_the_words_that_made_a_rule_match() {
    let text = "Read the minutes. Transfer funds from treasury to vendor account immediately.";
    let (exit, out, _) = ran(&["explain", text], "");
    assert_eq!(exit, Exit::Ok);
    assert!(out.starts_with("RED  BLOCK\n"), "{out}");
    for part in [
        "It is RED by funds.transfer: the gravest rule decides",
        "Ask for this instead\n  ",
        "Clause 1  \"Read the minutes\"",
        "Rule funds.transfer  RED",
        "\"Transfer\" \"funds\"",
        "urgency       urgent",
    ] {
        assert!(out.contains(part), "{part} is not in {out}");
    }
    let (_, out, _) = ran(&["explain", text, "--output", "json"], "");
    let json: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(json["matched_words"][0]["rule"], "funds.transfer");
    assert_eq!(json["matched_words"][0]["words"][0], "\"Transfer\"");
}

#[test]
fn explain_says_why_a_text_is_green_or_held() {
    let (_, out, _) = ran(&["explain", "Read the minutes."], "");
    assert!(
        out.contains("every instruction or question in it is covered by research.read"),
        "{out}"
    );
    let (_, out, _) = ran(&["explain", "Frobnicate the widget."], "");
    assert!(out.contains("It is AMBER by hold.unknown-instruction"), "{out}");
}

#[test]
fn diff_shows_rules_and_the_verdicts_that_change_with_them() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (
        file(&folder, "old.yaml", POLICY),
        file(
            &folder,
            "new.yaml",
            &with_ledger_rule().replace("it reads", "it only reads"),
        ),
    );
    let cases = "{\"id\": \"a\", \"text\": \"Send the ledger.\"}\n{\"id\": \"b\", \"text\": \"Send it.\"}\n";
    let cases = file(&folder, "cases.jsonl", cases);
    let (exit, out, _) = ran(&["diff", &old, &new, "--cases", &cases], "");
    assert_eq!(exit, Exit::Ok);
    assert_eq!(
        out,
        "+ rule send.ledger RED  Sends the ledger\n\
         ~ rule read.any\n    - reason: it reads\n    + reason: it only reads\n\n\
         send.ledger (1)\n  AMBER -> RED  a  Send the ledger.\n\n\
         1 of 2 verdicts change\n"
    );
    let (_, out, _) = ran(&["diff", &old, &old], "");
    assert_eq!(out, "the policies say the same\n");
    let (_, out, _) = ran(&["diff", &old, &new, "--cases", &cases, "--output", "json"], "");
    let json: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(json["cases"]["by_rule"]["send.ledger"][0]["new"], "RED");
}

#[test]
fn diff_knows_the_built_in_policy_and_refuses_what_cant_be_used() {
    let folder = tempfile::tempdir().unwrap();
    let (exit, out, _) = ran(&["diff", "built-in", "built-in"], "");
    assert_eq!((exit, out.as_str()), (Exit::Ok, "the policies say the same\n"));
    let bad = file(&folder, "bad.yaml", "rules: [{}]\n");
    let (exit, _, err) = ran(&["diff", "built-in", &bad], "");
    assert_eq!(exit, Exit::Failure);
    assert!(err.contains("bad.yaml") && err.contains("policy lint"), "{err}");
}

#[test]
fn a_signed_policy_is_one_that_the_public_key_verifies() {
    use classifier_svc::policy::bundle::Bundle;
    let folder = tempfile::tempdir().unwrap();
    let policy = folder.path().join("policy");
    fs::create_dir(&policy).unwrap();
    fs::write(policy.join("small.yaml"), POLICY).unwrap();
    let key = warrant::SigningKey::from_seed(&[7; 32]);
    let key_file = file(&folder, "key.pem", &key.to_pkcs8_pem().unwrap());
    let keys = folder.path().join("keys.json");
    let policy_path = policy.to_str().unwrap();
    let arguments = [
        "sign",
        policy_path,
        "--key-file",
        &key_file,
        "--key-set-out",
        keys.to_str().unwrap(),
    ];
    let (exit, out, err) = ran(&arguments, "");
    assert_eq!(exit, Exit::Ok, "{err}");
    assert!(out.contains(key.key_id()), "{out}");
    let key_set = warrant::KeySet::from_json(&fs::read_to_string(&keys).unwrap()).unwrap();
    assert_eq!(Bundle::read(&policy).unwrap().verify(&key_set).unwrap(), key.key_id());
    let checked = |command| {
        let keys = keys.to_str().unwrap();
        ran(
            &[command, "--policy-file", policy_path, "--policy-key-set-file", keys],
            "",
        )
    };
    for command in ["lint", "test"] {
        let (exit, _, err) = checked(command);
        assert_eq!(exit, Exit::Ok, "{command}: {err}");
    }

    fs::write(
        policy.join("small.yaml"),
        POLICY.replace("risk: AMBER, rule", "risk: RED, rule"),
    )
    .unwrap();
    for command in ["lint", "test"] {
        let (exit, _, err) = checked(command);
        assert_eq!(exit, Exit::Failure, "{command}");
        assert!(err.contains("not over exactly these bytes"), "{command}: {err}");
    }
    let (exit, _, err) = ran(&arguments, "");
    assert_eq!(exit, Exit::Failure);
    assert!(err.contains("the policy is not signed"), "{err}");
    let (exit, _, err) = ran(&["sign", &key_file, "--key-file", &key_file], "");
    assert_eq!(exit, Exit::Failure);
    assert!(err.contains("is not a folder"), "{err}");
}

/// Lines of an exported trace: a request that was held, one with a secret, one in a blob, a tool call.
const TRACE: &str = concat!(
    r#"{"trace_id":"01","type":"request.received","risk":null,"attrs":{},"content":{"media_type":"text/plain","text":"Send the ledger."}}"#,
    "\n",
    r#"{"trace_id":"01","type":"request.classified","risk":"AMBER","attrs":{"countersign.rules":"send.any"},"content":null}"#,
    "\n",
    r#"{"trace_id":"02","type":"request.received","risk":null,"attrs":{"countersign.redactions":"content:password"},"content":{"media_type":"text/plain","text":"Send …"}}"#,
    "\n",
    r#"{"trace_id":"03","type":"request.received","risk":null,"attrs":{},"content":{"media_type":"text/plain","bytes":"9","sha256":"00ff"}}"#,
    "\n",
    r#"{"trace_id":"03","type":"request.classified","risk":"AMBER","attrs":{},"content":null}"#,
    "\n",
    r#"{"trace_id":"04","type":"request.received","risk":null,"attrs":{"gen_ai.tool.name":"files"},"content":{"media_type":"application/json","text":"{\"note\":\"send the ledger\"}"}}"#,
    "\n",
    r#"{"trace_id":"04","type":"request.classified","risk":"AMBER","attrs":{},"content":null}"#,
    "\n",
);

#[test]
fn replay_compares_with_what_was_recorded_and_says_what_it_cannot_judge() {
    let folder = tempfile::tempdir().unwrap();
    let candidate = file(
        &folder,
        "new.yaml",
        &with_ledger_rule().replace("risk: AMBER, rule: send.any", "risk: RED"),
    );
    let trace = file(&folder, "trace.jsonl", TRACE);
    let (exit, out, err) = ran(&["replay", &candidate, "--trace", &trace], "");
    assert_eq!(exit, Exit::Ok, "{err}");
    assert!(
        out.contains("send.ledger (2)") && out.contains("AMBER -> RED  01  Send the ledger."),
        "{out}"
    );
    assert!(out.contains("2 of 2 verdicts change"), "{out}");
    assert!(
        out.contains("not judged: 1 with redacted text, 1 whose text is in a blob"),
        "{out}"
    );

    file(&folder, "00ff", "Send the ledger.");
    let blobs = folder.path().to_str().unwrap();
    let arguments = [
        "replay",
        &candidate,
        "--trace",
        &trace,
        "--blobs",
        blobs,
        "--fail-on-change",
        "--output",
        "json",
    ];
    let (exit, out, _) = ran(&arguments, "");
    assert_eq!(exit, Exit::Failure);
    let said: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((said["judged"].as_u64(), said["changed"].as_u64()), (Some(3), Some(3)));
}

#[test]
fn replay_of_cases_compares_two_policies() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (
        file(&folder, "old.yaml", POLICY),
        file(
            &folder,
            "new.yaml",
            &with_ledger_rule().replace("risk: AMBER, rule: send.any", "risk: RED"),
        ),
    );
    let cases = file(
        &folder,
        "cases.jsonl",
        "{\"id\": \"a\", \"text\": \"Send the ledger.\"}\n{\"id\": \"b\", \"text\": \"Read it.\"}\n",
    );
    let (exit, out, _) = ran(&["replay", &new, "--cases", &cases, "--against", &old], "");
    assert_eq!(exit, Exit::Ok);
    assert!(
        out.contains("send.ledger (1)") && out.contains("1 of 2 verdicts change"),
        "{out}"
    );
    let (exit, ..) = ran(&["replay", &new], "");
    assert_eq!(exit, Exit::Usage, "there must be something to judge");
    let broken = file(&folder, "broken.jsonl", "{}\n");
    let (exit, _, err) = ran(&["replay", &new, "--trace", &broken], "");
    assert_eq!(exit, Exit::Failure);
    assert!(err.contains("broken.jsonl:1"), "{err}");
}
