//! Commands: shell command lines and SQL statements inside a text, told apart from English by their shape.

mod sql;

use std::collections::HashMap;

use serde::Deserialize;

use crate::{
    clause::{Break, Token},
    concept::{ConceptId, ConceptSet},
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

/// Defines the concepts of commands.
pub fn define(builder: &mut VocabularyBuilder) -> Result<(), VocabularyError> {
    CONCEPTS
        .iter()
        .try_for_each(|(name, class)| builder.define(name, Some(*class)).map(|_| ()))
}

// === impl CommandNames ===

impl CommandNames {
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
            (&names.read, Kind::Plain(id("command.read"))),
            (&names.write, Kind::Plain(id("command.write"))),
            (&names.destroy, Kind::Plain(id("command.destroy"))),
            (&names.network, Kind::Network(id("command.network"))),
            (&names.privilege, Kind::Plain(id("command.privilege"))),
            (&names.interpreter, Kind::Interpreter(id("command.interpreter"))),
            (&names.wrapper, Kind::Wrapper(id("command.privilege"))),
        ];
        let names = kinds
            .into_iter()
            .flat_map(|(list, kind)| list.iter().map(move |name| (name.to_ascii_lowercase().into(), kind)))
            .collect();
        Self { names, concepts }
    }

    /// Marks every command in the text as one verb, and its words as no verbs of their own.
    pub fn mark(&self, text: &str, tokens: &mut [Token]) {
        let mut index = 0;
        while let Some(token) = tokens.get(index).copied() {
            let word = text.get(token.start..token.end).unwrap_or_default();
            let named = self.names.contains_key(word);
            if !named && !sql::begins(word) {
                index += 1;
                continue;
            }
            let rest = segment(text, token.start);
            let found = sql::statement(rest, word)
                .map(|(name, length)| (ConceptSet::of(self.id(name)), length))
                .or_else(|| named.then(|| self.line(rest, leads(text, tokens, index)))?);
            let Some((concepts, length)) = found else {
                index += 1;
                continue;
            };
            let end = tokens
                .partition_point(|other| other.start < token.start + length)
                .max(index + 1);
            self.put(tokens.get_mut(index..end).unwrap_or_default(), concepts);
            index = end;
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

    /// A command line at the start of `rest`, if it looks like one.
    fn line(&self, rest: &str, leads: bool) -> Option<(ConceptSet, usize)> {
        let (_, arguments) = rest.split_once(' ')?;
        let argument = arguments.split_whitespace().next()?;
        let flag = argument.starts_with('-')
            && argument
                .as_bytes()
                .get(1)
                .is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'-');
        if !leads {
            return (flag || argument.contains("://")).then(|| (self.parts(rest), rest.len()));
        }
        let shaped = flag
            || argument.contains('/')
            || argument.starts_with(['~', '$', '*', '|', '>', '.'])
            || argument
                .split('.')
                .next_back()
                .is_some_and(|ending| ending != argument && (1..=4).contains(&ending.len()))
            || self.names.contains_key(argument)
                && arguments.contains([' ', '/'])
                && matches!(rest.split(' ').next(), Some("sudo" | "doas" | "env" | "nohup"));
        shaped.then(|| (self.parts(rest), rest.len()))
    }

    /// The commands of a line: its pipes, lists, subshells and wrappers taken apart.
    fn parts(&self, line: &str) -> ConceptSet {
        let mut concepts = ConceptSet::EMPTY;
        let mut fetched = false;
        for part in line.split(['|', ';', '&', '\n', '`']).flat_map(|part| part.split("$(")) {
            let Some(kind) = self.command(part, &mut concepts) else {
                continue;
            };
            match kind {
                Kind::Interpreter(_) if fetched => concepts.insert(self.id("command.pipe-to-shell")),
                Kind::Network(_) => fetched = true,
                _ => {}
            }
        }
        if line.replace("2>&1", "").replace("/dev/null", "").contains('>') {
            concepts.insert(self.id("command.write"));
        }
        concepts
    }

    /// The command that a part runs, behind its wrappers and assignments.
    fn command(&self, part: &str, concepts: &mut ConceptSet) -> Option<Kind> {
        let words = part
            .split_whitespace()
            .map(|word| word.trim_matches(['(', ')', '\'', '"', '{', '}']));
        for word in words.filter(|word| !word.is_empty()) {
            let assignment = word
                .split_once('=')
                .is_some_and(|(name, _)| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'));
            if assignment || word.starts_with('-') {
                continue;
            }
            let name = word.rsplit('/').next().unwrap_or(word);
            let kind = self.names.get(name).copied();
            let concept = match kind {
                Some(Kind::Plain(concept) | Kind::Network(concept) | Kind::Interpreter(concept)) => concept,
                Some(Kind::Wrapper(concept)) => {
                    if matches!(name, "sudo" | "doas" | "su") {
                        concepts.insert(concept);
                    }
                    continue;
                }
                None => self.id("command.other"),
            };
            concepts.insert(concept);
            return kind;
        }
        None
    }
}

/// How much of a command line is looked at.
const MAX_LINE: usize = 2048;

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
