//! Tool calls: a tool's name, and what its arguments say.

use serde_json::Value;

/// Argument names whose value is a command line.
const COMMAND_NAMES: &[&str] = &["command", "cmd", "script", "shell", "code", "commands"];
/// How deep arguments may be nested; anything deeper is held.
const MAX_DEPTH: usize = 32;

/// A tool call, taken apart.
#[derive(Clone, Debug, Default)]
pub struct ToolCall {
    /// The tool.
    pub tool: String,
    /// All strings of the arguments, one a line.
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
                call.collect("", &arguments, 0);
                call.arguments = Some(arguments);
            }
            Err(_) if arguments_json.trim().is_empty() => {}
            Err(_) => call.held = Some("its arguments are no JSON"),
        }
        call
    }

    fn collect(&mut self, name: &str, value: &Value, depth: usize) {
        if depth > MAX_DEPTH {
            self.held = Some("its arguments are nested more deeply than the classifier reads");
            return;
        }
        match value {
            Value::String(text) => self.add(name, text),
            Value::Array(items) => items.iter().for_each(|item| self.collect(name, item, depth + 1)),
            Value::Object(fields) => fields
                .iter()
                .for_each(|(name, value)| self.collect(name, value, depth + 1)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn add(&mut self, name: &str, text: &str) {
        if COMMAND_NAMES.contains(&name.to_ascii_lowercase().as_str()) {
            self.commands.push(text.to_owned());
        }
        self.text.push_str(text);
        self.text.push('\n');
    }
}
