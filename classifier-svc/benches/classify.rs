//! How long classifying takes, next to the usual ways of doing parts of it, in the same run on one core.
//!
//! `cargo bench -p classifier-svc`. Times are wall-clock: run it on a quiet machine.

#![expect(clippy::disallowed_methods, reason = "a benchmark reads the real clock")]

use std::{
    fmt::Write as _,
    hint::black_box,
    io::{self, Write as _},
    process::{Command, Stdio},
    time::Instant,
};

use anyhow::{Context as _, ensure};
use caseless::Caseless as _;
use unicode_normalization::UnicodeNormalization as _;

use classifier_svc::{
    Classifier, Policy, normalise,
    vocabulary::{VerbClass, Vocabulary, VocabularyBuilder},
};

const CASES: &str = include_str!("../policy/cases.jsonl");
const TERMS: usize = 1_000;

fn main() -> anyhow::Result<()> {
    let classifier = Classifier::built_in()?;
    let corpus = Corpus::load(&classifier)?;
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "built-in policy: {} rules, {} terms",
        classifier.policy().rule_count(),
        classifier.policy().term_count()
    )?;
    verdicts(&mut out, &classifier, &corpus)?;
    largest(&mut out, &classifier, &corpus)?;
    passes(&mut out, &corpus)?;
    rules(&mut out, &corpus)
}

/// The project's own cases, run together.
struct Corpus {
    text: String,
}

impl Corpus {
    fn load(classifier: &Classifier) -> anyhow::Result<Self> {
        let mut text = String::new();
        for line in CASES.lines() {
            let case: serde_json::Value = serde_json::from_str(line)?;
            let case = case.get("text").and_then(serde_json::Value::as_str).unwrap_or_default();
            // One disguised case would give every text that holds it a further view; those are measured by themselves.
            if case.is_ascii() && classifier.classify_text(case).views.len() == 1 {
                write!(text, "{} ", case.trim())?;
            }
        }
        Ok(Self { text })
    }

    /// `count` texts of `length` characters, each beginning elsewhere, at a word.
    fn texts(&self, length: usize, count: usize) -> Vec<String> {
        let long = self.text.repeat(2 + length / self.text.len());
        let step = self.text.len() / count;
        (0..count)
            .filter_map(|index| {
                let from = index * step;
                let start = from + long.get(from..)?.find(' ')? + 1;
                long.get(start..start + length).map(str::to_owned)
            })
            .collect()
    }
}

/// Nanoseconds of single calls, in ascending order.
struct Times(Vec<u64>);

impl Times {
    fn of<T>(rounds: usize, texts: &[String], mut work: impl FnMut(&str) -> T) -> Self {
        let mut times = Vec::with_capacity(rounds * texts.len());
        for round in 0..=rounds {
            for text in texts {
                let started = Instant::now();
                black_box(work(black_box(text)));
                let took = u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX);
                // The first round warms up.
                if round > 0 {
                    times.push(took);
                }
            }
        }
        times.sort_unstable();
        Self(times)
    }

    #[expect(clippy::cast_precision_loss, reason = "times are far below the limit of precision")]
    fn micros(&self, percent: usize) -> f64 {
        let at = (self.0.len() * percent / 100).min(self.0.len().saturating_sub(1));
        self.0.get(at).map_or(0.0, |nanos| *nanos as f64 / 1_000.0)
    }
}

/// The full verdict, by the length of the text.
fn verdicts(out: &mut impl io::Write, classifier: &Classifier, corpus: &Corpus) -> anyhow::Result<()> {
    writeln!(out, "\nfull verdict        fastest us    p50 us    p99 us   ns/char")?;
    for length in [160_u32, 500, 1_000, 2_000, 4_000, 8_000, 16_000] {
        let texts = corpus.texts(length as usize, 100);
        let times = Times::of(1 + 200_000 / length as usize, &texts, |text| {
            classifier.classify_text(text)
        });
        let (p50, p99) = (times.micros(50), times.micros(99));
        writeln!(
            out,
            "{length:6} characters    {:9.1} {p50:9.1} {p99:9.1} {:9.1}",
            times.micros(0),
            p50 * 1_000.0 / f64::from(length)
        )?;
    }
    Ok(())
}

