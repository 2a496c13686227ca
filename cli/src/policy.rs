//! `countersign policy`: what a policy says of a text, and what is to be said of a policy, without any server.

mod cases;
mod classify;
mod diff;
mod explain;
mod lint;
mod recorded;
mod replay;
mod sign;
mod test;
#[cfg(test)]
mod tests;

use std::path::Path;

use chassis::{
    clock::{Clock as _, SystemClock},
    fault::with_causes,
};
use classifier_svc::{
    Classifier, Context, Policy, PolicyError,
    config::read_keys,
    policy::{bundle::Bundle, source::Source},
};

use crate::{
    args::{ContextArgs, GlobalArgs, PolicyArgs, PolicyCommand, PolicyFileArgs},
    console::Console,
    error::CliError,
    exit::Exit,
};

pub(crate) fn run(args: &PolicyArgs, global: &GlobalArgs, console: &mut Console<'_>) -> Result<Exit, CliError> {
    match &args.command {
        PolicyCommand::Classify(args) => classify::run(args, global, console),
        PolicyCommand::Explain(args) => explain::run(args, global, console),
        PolicyCommand::Lint(args) => lint::run(args, global, console),
        PolicyCommand::Test(args) => test::run(args, global, console),
        PolicyCommand::Diff(args) => diff::run(args, global, console),
        PolicyCommand::Replay(args) => replay::run(args, global, console),
        PolicyCommand::Sign(args) => sign::run(args, global, console),
    }
}

/// The policy at work, if it passes its own tests.
fn classifier(args: &PolicyFileArgs) -> Result<Classifier, CliError> {
    policy(args)
        .and_then(|policy| Classifier::from_policy(policy).map_err(|error| refused(&error)))
        .map_err(|error| error.hint("correct the policy, or leave out --policy-file"))
}

fn policy(args: &PolicyFileArgs) -> Result<Policy, CliError> {
    Policy::compile(bundle(args)?.source()).map_err(|error| refused(&error))
}

/// The files of the policy, signed if keys are given.
fn bundle(args: &PolicyFileArgs) -> Result<Bundle, CliError> {
    let Some(path) = &args.policy_file else {
        return Ok(Bundle::built_in());
    };
    let bundle = Bundle::read(path).map_err(|error| refused(&error))?;
    if let Some(path) = &args.policy_key_set_file {
        let keys = read_keys(path).map_err(|error| CliError::new(error.to_string()))?;
        bundle.verify(&keys).map_err(|error| refused(&error))?;
    }
    Ok(bundle)
}

/// What a policy may know besides the text, now.
fn context(args: &ContextArgs) -> Context {
    Context {
        groups: args.groups.clone(),
        tenant: args.tenant.clone(),
        agent: args.agent.clone(),
        continued: Some(args.continued),
        now: Some(SystemClock::default().now()),
        ..Context::default()
    }
}

/// The policy as it is written, and all that is refused of it.
fn source(path: Option<&Path>) -> Result<(Source, Vec<PolicyError>), CliError> {
    path.map_or_else(|| Ok(Source::built_in()), Source::open)
        .map_err(|error| refused(&error))
}

fn refused(error: &PolicyError) -> CliError {
    CliError::new(format!("can't use the policy: {}", with_causes(error)))
}
