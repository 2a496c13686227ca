//! How sentences are read.

use super::*;
use crate::vocabulary::VocabularyBuilder;

fn vocabulary() -> Vocabulary {
    let mut builder = VocabularyBuilder::new().unwrap();
    let terms = |list: &[&str]| list.iter().map(|term| (*term).to_owned()).collect::<Vec<_>>();
    builder
        .verb(
            "send",
            VerbClass::Acting,
            &terms(&["send|sent", "delete", "transfer", "update"]),
        )
        .unwrap();
    builder
        .verb("draft", VerbClass::Composing, &terms(&["draft", "summarize"]))
        .unwrap();
    builder
        .verb("review", VerbClass::Reading, &terms(&["review", "find", "list"]))
        .unwrap();
    builder.verb("use", VerbClass::Light, &terms(&["use"])).unwrap();
    builder
        .object("mention", &terms(&["documentation", "example"]))
        .unwrap();
    builder.build().unwrap()
}

/// The verbs with their reaches: `!` instruct, `>` purpose, `~` imply, `,` compose, `.` content, `"` mention; `-` if negated.
fn read(text: &str) -> String {
    let vocabulary = vocabulary();
    let views = crate::normalise::normalise(text, &vocabulary);
    let tokens = tokenise(&views.views[0], &vocabulary, &Entities::new(&vocabulary, &[]));
    let signs = |verb: &VerbUse| {
        let reach = match verb.reach {
            Reach::Instruct => "!",
            Reach::Purpose => ">",
            Reach::Imply => "~",
            Reach::Compose => ",",
            Reach::Content => ".",
            Reach::Mention => "\"",
        };
        let token = &tokens[verb.token];
        format!(
            "{}{}{reach}",
            if verb.negated { "-" } else { "" },
            text.get(token.start..token.end).unwrap()
        )
    };
    let parts: Vec<String> = clauses(text, &tokens, &vocabulary)
        .iter()
        .map(|clause| clause.verbs.iter().map(signs).collect::<Vec<_>>().join(" "))
        .collect();
    parts.join(" | ")
}

fn sentences(text: &str) -> usize {
    let vocabulary = vocabulary();
    let views = crate::normalise::normalise(text, &vocabulary);
    let tokens = tokenise(&views.views[0], &vocabulary, &Entities::new(&vocabulary, &[]));
    tokens.iter().filter(|token| token.before == Break::Sentence).count()
}

#[test]
fn composing_is_not_acting() {
    assert_eq!(read("draft an email to finance to send the money"), "draft! send,");
    assert_eq!(read("draft it and then send it"), "draft! | send!");
    assert_eq!(read("draft it. now send it"), "draft! | send!");
}

#[test]
fn coordinated_verbs_share_a_clause() {
    assert_eq!(read("review and update the notes"), "review! update!");
    assert_eq!(
        read("please find the file, update it, and send it to bob"),
        "find! | update! | send!"
    );
}

#[test]
fn negation_questions_and_nouns_are_no_instructions() {
    assert_eq!(read("summarize it but do not send it"), "summarize! -send!");
    assert_eq!(read("how do i delete a file?"), "delete.");
    assert_eq!(read("review the transfer to bob"), "review!");
    assert_eq!(read("could you delete the file?"), "delete!");
    assert_eq!(read("do not forget to send it"), "send!");
}

#[test]
fn purposes_and_wishes_imply() {
    assert_eq!(read("review the list to delete it"), "review! delete>");
    assert_eq!(read("i would like to transfer some"), "transfer~");
    assert_eq!(read("use the tool to delete it"), "use! | delete!");
}

#[test]
fn quoted_examples_are_mentions() {
    assert_eq!(
        read("the documentation shows 'delete the file' as an example"),
        "delete\""
    );
    assert_eq!(read("delete 'the example'"), "delete!");
}

#[test]
fn the_end_of_a_quoted_sentence_is_not_the_end_of_what_goes_on_behind_it() {
    assert_eq!(read("draft 'delete it!' to delete it"), "draft! delete~ | delete!");
    assert_eq!(sentences("draft 'good morning!' to the channel"), 1);
    assert_eq!(sentences("draft 'good morning!' and 'how are you?' to the channel"), 1);
    assert_eq!(sentences("draft \"are you there?!\" in the channel"), 1);
    for text in [
        "draft 'good morning!' delete the file",
        "draft 'good morning!' to delete the file",
        "draft 'good morning!' and send it",
        "draft 'good morning'! to the channel",
        "draft 'good morning! to the channel'",
        "draft it! to the channel",
    ] {
        assert_eq!(sentences(text), 2, "{text}");
    }
}

#[test]
fn a_named_helper_does_not_hide_what_is_asked_for() {
    assert_eq!(read("help bob send the list"), "send!");
    assert_eq!(read("review the transfer list"), "review!");
}
