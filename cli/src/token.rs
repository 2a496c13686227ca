//! `countersign token`: tokens of the local issuer, for grpcurl and other clients.

use chassis::{auth::Audience, clock::SystemClock};
use serde_json::json;

use crate::{
    args::{CreateTokenArgs, Format, GlobalArgs, TokenArgs, TokenAudience, TokenCommand},
    console::Console,
    error::CliError,
    exit::Exit,
    identities::{Identities, Identity, LOCAL_TENANT, LocalIssuer},
    paths::DataDir,
};

pub(crate) fn run(args: &TokenArgs, global: &GlobalArgs, console: &mut Console<'_>) -> Result<Exit, CliError> {
    match &args.command {
        TokenCommand::Create(args) => create(args, global, console),
    }
}

fn create(args: &CreateTokenArgs, global: &GlobalArgs, console: &mut Console<'_>) -> Result<Exit, CliError> {
    let data = DataDir::of(global)?;
    let issuer = LocalIssuer::load(&data)?;
    let identity = identity_of(args, &Identities::load(&data)?)?;
    let token = issuer.token(
        &args.subject,
        &identity,
        args.audience.into(),
        args.ttl,
        &SystemClock::default(),
    )?;
    match global.output {
        Format::Text => console.line(&token)?,
        Format::Json => console.json(&json!({"token": token, "expires_in_seconds": args.ttl.as_secs()}))?,
    }
    Ok(Exit::Ok)
}

/// What is not said is taken from what the local issuer knows of the subject; of a stranger it must be said.
fn identity_of(args: &CreateTokenArgs, identities: &Identities) -> Result<Identity, CliError> {
    if args.subject.is_empty() {
        return Err(CliError::usage("the subject must not be empty"));
    }
    let known = identities.identities.get(&args.subject);
    let said = args.tenant.is_some() || !args.groups.is_empty();
    let mut identity = match known {
        Some(known) => known.clone(),
        None if said => Identity {
            tenant: LOCAL_TENANT.to_owned(),
            groups: args.groups.iter().cloned().collect(),
        },
        None => {
            return identities
                .get(&args.subject)
                .cloned()
                .map_err(|error| error.hint("give --tenant and --group"));
        }
    };
    if let Some(tenant) = &args.tenant {
        identity.tenant.clone_from(tenant);
    }
    if !args.groups.is_empty() {
        identity.groups = args.groups.iter().cloned().collect();
    }
    Ok(identity)
}

// === impl TokenAudience ===

impl From<TokenAudience> for Audience {
    fn from(audience: TokenAudience) -> Self {
        match audience {
            TokenAudience::Governance => Self::Governance,
            TokenAudience::Approval => Self::Approval,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn wanted(subject: &str, tenant: Option<&str>, groups: &[&str]) -> Result<Identity, CliError> {
        let args = CreateTokenArgs {
            subject: subject.to_owned(),
            tenant: tenant.map(ToOwned::to_owned),
            groups: groups.iter().map(ToString::to_string).collect(),
            audience: TokenAudience::Approval,
            ttl: Duration::from_mins(1),
        };
        identity_of(&args, &Identities::initial())
    }

    #[test]
    fn what_is_not_said_is_taken_from_what_is_known() {
        assert!(wanted("bob", None, &[]).unwrap().groups.contains("approvers"));
        let demoted = wanted("bob", Some("globex"), &["readers"]).unwrap();
        assert_eq!(
            (demoted.tenant.as_str(), demoted.groups.contains("approvers")),
            ("globex", false)
        );
        assert_eq!(wanted("zoe", Some("globex"), &[]).unwrap().tenant, "globex");
        assert!(wanted("zoe", None, &[]).is_err());
        assert!(wanted("", Some("globex"), &[]).is_err());
    }
}
