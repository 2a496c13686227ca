//! Temporary.
fn main() { use std::io::Write; let c = classifier_svc::Classifier::built_in().expect("x"); for t in std::env::args().skip(1) { let a = c.classify_text(&t); writeln!(std::io::stdout(), "{}\n", serde_json::to_string_pretty(&(a.risk, &a.rules, &a.facts, &a.views)).expect("x")).expect("x"); } }
