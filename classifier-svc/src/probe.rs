//! Probes: what must hold of any bytes whatever. The fuzz targets in `fuzz/` call them with what a fuzzer makes up, a test
//! with the corpus beside the targets and with made-up mutations of it.

use crate::{
    assessment::Span,
    classifier::Classifier,
    policy::{Policy, bundle::Bundle, lint},
    rule::Risk,
    tool::ToolCall,
};

/// Any text gets a verdict that can be explained: spans lie in the text and on characters, RED has an alternative, and what
/// isn't understood is held.
///
/// # Panics
///
/// If that doesn't hold.
pub fn text(classifier: &Classifier, bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let assessment = classifier.classify_text(&text);
    let lies = |span: &Span| text.get(span.start..span.end).is_some();
    let spans = assessment.matches.iter().flat_map(|found| &found.spans);
    assert!(
        spans.chain(assessment.facts.iter().map(|fact| &fact.span)).all(lies),
        "a span lies outside"
    );
    assert!(
        assessment.risk != Risk::Red || assessment.alternative.is_some(),
        "RED without an alternative"
    );
    assert!(
        !assessment.reason.is_empty() && !assessment.matches.is_empty(),
        "a verdict without a reason"
    );
    let again = classifier.classify_text(&text);
    assert_eq!(assessment.rules, again.rules, "the same text, another verdict");
    classifier.assess_tool(&ToolCall::parse("exec", &text), &crate::Context::default());
}

/// Any file is a policy or is refused, and what is said of it names the place.
///
/// # Panics
///
/// If that doesn't hold.
pub fn policy(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let bundle = Bundle::of([("policy.yaml".to_owned(), text)]);
    let (source, refusals) = bundle.source();
    let findings = lint::examine(&source, refusals, std::iter::empty());
    let refused = findings.iter().any(|finding| finding.kind == lint::Kind::Refused);
    match Policy::compile(bundle.source()) {
        Ok(policy) => {
            let (classifier, _) = policy.try_out();
            classifier.classify_text("Send the report to the team.");
        }
        Err(error) => assert!(refused && !error.to_string().is_empty(), "refused without a finding"),
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use proptest::prelude::*;

    use super::*;

    fn corpus(target: &str) -> Vec<Vec<u8>> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
        let mut paths: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        paths.sort();
        paths.iter().map(|path| fs::read(path).unwrap()).collect()
    }

    /// A file of the corpus with a piece of another one put over it.
    fn mutations(target: &str) -> impl Strategy<Value = Vec<u8>> {
        let files = corpus(target);
        let file = prop::sample::select(files.clone());
        let other = prop::sample::select(files);
        (
            file,
            other,
            any::<prop::sample::Index>(),
            any::<prop::sample::Index>(),
            any::<u8>(),
        )
            .prop_map(|(mut file, other, at, from, byte)| {
                let at = at.index(file.len().max(1));
                let from = from.index(other.len().max(1));
                file.truncate(at);
                file.push(byte);
                file.extend(other.into_iter().skip(from));
                file
            })
    }

    #[test]
    fn the_corpus_holds() {
        let classifier = Classifier::built_in().unwrap();
        let (texts, policies) = (corpus("classify"), corpus("policy"));
        assert!(texts.len() >= 20 && policies.len() >= 8);
        for bytes in texts {
            text(&classifier, &bytes);
        }
        for bytes in policies {
            policy(&bytes);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn mutations_of_texts_hold(bytes in mutations("classify")) {
            thread_local! {
                static CLASSIFIER: Classifier = Classifier::built_in().unwrap();
            }
            CLASSIFIER.with(|classifier| text(classifier, &bytes));
        }

        #[test]
        fn mutations_of_policies_hold(bytes in mutations("policy")) {
            policy(&bytes);
        }
    }
}
