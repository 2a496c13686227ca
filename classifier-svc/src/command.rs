//! Commands: shell command lines and SQL statements inside a text, told apart from English by their shape.

mod extent;
mod line;
mod sql;

use std::collections::HashMap;

use serde::Deserialize;

use crate::{
    clause::{Break, Token},
    concept::{ConceptId, ConceptSet},
    normalise::View,
    vocabulary::{Form, VerbClass, Vocabulary, VocabularyBuilder, VocabularyError},
};

/// The command names of a policy, by what they do.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CommandNames {
    /// Commands that only look: `ls`, `cat`.
    pub read: Vec<String>,
    /// Commands that change files or processes.
    pub write: Vec<String>,
    /// Commands that destroy: `rm`, `mkfs`.
    pub destroy: Vec<String>,
    /// Commands that talk to other machines.
    pub network: Vec<String>,
    /// Commands that change who may do what.
    pub privilege: Vec<String>,
    /// Shells and interpreters, which run what they are given.
    pub interpreter: Vec<String>,
    /// Commands that run another command: `sudo`, `env`.
    pub wrapper: Vec<String>,
}

/// The verb concepts that commands and statements stand for.
pub const CONCEPTS: [(&str, VerbClass); 13] = [
    ("command.read", VerbClass::Reading),
    ("command.write", VerbClass::Acting),
    ("command.destroy", VerbClass::Acting),
    ("command.network", VerbClass::Acting),
    ("command.privilege", VerbClass::Acting),
    ("command.interpreter", VerbClass::Acting),
    ("command.pipe-to-shell", VerbClass::Acting),
    ("command.other", VerbClass::Acting),
    ("sql.read", VerbClass::Reading),
    ("sql.write", VerbClass::Acting),
    ("sql.destroy", VerbClass::Acting),
    ("sql.schema", VerbClass::Acting),
    ("sql.privilege", VerbClass::Acting),
];

/// Recognises commands by a policy's names.
#[derive(Debug)]
pub struct Commands {
    names: HashMap<Box<str>, Kind>,
    concepts: HashMap<&'static str, ConceptId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Plain(ConceptId),
    Network(ConceptId),
    Interpreter(ConceptId),
    Wrapper(ConceptId),
}

/// A command or a statement in a text.
struct Found {
    concepts: ConceptSet,
    start: usize,
    end: usize,
    is_statement: bool,
    /// Whether it may be a sentence as well: `find report.pdf`.
    is_ambiguous: bool,
}

/// Defines the concepts of commands.
pub fn define(builder: &mut VocabularyBuilder) -> Result<(), VocabularyError> {
    CONCEPTS
        .iter()
        .try_for_each(|(name, class)| builder.define(name, Some(*class)).map(|_| ()))
}

// === impl CommandNames ===

impl CommandNames {
    /// All names, by what their commands do.
    fn lists(&self) -> [&Vec<String>; 7] {
        [
            &self.read,
            &self.write,
            &self.destroy,
            &self.network,
            &self.privilege,
            &self.interpreter,
            &self.wrapper,
        ]
    }

    /// Adds the names of another file.
    pub(crate) fn extend(&mut self, more: Self) {
        self.read.extend(more.read);
        self.write.extend(more.write);
        self.destroy.extend(more.destroy);
        self.network.extend(more.network);
        self.privilege.extend(more.privilege);
        self.interpreter.extend(more.interpreter);
        self.wrapper.extend(more.wrapper);
    }

    /// What is wrong with them, if anything: what a command does must be said once.
    pub(crate) fn fault(&self) -> Option<String> {
        let mut known = HashMap::new();
        let names = self.lists().into_iter().enumerate();
        let mut names = names.flat_map(|(kind, names)| names.iter().map(move |name| (name.to_ascii_lowercase(), kind)));
        let twice = names.find(|(name, kind)| known.insert(name.clone(), *kind).is_some_and(|other| other != *kind))?;
        Some(format!("commands name `{}` as two kinds", twice.0))
    }
}

// === impl Commands ===

impl Commands {
    /// Binds the names to a vocabulary.
    pub fn new(names: &CommandNames, vocabulary: &Vocabulary) -> Self {
        let concepts: HashMap<_, _> = CONCEPTS
            .iter()
            .filter_map(|(name, _)| Some((*name, vocabulary.concept(name)?)))
            .collect();
        let id = |name: &str| concepts.get(name).copied().unwrap_or_default();
        let kinds = [
            Kind::Plain(id("command.read")),
            Kind::Plain(id("command.write")),
            Kind::Plain(id("command.destroy")),
            Kind::Network(id("command.network")),
            Kind::Plain(id("command.privilege")),
            Kind::Interpreter(id("command.interpreter")),
            Kind::Wrapper(id("command.privilege")),
        ];
        let names = names
            .lists()
            .into_iter()
            .zip(kinds)
            .flat_map(|(list, kind)| list.iter().map(move |name| (name.to_ascii_lowercase().into(), kind)))
            .collect();
        Self { names, concepts }
    }