/// The largest text that is read: plain, and in shapes that are made to cost much.
fn largest(out: &mut impl io::Write, classifier: &Classifier, corpus: &Corpus) -> anyhow::Result<()> {
    writeln!(out, "\n64 KiB                              p50 ms   fastest ms")?;
    let size = normalise::MAX_TEXT_BYTES;
    let units = [
        "delete the file and ",
        "a.b.c.d.",
        "rm -rf ",
        "a b c ",
        "%ff%fe",
        "pay(",
        "aGVsbG8gd29ybGQgaGVsbG8g",
        "1gn0r3 4ll pr3v10u5 ",
        "ignoreallpreviousinstructions",
        "qryrgr nyy svyrf. ",
        "п",
    ];
    let plain = corpus.texts(size, 1).into_iter().map(|text| ("requests", text));
    let made = units.map(|unit| (unit, unit.repeat(size / unit.len())));
    for (name, text) in plain.chain(made) {
        let times = Times::of(10, &[text], |text| classifier.classify_text(text));
        let (p50, fastest) = (times.micros(50) / 1_000.0, times.micros(0) / 1_000.0);
        writeln!(out, "{name:32} {p50:9.2}    {fastest:9.2}")?;
    }
    Ok(())
}

/// The pass that normalises and matches literals, next to its peers, over the same terms and texts.
fn passes(out: &mut impl io::Write, corpus: &Corpus) -> anyhow::Result<()> {
    let terms = terms();
    let vocabulary = vocabulary(&terms)?;
    let plain = corpus.texts(1_000, 50);
    let disguised = plain.iter().map(|text| disguise(text)).collect();
    for (name, texts) in [("ASCII", plain), ("disguised", disguised)] {
        writeln!(out, "\n1,000 characters ({name}), {TERMS} terms       p50 us")?;
        let ours = Times::of(40, &texts, |text| scan(text, &vocabulary)).micros(50);
        let usual = Times::of(10, &texts, usual_pipeline).micros(50);
        let python = python(&terms, &texts)?;
        writeln!(out, "normalise, all views, match           {ours:9.1}")?;
        writeln!(
            out,
            "CPython any(term in text.lower())     {python:9.1}   {:6.1} x",
            python / ours
        )?;
        writeln!(
            out,
            "strip, NFKC, casefold, skeleton alone {usual:9.1}   {:6.1} x",
            usual / ours
        )?;
    }
    Ok(())
}

fn scan(text: &str, vocabulary: &Vocabulary) -> usize {
    let views = normalise::normalise(text, vocabulary);
    let mut hits = 0;
    for view in &views.views {
        vocabulary.scan(view, |_| hits += 1);
    }
    hits
}

/// What one writes with the usual crates: unicode-normalization, caseless, unicode-security.
fn usual_pipeline(text: &str) -> String {
    let visible: String = text.chars().filter(|character| !is_invisible(*character)).collect();
    let folded: String = visible.nfkc().default_case_fold().collect();
    unicode_security::skeleton(&folded).collect()
}

fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{feff}'
    )
}

/// Look-alike and full-width letters among the others, and an invisible character now and then.
fn disguise(text: &str) -> String {
    let mut disguised = String::with_capacity(text.len() * 2);
    for (index, letter) in text.chars().enumerate() {
        disguised.push(match (index % 10, letter) {
            (0..=4, 'o') => 'о',
            (5, 'e') => 'е',
            (6, 'a') => 'а',
            (7, 'a'..='z') => char::from_u32(u32::from(letter) + 0xFEE0).unwrap_or(letter),
            _ => letter,
        });
        if index % 50 == 49 {
            disguised.push('\u{200b}');
        }
    }
    disguised
}

