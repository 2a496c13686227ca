//! Shapes: where a command line, or a call in a program, begins and ends, and what tells it from English.

use std::collections::HashMap;

use super::Kind;
use crate::{
    clause::{Break, Function, Token},
    vocabulary::Form,
};

/// How much of a command line is looked at.
const MAX_LINE: usize = 2048;
/// How far back a path is looked for.
const MAX_PATH: usize = 256;

/// Whether `rest` begins with a command line, and then, whether its first argument is an option.
pub(super) fn is_line(rest: &str, leads: bool, names: &HashMap<Box<str>, Kind>) -> Option<bool> {
    let (_, arguments) = rest.split_once(' ')?;
    let argument = arguments.split_whitespace().next()?;
    let option = argument.starts_with('-')
        && argument
            .as_bytes()
            .get(1)
            .is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'-');
    if !leads {
        return (option || argument.contains("://")).then_some(option);
    }
    let shaped = option
        || argument.contains('/')
        || argument.starts_with(['~', '$', '*', '|', '>', '.'])
        || argument
            .split('.')
            .next_back()
            .is_some_and(|ending| ending != argument && (1..=4).contains(&ending.len()))
        || names.contains_key(argument)
            && arguments.contains([' ', '/'])
            && matches!(rest.split(' ').next(), Some("sudo" | "doas" | "env" | "nohup"));
    shaped.then_some(option)
}

/// Whether a word stands where a command line would begin.
pub(super) fn leads(text: &str, tokens: &[Token], index: usize) -> bool {
    let starts = tokens.get(index).is_some_and(|token| token.before != Break::None);
    let before = index.checked_sub(1).and_then(|before| tokens.get(before));
    starts
        || before
            .and_then(|token| text.get(token.start..token.end))
            .is_none_or(|word| {
                matches!(
                    word,
                    "run"
                        | "running"
                        | "execute"
                        | "executing"
                        | "exec"
                        | "command"
                        | "type"
                        | "and"
                        | "then"
                        | "using"
                        | "with"
                )
            })
}

/// Whether a word that nobody knows begins a sentence.
pub(super) fn is_strange(token: &Token) -> bool {
    token.before == Break::Sentence && token.is_unknown() && !token.fixed
}

/// Whether what a strange word is told to do stands behind it, as no sentence has it: `kubectl delete ns prod`. Only a command
/// that is `named` by the policy needs nothing more: `npm publish`.
pub(super) fn is_told(tokens: &[Token], index: usize, named: bool) -> bool {
    let next = |by: usize| tokens.get(index + by).filter(|next| next.before == Break::None);
    let told = next(1).is_some_and(|verb| verb.is_acting() && verb.form == Form::Base && verb.objects.is_empty());
    let ends = tokens.get(index + 2).is_none_or(|next| next.before == Break::Sentence);
    told && (named && ends || next(2).is_some_and(|object| object.function == Function::Open))
}

/// Whether what stands before is nothing but the sign that a line overwrites a file: `> /etc/passwd`.
pub(super) fn overwrites(text: &str, at: usize) -> bool {
    let start = path_start(text, at);
    let before = text.get(..start).unwrap_or_default().trim_end();
    let line = before.trim_end_matches('>');
    start < at && line.len() < before.len() && line.chars().next_back().is_none_or(|last| !last.is_alphanumeric())
}

/// Whether a call in a program begins with this word: `os.remove(x)`, `rmtree('/')`. What is called has a dot or an underscore
/// in its name, or is strange and has a text in its brackets.
pub(super) fn is_call(text: &str, token: &Token) -> bool {
    let (at, end) = (
        token.start,
        text.floor_char_boundary(token.start.saturating_add(MAX_PATH)),
    );
    let call = text.get(at..end).and_then(|rest| rest.split_once('('));
    let begins = text.get(..at).is_some_and(|before| !before.ends_with(['.', '_']));
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.');
    begins
        && call.is_some_and(|(name, arguments)| {
            name.bytes().all(is_name)
                && (name.contains(['.', '_']) || token.is_unknown() && arguments.starts_with(['\'', '"']))
        })
}

/// The rest of the line that begins at `start`, up to a closing quotation mark if it began in one.
pub(super) fn segment(text: &str, start: usize) -> &str {
    let end = text.floor_char_boundary(start.saturating_add(MAX_LINE));
    let rest = text.get(start..end).unwrap_or_default();
    let line = rest.find('\n').and_then(|end| rest.get(..end)).unwrap_or(rest);
    let quote = text
        .get(..start)
        .and_then(|before| before.chars().next_back())
        .filter(|before| matches!(before, '\'' | '"'));
    quote.and_then(|quote| line.split(quote).next()).unwrap_or(line)
}

/// Where the path begins whose last name begins at `at`: `./ls`.
pub(super) fn path_start(text: &str, at: usize) -> usize {
    let low = text.floor_char_boundary(at.saturating_sub(MAX_PATH));
    let before = text.get(low..at).unwrap_or_default();
    if !before.ends_with('/') {
        return at;
    }
    let path = |character: char| !character.is_whitespace() && !matches!(character, '\'' | '"' | '(' | '|' | ';' | '&');
    at - (before.len() - before.trim_end_matches(path).len())
}
