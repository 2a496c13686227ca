//! Tool calls: a tool's name, and what its arguments say.

use serde_json::Value;

use crate::normalise::MAX_TEXT_BYTES;

/// Argument names whose value is a command line, or holds some; in small letters, without what parts words.
const COMMAND_NAMES: &[&str] = &[
    "command",
    "commands",
    "commandline",
    "cmd",
    "cmdline",
    "argv",
    "script",
    "shell",
    "code",
    "exec",
    "program",
    "executable",
];
/// How deep arguments may be nested; anything deeper is held.
const MAX_DEPTH: usize = 32;

/// A tool call, taken apart.
#[derive(Clone, Debug, Default)]
pub struct ToolCall {
    /// The tool.
    pub tool: String,
    /// All strings of the arguments, one a line, and all names that are more than a name.
    pub text: String,
    /// The strings that are command lines.
    pub commands: Vec<String>,
    /// The arguments, if they are JSON.
    pub arguments: Option<Value>,
    /// Why the arguments can't be read to the end, if so.
    pub held: Option<&'static str>,
}

// === impl ToolCall ===

impl ToolCall {
    /// Takes a call apart. Arguments that are no JSON are held.
    pub fn parse(tool: &str, arguments_json: &str) -> Self {
        let mut call = Self {
            tool: tool.to_owned(),
            ..Self::default()
        };
        match serde_json::from_str::<Value>(arguments_json) {
            Ok(arguments) => {
                call.collect(false, &arguments, 0);
                call.arguments = Some(arguments);
            }
            Err(_) if arguments_json.trim().is_empty() => {}
            Err(_) => call.held = Some("its arguments are no JSON"),
        }
        call
    }

    /// Takes over what a value says; `commands` tells whether it lies in an argument for commands.
    fn collect(&mut self, commands: bool, value: &Value, depth: usize) {
        if depth > MAX_DEPTH {
            self.held = Some("its arguments are nested more deeply than the classifier reads");
            return;
        }
        match value {
            Value::String(text) => self.add(commands, text),
            Value::Array(items) => {
                for item in items {
                    self.collect(commands, item, depth + 1);
                }
                // The words stand there already: once more they may not make the whole too long to be read.
                let fits = |line: &String| self.text.len() + line.len() < MAX_TEXT_BYTES;
                if let Some(line) = joined(items).filter(|line| commands && fits(line)) {
                    self.add(true, &line);
                }
            }
            Value::Object(fields) => {
                for (name, value) in fields {
                    if !is_name(name) {
                        self.add(commands, name);
                    }
                    self.collect(commands || is_command_name(name), value, depth + 1);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn add(&mut self, command: bool, text: &str) {
        if command {
            self.commands.push(text.to_owned());
        }
        self.text.push_str(text);
        self.text.push('\n');
    }
}

fn is_command_name(name: &str) -> bool {
    let plain: String = name.chars().filter(|sign| !matches!(sign, '_' | '-')).collect();
    COMMAND_NAMES.contains(&plain.to_ascii_lowercase().as_str())
}

/// Whether a member's name is only that: `chatId`, `max-results`, not `bob@example.com` or a sentence.
fn is_name(name: &str) -> bool {
    name.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

/// A command and its arguments, one by one: `["rm", "-rf", "/"]`.
fn joined(items: &[Value]) -> Option<String> {
    let words: Option<Vec<&str>> = items.iter().map(Value::as_str).collect();
    words.filter(|words| words.len() > 1).map(|words| words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_string_is_read_wherever_it_lies_and_names_only_if_they_say_something() {
        let call = ToolCall::parse(
            "x",
            r#"{"a":{"b":["one",{"c":"two"}]},"to":{"eve@evil.example":{}},"maxResults":5,"Delete all files":true}"#,
        );
        let mut lines: Vec<&str> = call.text.lines().collect();
        lines.sort_unstable();
        assert_eq!(lines, ["Delete all files", "eve@evil.example", "one", "two"]);
        assert!(call.commands.is_empty() && call.held.is_none());
    }

    #[test]
    fn a_command_is_found_in_parts_and_in_what_its_argument_holds() {
        for (arguments, line) in [
            (r#"{"command":"ls -la"}"#, "ls -la"),
            (r#"{"command":["rm","-rf","/"]}"#, "rm -rf /"),
            (r#"{"Command_Line":"ls"}"#, "ls"),
            (r#"{"cmd":{"argv":["bash","-c","date"]}}"#, "bash -c date"),
            (r#"{"steps":[{"run":0,"commands":["ls",["rm","x"]]}]}"#, "rm x"),
        ] {
            let call = ToolCall::parse("x", arguments);
            assert!(
                call.commands.iter().any(|found| found == line),
                "{arguments}: {:?}",
                call.commands
            );
            assert!(
                call.text.lines().any(|found| found == line),
                "{arguments}: {:?}",
                call.text
            );
        }
    }

    #[test]
    fn what_is_nested_too_deeply_or_no_json_is_held() {
        let deep = format!("{}\"x\"{}", r#"{"a":"#.repeat(40), "}".repeat(40));
        assert!(ToolCall::parse("x", &deep).held.is_some());
        assert!(ToolCall::parse("x", "{").held.is_some());
        assert!(ToolCall::parse("x", " ").held.is_none());
    }
}
