//! Command lines to copy: words that a shell reads back as they were meant.

use crate::args::{ConnectArgs, GlobalArgs};

/// The option that leads other commands to the same data directory, if it isn't the default one.
pub(crate) fn directory_option(global: &GlobalArgs) -> String {
    let path = global
        .data_dir
        .as_deref()
        .map(|path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned()));
    path.map_or_else(String::new, |path| {
        format!(" --data-dir {}", shell_word(&path.to_string_lossy()))
    })
}

/// The options by which another command reaches approval-svc as the same person.
pub(crate) fn person_options(connect: &ConnectArgs) -> String {
    let token_file = || {
        Some((
            "--token-file",
            connect.token_file.as_ref()?.to_string_lossy().into_owned(),
        ))
    };
    let identity = connect.identity.clone().map(|name| ("--as", name));
    let endpoint = connect
        .endpoint_approval
        .clone()
        .map(|url| ("--endpoint-approval", url));
    let options = identity.or_else(token_file).into_iter().chain(endpoint);
    let words: Vec<_> = options
        .map(|(option, value)| format!(" {option} {}", shell_word(&value)))
        .collect();
    words.concat()
}

/// A word that a POSIX shell reads back as the text.
pub(crate) fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:=@%,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_survive_the_shell() {
        assert_eq!(shell_word("/tmp/a-b_c.d"), "/tmp/a-b_c.d");
        assert_eq!(shell_word("it's"), "'it'\\''s'");
        assert_eq!(shell_word("my data"), "'my data'");
        assert_eq!(shell_word(""), "''");
    }

    #[test]
    fn another_command_reaches_the_same_service_as_the_same_person() {
        let none = ConnectArgs {
            identity: None,
            token_file: None,
            endpoint_orchestrator: None,
            endpoint_approval: None,
            endpoint_trace: None,
        };
        assert_eq!(person_options(&none), "");
        let dave = ConnectArgs {
            identity: Some("dave".into()),
            token_file: Some("ignored".into()),
            ..none.clone()
        };
        assert_eq!(person_options(&dave), " --as dave");
        let remote = ConnectArgs {
            token_file: Some("my token".into()),
            endpoint_approval: Some("http://a:1".into()),
            ..none
        };
        assert_eq!(
            person_options(&remote),
            " --token-file 'my token' --endpoint-approval http://a:1"
        );
    }
}
