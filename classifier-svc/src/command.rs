//! Commands: shell command lines and SQL statements inside a text, told apart from English by their shape.

mod extent;
mod line;
mod shape;
mod sql;

use std::collections::HashMap;

use serde::Deserialize;

use self::shape::{is_call, is_line, is_strange, is_told, leads, overwrites, path_start, segment};
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
            let found = self.find(view, raw, tokens, index);
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
    fn find(&self, view: &View, raw: &str, tokens: &[Token], index: usize) -> Option<Found> {
        let (text, token) = (view.text.as_str(), tokens.get(index)?);
        let word = text.get(token.start..token.end).unwrap_or_default();
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
        if token.before == Break::Sentence && overwrites(text, token.start) {
            let end = token.start + segment(text, token.start).len();
            return Some(strange(token.start, end, ConceptSet::of(self.id("command.write"))));
        }
        if token.before == Break::Sentence && is_call(text, token) {
            return Some(strange(
                token.start,
                token.end,
                ConceptSet::of(self.id("command.other")),
            ));
        }
        if !self.names.contains_key(word) {
            return self.unknown(view, raw, tokens, index);
        }
        let start = path_start(text, token.start);
        let rest = segment(text, start);
        match is_line(rest, leads(text, tokens, index), &self.names) {
            Some(has_option) => Some(Found {
                concepts: self.parts(rest),
                start,
                end: start + rest.len(),
                is_statement: false,
                is_ambiguous: !has_option,
            }),
            None => (is_strange(token) && is_told(tokens, index, true))
                .then(|| strange(token.start, token.end, self.parts(rest))),
        }
    }

    /// A command that no policy names, by the option behind it or by what it is told: `rd /s /q c:`, `mystery --force`,
    /// `clusterctl delete ns prod`.
    fn unknown(&self, view: &View, raw: &str, tokens: &[Token], index: usize) -> Option<Found> {
        let text = view.text.as_str();
        let token = tokens.get(index).filter(|token| is_strange(token))?;
        // A sentence begins with a capital letter, mostly: `Replay run 771`.
        let is_small = || {
            let (start, _) = view.raw_span(token.start, token.end);
            raw.get(start..)
                .is_some_and(|word| word.starts_with(char::is_lowercase))
        };
        if is_told(tokens, index, false) && is_small() {
            return Some(strange(
                token.start,
                token.end,
                ConceptSet::of(self.id("command.other")),
            ));
        }
        let rest = segment(text, token.start);
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

/// What only its shape tells from English. Words behind it that it doesn't cover say what they say anywhere.
fn strange(start: usize, end: usize, concepts: ConceptSet) -> Found {
    Found {
        concepts,
        start,
        end,
        is_statement: false,
        is_ambiguous: true,
    }
}
