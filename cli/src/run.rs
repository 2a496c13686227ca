//! `countersign run`: submits a request and follows it to its outcome.

mod follow;
mod report;

use chassis::{auth::Audience, part::PartName};
use proto::{
    common::v1::{Instruction, ToolCall},
    governance::v1::{CreateRunRequest, StreamRunRequest, create_run_request, stream_run_request},
};
use tonic::Status;

use crate::{
    args::{GlobalArgs, RunArgs},
    client::{self, Session},
    console::Console,
    error::CliError,
    exit::Exit,
};
use report::Reporter;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Operation {
    Instruction(String),
    ToolCall { tool: String, arguments_json: String },
}

pub(crate) async fn run(args: &RunArgs, global: &GlobalArgs, console: &mut Console<'_>) -> Result<Exit, CliError> {
    let session = Session::open(&args.connect, global, "alice")?;
    let operation = Operation::of(args, console)?;
    let request_id = client::request_id(args.request_id);
    let mut reporter = Reporter::new(console, global, session.local_name(), &request_id);
    if args.no_wait {
        create(args, &session, operation, &request_id, &mut reporter).await?;
    } else {
        let message = StreamRunRequest {
            request_id: request_id.clone(),
            agent: args.agent.clone().unwrap_or_default(),
            session: args.session.clone().unwrap_or_default(),
            operation: Some(operation.into()),
        };
        follow::to_the_end(&session, message, &mut reporter).await?;
    }
    reporter.finish()
}

async fn create(
    args: &RunArgs,
    session: &Session,
    operation: Operation,
    request_id: &str,
    reporter: &mut Reporter<'_, '_>,
) -> Result<(), CliError> {
    let message = CreateRunRequest {
        request_id: request_id.to_owned(),
        agent: args.agent.clone().unwrap_or_default(),
        session: args.session.clone().unwrap_or_default(),
        operation: Some(operation.into()),
    };
    let request = session.call(Audience::Governance, message)?;
    let response = session.governance()?.create_run(request).await;
    let response = response
        .map_err(|status| not_submitted(session, &status, request_id))?
        .into_inner();
    let run = response
        .run
        .ok_or_else(|| CliError::new("the orchestrator answered without a run"))?;
    reporter.accepted(run.into())
}

/// What an error in place of a run means: a refusal says that nothing happened, silence says nothing.
fn not_submitted(session: &Session, status: &Status, request_id: &str) -> CliError {
    let error = session.failed(PartName::Orchestrator, status);
    if client::may_have_happened(status) {
        return error.hint(format!(
            "whether it was accepted is not known: repeat it with --request-id {request_id}, which never runs it twice"
        ));
    }
    error
}

// === impl Operation ===

impl Operation {
    fn of(args: &RunArgs, console: &mut Console<'_>) -> Result<Self, CliError> {
        match (&args.text, &args.tool) {
            (Some(text), _) if text == "-" => {
                let mut text = String::new();
                std::io::Read::read_to_string(&mut console.input, &mut text)
                    .map_err(|error| CliError::io("read standard input", error))?;
                Ok(Self::Instruction(text.strip_suffix('\n').unwrap_or(&text).to_owned()))
            }
            (Some(text), _) => Ok(Self::Instruction(text.clone())),
            (None, Some(tool)) => Ok(Self::ToolCall {
                tool: tool.clone(),
                arguments_json: args.arguments.clone().unwrap_or_default(),
            }),
            (None, None) => Err(CliError::usage(
                "nothing is asked: give a text, or --tool and --arguments",
            )),
        }
    }
}

impl From<Operation> for create_run_request::Operation {
    fn from(operation: Operation) -> Self {
        match operation {
            Operation::Instruction(text) => Self::Instruction(Instruction { text }),
            Operation::ToolCall { tool, arguments_json } => Self::ToolCall(ToolCall { tool, arguments_json }),
        }
    }
}

impl From<Operation> for stream_run_request::Operation {
    fn from(operation: Operation) -> Self {
        match operation {
            Operation::Instruction(text) => Self::Instruction(Instruction { text }),
            Operation::ToolCall { tool, arguments_json } => Self::ToolCall(ToolCall { tool, arguments_json }),
        }
    }
}
