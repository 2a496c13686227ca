//! `countersign policy classify`: the verdict on one text, or on each line of standard input.

use classifier_svc::{Assessment, Classifier, Context};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::classifier;
use crate::{
    args::{ClassifyArgs, Format, GlobalArgs},
    console::{Console, Palette},
    error::CliError,
    escape,
    exit::Exit,
    view::Fields,
};

/// One line of input. Other members, such as labels of a data set, are passed over.
#[derive(Deserialize)]
struct Question {
    id: Value,
    text: String,
}

/// One line of output.
#[derive(Serialize)]
struct Answer<'a> {
    id: Value,
    #[serde(flatten)]
    assessment: &'a Assessment,
}

pub(super) fn run(args: &ClassifyArgs, global: &GlobalArgs, console: &mut Console<'_>) -> Result<Exit, CliError> {
    let classifier = classifier(&args.policy)?;
    let context = super::context(&args.context);
    let Some(text) = &args.text else {
        return classify_lines(&classifier, &context, console);
    };
    let assessment = classifier.assess_text(text, &context);
    match global.output {
        Format::Json => console.json(&assessment)?,
        Format::Text => {
            let text = render(&assessment, console.out_palette());
            console.line(&text)?;
        }
    }
    Ok(Exit::Ok)
}

/// One answer for each line. A line that can't be read is answered with an error and its number; the rest goes on.
fn classify_lines(classifier: &Classifier, context: &Context, console: &mut Console<'_>) -> Result<Exit, CliError> {
    if console.terminals.input {
        console.note("reading JSONL `{\"id\", \"text\"}` from standard input; end it with Ctrl-D")?;
    }
    let (mut line, mut number, mut refused) = (Vec::new(), 0_u64, 0_u64);
    loop {
        line.clear();
        let read = console.input.read_until(b'\n', &mut line);
        if read.map_err(|error| CliError::io("read standard input", error))? == 0 {
            break;
        }
        number += 1;
        if line.trim_ascii().is_empty() {
            continue;
        }
        match serde_json::from_slice::<Question>(&line) {
            Ok(question) => {
                let assessment = classifier.assess_text(&question.text, context);
                console.json(&Answer {
                    id: question.id,
                    assessment: &assessment,
                })?;
            }
            Err(error) => {
                refused += 1;
                console.json(&json!({"line": number, "error": error.to_string()}))?;
            }
        }
    }
    if refused > 0 {
        return Err(CliError::new(format!("{refused} of {number} lines could not be read"))
            .hint("give one object with `id` and `text` on each line"));
    }
    Ok(Exit::Ok)
}

fn render(assessment: &Assessment, palette: Palette) -> String {
    let mut fields = Fields::new(palette);
    fields.add("instead", assessment.alternative.as_deref().unwrap_or_default());
    for found in &assessment.matches {
        fields.add_raw(
            "rule",
            &format!(
                "{} {}",
                palette.word(found.risk.as_str()),
                escape::one_line(&found.rule)
            ),
        );
        fields.add("", &found.title);
    }
    fields.add("views", &assessment.views.join(", "));
    fields.add("confidence", &format!("{:.2}", assessment.confidence));
    fields.add("policy", &assessment.policy);
    let (risk, disposition) = (assessment.risk.as_str(), assessment.disposition.as_str());
    format!(
        "{}  {}\n  {}\n{}",
        palette.word(risk),
        palette.word(disposition),
        escape::one_line(&assessment.reason),
        fields.into_text()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::tests::ran;

    fn classified(arguments: &[&str], input: &str) -> (Exit, String, String) {
        ran(&[&["classify"], arguments].concat(), input)
    }

    #[test]
    fn a_text_is_explained() {
        let (exit, out, _) = classified(&["Transfer funds from treasury to vendor account immediately."], "");
        assert_eq!(exit, Exit::Ok);
        assert!(out.starts_with("RED  BLOCK\n  "), "{out}");
        assert!(out.contains("\n  instead "), "{out}");
        let (_, out, _) = classified(
            &[
                "Summarize our AI governance policy for internal use.",
                "--output",
                "json",
            ],
            "",
        );
        let json: Value = serde_json::from_str(&out).unwrap();
        assert_eq!(
            (&json["risk"], &json["disposition"]),
            (&json!("GREEN"), &json!("ALLOW"))
        );
        assert!(json["rules"].is_array() && json["reason"].is_string());
    }

    #[test]
    fn each_line_is_answered_and_a_bad_one_named() {
        let input = "{\"id\": 1, \"text\": \"Summarize the policy.\", \"label\": \"GREEN\"}\n\n{\"id\": \"b\"}\nnonsense\n\
                     {\"id\": \"c\", \"text\": \"Run a shell command to archive the home directory and upload it.\"}";
        let (exit, out, err) = classified(&[], input);
        let lines: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(exit, Exit::Failure);
        assert_eq!(lines.len(), 4);
        assert_eq!((&lines[0]["id"], &lines[0]["risk"]), (&json!(1), &json!("GREEN")));
        assert_eq!((&lines[1]["line"], &lines[2]["line"]), (&json!(3), &json!(4)));
        assert!(lines[1]["error"].as_str().unwrap().contains("text"));
        assert_eq!((&lines[3]["id"], &lines[3]["risk"]), (&json!("c"), &json!("RED")));
        assert!(err.contains("2 of 5 lines could not be read"), "{err}");
    }

    #[test]
    fn a_policy_that_cant_be_read_is_an_error() {
        let (exit, out, err) = classified(&["hello", "--policy-file", "/nonexistent"], "");
        assert_eq!((exit, out.as_str()), (Exit::Failure, ""));
        assert!(err.starts_with("error: can't use the policy: "), "{err}");
    }
}
