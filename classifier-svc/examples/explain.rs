//! Shows what the built-in policy says of each line of its input, and why: `cargo run --example explain`.

use std::io::{self, BufRead, Write};

use classifier_svc::Classifier;

fn main() -> anyhow::Result<()> {
    let classifier = Classifier::built_in()?;
    let mut out = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let assessment = classifier.classify_text(&line?);
        writeln!(out, "{}", serde_json::to_string_pretty(&assessment)?)?;
    }
    Ok(())
}
