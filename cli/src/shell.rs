//! Command lines to copy: words that a shell reads back as they were meant.

use crate::args::GlobalArgs;

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
}
