//! Command lines: what their parts do, behind wrappers and assignments, and by their options.

use super::{Commands, Kind};
use crate::concept::ConceptSet;

/// Folders in which a command is the one that it is called; elsewhere it only bears the name.
const FOLDERS: [&str; 7] = [
    "",
    "/bin",
    "/usr/bin",
    "/usr/local/bin",
    "/sbin",
    "/usr/sbin",
    "/opt/homebrew/bin",
];
/// Options behind which another command stands.
const CARRIERS: [&str; 4] = ["-exec", "-execdir", "-ok", "-okdir"];
/// How many words behind such an option may be wrappers.
const MAX_LEAD: usize = 8;
/// Options by which a command that looks does more. A short one may stand among others; `=` takes it as it is written.
const EFFECTS: [(&str, &str, &str); 14] = [
    ("find", "-delete", "command.destroy"),
    ("find", "-fprint", "command.write"),
    ("find", "-fprint0", "command.write"),
    ("find", "-fprintf", "command.write"),
    ("find", "-fls", "command.write"),
    ("sort", "-o", "command.write"),
    ("sort", "--output", "command.write"),
    ("sort", "--compress-program", "command.interpreter"),
    ("tree", "-o", "command.write"),
    ("date", "=-s", "command.write"),
    ("date", "--set", "command.write"),
    ("awk", "-i", "command.write"),
    ("awk", "-f", "command.other"),
    ("rg", "--pre", "command.interpreter"),
];

// === impl Commands ===

impl Commands {
    /// The commands of a line: its pipes, lists, subshells and wrappers taken apart.
    pub(super) fn parts(&self, line: &str) -> ConceptSet {
        let mut concepts = ConceptSet::EMPTY;
        let mut fetched = false;
        let parts = line.split(['|', ';', '&', '\n', '`']);
        let parts = parts
            .flat_map(|part| part.split("$("))
            .flat_map(|part| part.split("<("));
        for part in parts.flat_map(|part| part.split(">(")) {
            let Some(kind) = self.command(part, &mut concepts) else {
                continue;
            };
            match kind {
                Kind::Interpreter(_) if fetched => concepts.insert(self.id("command.pipe-to-shell")),
                Kind::Network(_) => fetched = true,
                _ => {}
            }
        }
        // `awk '{ system("…") }'`
        if line.contains("system(") {
            concepts.insert(self.id("command.interpreter"));
        }
        if line.replace("2>&1", "").replace("/dev/null", "").contains('>') {
            concepts.insert(self.id("command.write"));
        }
        concepts
    }

    /// The command that a part runs, behind its wrappers and assignments, and what its options do.
    fn command(&self, part: &str, concepts: &mut ConceptSet) -> Option<Kind> {
        let words = part
            .split_whitespace()
            .map(|word| word.trim_matches(['(', ')', '\'', '"', '{', '}']));
        let mut words = words.filter(|word| !word.is_empty());
        // A wrapper that runs nothing shows or changes what the shell runs in.
        let mut wraps = false;
        while let Some(word) = words.next() {
            if word.starts_with('-') {
                continue;
            }
            if let Some(value) = assigned(word) {
                self.may_run(value, concepts);
                continue;
            }
            match self.kind(word) {
                Some(Kind::Wrapper(concept)) => {
                    if matches!(word.rsplit('/').next(), Some("sudo" | "doas" | "su")) {
                        concepts.insert(concept);
                    }
                    wraps = true;
                }
                // `timeout 5 …`, `xargs -n 1 …`
                None if wraps && word.starts_with(|first: char| first.is_ascii_digit()) => {}
                // `sudo -u root …`: what a wrapper runs may stand behind the value of an option.
                None if wraps => concepts.insert(self.id("command.other")),
                None => {
                    concepts.insert(self.id("command.other"));
                    return None;
                }
                Some(kind @ (Kind::Plain(concept) | Kind::Network(concept) | Kind::Interpreter(concept))) => {
                    concepts.insert(concept);
                    let rest: Vec<&str> = words.collect();
                    self.options(word, &rest, concepts);
                    return Some(kind);
                }
            }
        }
        if wraps {
            concepts.insert(self.id("command.other"));
        }
        None
    }

    /// What the options of a command do besides what it does without them.
    fn options(&self, command: &str, words: &[&str], concepts: &mut ConceptSet) {
        let name = command.rsplit('/').next().unwrap_or(command);
        for (_, option, concept) in EFFECTS.iter().filter(|(of, ..)| *of == name) {
            if words.iter().any(|word| is_option(word, option)) {
                concepts.insert(self.id(concept));
            }
        }
        for (at, _) in words.iter().enumerate().filter(|(_, word)| CARRIERS.contains(word)) {
            let words = words.iter().skip(at + 1).take(MAX_LEAD);
            let mut carried = words.filter(|word| !word.starts_with('-')).map(|word| self.kind(word));
            match carried.find(|kind| !matches!(kind, Some(Kind::Wrapper(_)))).flatten() {
                Some(Kind::Plain(concept) | Kind::Network(concept) | Kind::Interpreter(concept)) => {
                    concepts.insert(concept);
                }
                Some(Kind::Wrapper(_)) | None => concepts.insert(self.id("command.other")),
            }
        }
    }

    /// What a word in the place of a command is.
    fn kind(&self, word: &str) -> Option<Kind> {
        let (folder, name) = word.rsplit_once(['/', '\\']).unwrap_or(("", word));
        let reads = |kind: &Kind| *kind == Kind::Plain(self.id("command.read"));
        if let Some(kind) = self.names.get(name) {
            return Some(*kind).filter(|kind| !reads(kind) || FOLDERS.contains(&folder));
        }
        // `mkfs.ext4`, `cmd.exe`, `python3.12`; but what `date.sh` does, its name doesn't say.
        let (stem, _) = name.split_once('.')?;
        self.names.get(stem).copied().filter(|kind| !reads(kind))
    }

    /// A value that may be run by its name: `x='rm -rf'; $x /`, `alias ls='rm -rf'`.
    fn may_run(&self, value: &str, concepts: &mut ConceptSet) {
        match self.kind(value.trim_matches(['\'', '"'])) {
            Some(Kind::Plain(concept) | Kind::Network(concept) | Kind::Interpreter(concept)) => {
                concepts.insert(concept);
            }
            Some(Kind::Wrapper(_)) | None => {}
        }
    }
}

/// The value of `NAME=value`.
fn assigned(word: &str) -> Option<&str> {
    let (name, value) = word.split_once('=')?;
    name.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        .then_some(value)
}

fn is_option(word: &str, option: &str) -> bool {
    if let Some(exactly) = option.strip_prefix('=') {
        return word == exactly;
    }
    let short = option.strip_prefix('-').filter(|letter| letter.len() == 1);
    let among =
        |letter: &str| !word.starts_with("--") && word.strip_prefix('-').is_some_and(|all| all.contains(letter));
    word == option || word.strip_prefix(option).is_some_and(|value| value.starts_with('=')) || short.is_some_and(among)
}
