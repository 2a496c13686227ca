//! Command lines that ask for nothing possible.

use cli::Exit;

use crate::instance::run;

#[tokio::test]
async fn wrong_usage_is_an_error_in_the_form_that_was_asked_for() {
    for form in [&["--output", "json"][..], &["--output=json"]] {
        let said = run(&[&["approvals", "lst"], form].concat()).await;
        assert_eq!(said.exit, Exit::Usage);
        let error: serde_json::Value = serde_json::from_str(&said.err).unwrap();
        assert_eq!(error["error"]["exit_code"], 64);
        let message = error["error"]["message"].as_str().unwrap();
        assert!(message.starts_with("unrecognized subcommand 'lst'"), "{message}");
    }
    let said = run(&["approvals", "lst"]).await;
    assert!(
        said.err.starts_with("error: unrecognized subcommand 'lst'"),
        "{}",
        said.err
    );
    let help = run(&["--output", "json", "--help"]).await;
    assert_eq!(help.exit, Exit::Ok);
    assert!(help.out.contains("Usage:"), "{}", help.out);
}

#[tokio::test]
async fn options_that_a_part_would_not_read_are_refused() {
    let said = run(&["--data-dir", "d", "serve", "trace-svc"]).await;
    assert_eq!(said.exit, Exit::Usage);
    assert!(said.err.contains("come after its name"), "{}", said.err);
}

#[tokio::test]
async fn a_file_that_is_not_there_is_named_once_with_its_cause() {
    let cause = "No such file or directory (os error 2)";
    for command in [
        &["approvals", "list", "--token-file", "/nowhere/token"][..],
        &["policy", "lint", "--policy-file", "/nowhere/policy.yaml"],
    ] {
        let said = run(command).await;
        assert_eq!(said.err.matches(cause).count(), 1, "{}", said.err);
    }
}