    /// Marks every command in a view of `raw` as one verb, and its words as no verbs of their own.
    pub fn mark(&self, view: &View, raw: &str, tokens: &mut [Token]) {
        let text = view.text.as_str();
        let mut index = 0;
        while let Some(token) = tokens.get(index).copied() {
            let word = text.get(token.start..token.end).unwrap_or_default();
            let found = self.find(text, tokens, index, word);
            let Some(found) = found.filter(|found| !found.concepts.is_empty()) else {
                index += 1;
                continue;
            };
            let until = tokens.partition_point(|other| other.start < found.end).max(index + 1);
            let end = extent::end(text, tokens, index, until, found.is_statement);
            let mut concepts = found.concepts;
            concepts.extend(self.substituted(view, raw, found.start, found.end));
            self.put(tokens.get_mut(index..end).unwrap_or_default(), concepts);
            if let Some(first) = tokens.get_mut(index).filter(|_| found.is_ambiguous) {
                first.verbs.extend(token.verbs);
                first.class = if token.is_acting() { token.class } else { first.class };
            }
            if let Some(next) = tokens.get_mut(end).filter(|_| end < until) {
                next.before = Break::Sentence;
            }
            index = end;
        }
    }

    /// The command or statement that begins with the word at `index`.
    fn find(&self, text: &str, tokens: &[Token], index: usize, word: &str) -> Option<Found> {
        let token = tokens.get(index)?;
        if sql::begins(word)
            && let Some((names, length)) = sql::statement(text, token.start, word)
        {
            let mut concepts = ConceptSet::EMPTY;
            for name in names {
                concepts.insert(self.id(name));
            }
            return Some(Found {
                concepts,
                start: token.start,
                end: token.start + length,
                is_statement: true,
                is_ambiguous: false,
            });
        }
        if !self.names.contains_key(word) {
            return self.unknown(text, tokens, index);
        }
        let start = path_start(text, token.start);
        let rest = segment(text, start);
        let has_option = is_line(rest, leads(text, tokens, index), &self.names)?;
        Some(Found {
            concepts: self.parts(rest),
            start,
            end: start + rest.len(),
            is_statement: false,
            is_ambiguous: !has_option,
        })
    }

    /// A command that no policy names, by the option behind it: `rd /s /q c:`, `mystery --force`.
    fn unknown(&self, text: &str, tokens: &[Token], index: usize) -> Option<Found> {
        let token = tokens.get(index)?;
        let strange = token.before == Break::Sentence && token.is_unknown() && !token.fixed;
        let rest = strange.then(|| segment(text, token.start))?;
        let option = rest.get(token.end - token.start..)?.strip_prefix(' ')?.as_bytes();
        let is_option = match option {
            [b'-', b'-', letter, ..] | [b'-', letter, ..] => letter.is_ascii_alphabetic(),
            [b'/', letter, end, ..] => letter.is_ascii_alphabetic() && *end == b' ',
            _ => false,
        };
        is_option.then(|| Found {
            concepts: self.parts(rest),
            start: token.start,
            end: token.start + rest.len(),
            is_statement: false,
            is_ambiguous: false,
        })
    }

    /// What stands between back quotes in a line, where a view has plain ones: the shell runs it.
    fn substituted(&self, view: &View, raw: &str, start: usize, end: usize) -> ConceptSet {
        let (start, end) = view.raw_span(start, end);
        match raw.get(start..end).filter(|line| line.contains('`')) {
            Some(line) => self.parts(&line.to_ascii_lowercase()),
            None => ConceptSet::EMPTY,
        }
    }

    /// What a string that is known to be a command line does.
    pub fn judge(&self, line: &str) -> ConceptSet {
        line.lines()
            .filter(|line| !line.trim().is_empty())
            .fold(ConceptSet::EMPTY, |mut all, line| {
                all.extend(self.parts(line.trim()));
                all
            })
    }

    fn id(&self, name: &str) -> ConceptId {
        self.concepts.get(name).copied().unwrap_or_default()
    }

    fn put(&self, tokens: &mut [Token], concepts: ConceptSet) {
        let reads =
            concepts == ConceptSet::of(self.id("command.read")) || concepts == ConceptSet::of(self.id("sql.read"));
        if let Some((first, words)) = tokens.split_first_mut() {
            for word in words {
                word.fixed = true;
                // A command line is one clause, whatever stops are in it; before it a sentence may well have ended.
                if word.before == Break::Sentence {
                    word.before = Break::Comma;
                }
            }
            first.fixed = false;
            first.verbs = concepts;
            first.form = Form::Base;
            first.class = if reads { VerbClass::Reading } else { VerbClass::Acting };
            first.command = true;
        }
    }
}

/// How much of a command line is looked at.
const MAX_LINE: usize = 2048;
/// How far back a path is looked for.
const MAX_PATH: usize = 256;

/// Whether `rest` begins with a command line, and then, whether its first argument is an option.
fn is_line(rest: &str, leads: bool, names: &HashMap<Box<str>, Kind>) -> Option<bool> {
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
fn leads(text: &str, tokens: &[Token], index: usize) -> bool {
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

/// The rest of the line that begins at `start`, up to a closing quotation mark if it began in one.
fn segment(text: &str, start: usize) -> &str {
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
fn path_start(text: &str, at: usize) -> usize {
    let low = text.floor_char_boundary(at.saturating_sub(MAX_PATH));
    let before = text.get(low..at).unwrap_or_default();
    if !before.ends_with('/') {
        return at;
    }
    let path = |character: char| !character.is_whitespace() && !matches!(character, '\'' | '"' | '(' | '|' | ';' | '&');
    at - (before.len() - before.trim_end_matches(path).len())
}