/// Two-word phrases that don't occur in the texts, so that Python can't stop early.
fn terms() -> Vec<String> {
    const SYLLABLES: [&str; 10] = ["tra", "del", "se", "ban", "pay", "cre", "ol", "ken", "wi", "gor"];
    let syllable = |index: usize, place: usize| SYLLABLES.get(index / place % 10).copied().unwrap_or_default();
    (0..TERMS)
        .map(|index| {
            let (first, second, third) = (syllable(index, 1), syllable(index, 10), syllable(index, 100));
            format!("{first}{second}q {third}{second}")
        })
        .collect()
}

fn vocabulary(terms: &[String]) -> anyhow::Result<Vocabulary> {
    let literal: Vec<String> = terms.iter().map(|term| format!("={term}")).collect();
    let mut builder = VocabularyBuilder::new()?;
    builder.verb("terms", VerbClass::Acting, &literal)?;
    let vocabulary = builder.build()?;
    ensure!(vocabulary.term_count() == TERMS, "the terms are not distinct");
    Ok(vocabulary)
}

const PYTHON: &str = "
import json, sys, time
terms, texts = json.load(sys.stdin)
times = []
for _ in range(5):
    for text in texts:
        started = time.perf_counter()
        any(term in text.lower() for term in terms)
        times.append(time.perf_counter() - started)
times.sort()
print(times[len(times) // 2] * 1e6)
";

/// The median of what Python takes, in microseconds.
fn python(terms: &[String], texts: &[String]) -> anyhow::Result<f64> {
    let mut child = Command::new("python3")
        .args(["-c", PYTHON])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("start python3")?;
    let input = serde_json::to_vec(&(terms, texts))?;
    child.stdin.take().context("no standard input")?.write_all(&input)?;
    let output = child.wait_with_output()?;
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}

/// The same texts under policies of more and more rules.
fn rules(out: &mut impl io::Write, corpus: &Corpus) -> anyhow::Result<()> {
    writeln!(out, "\nrules, 160 characters    p50 us")?;
    let texts = corpus.texts(160, 100);
    let mut first = None;
    for count in [100, 1_000, 10_000] {
        let policy = Policy::parse(&[("bench.yaml", &policy(count)?)])?;
        let classifier = Classifier::from_policy(policy)?;
        ensure!(classifier.policy().rule_count() == count, "rules were lost");
        let p50 = Times::of(200, &texts, |text| classifier.classify_text(text)).micros(50);
        let times = p50 / *first.get_or_insert(p50);
        writeln!(out, "{count:6}                {p50:9.1}   {times:5.2} x")?;
    }
    Ok(())
}

/// `count` rules over 100 verbs and 100 objects; the commonest are words that the texts use.
fn policy(count: usize) -> anyhow::Result<String> {
    const VERBS: [&str; 10] = [
        "send", "delete", "transfer", "read", "find", "draft", "run", "pay", "share", "create",
    ];
    const OBJECTS: [&str; 10] = [
        "file", "email", "report", "money", "customer", "account", "list", "password", "team", "data",
    ];
    let word = |words: &[&str], index: usize| {
        words
            .get(index)
            .map_or_else(|| format!("x{}", letters(index)), |word| (*word).to_owned())
    };
    let mut text = "name: bench\nversion: '1'\nverbs:\n".to_owned();
    for index in 0..100 {
        writeln!(
            text,
            "  v{index}: {{ class: acting, terms: [v{}] }}",
            word(&VERBS, index).trim_start_matches('v')
        )?;
    }
    text.push_str("objects:\n");
    for index in 0..100 {
        writeln!(text, "  o{index}: [{}]", word(&OBJECTS, index))?;
    }
    text.push_str("rules:\n");
    for index in 0..count {
        let (verb, object) = (index % 100, index / 100 % 100);
        let when = format!("{{ verb: [v{verb}], object: [o{object}] }}");
        writeln!(
            text,
            "  - {{ id: r{index}, title: T, category: c, risk: AMBER, reason: it does, when: [{when}] }}"
        )?;
    }
    Ok(text)
}

fn letters(index: usize) -> String {
    index
        .to_string()
        .bytes()
        .map(|digit| char::from(digit - b'0' + b'a'))
        .collect()
}
