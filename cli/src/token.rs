//! `countersign token`: tokens of the local issuer, for grpcurl and other clients.

use std::sync::Arc;

use chassis::{
    PartName,
    auth::{Audience, Credential},
    clock::SystemClock,
    fault::with_causes,
};
use serde_json::json;

use crate::{
    args::{CreateTokenArgs, Format, GlobalArgs, TokenArgs, TokenAudience, TokenCommand},
    console::Console,
    error::CliError,
    exit::Exit,
    identities::{Identities, Identity, LOCAL_TENANT, LocalIssuer},
    paths::DataDir,
    up::SERVICES_ISSUER,
};

pub(crate) fn run(args: &TokenArgs, global: &GlobalArgs, console: &mut Console<'_>) -> Result<Exit, CliError> {
    match &args.command {
        TokenCommand::Create(args) => create(args, global, console),
    }
}

fn create(args: &CreateTokenArgs, global: &GlobalArgs, console: &mut Console<'_>) -> Result<Exit, CliError> {
    let data = DataDir::of(global)?;
    let (token, ttl) = match (args.service, args.target) {
        (Some(part), Some(target)) => (service_token(&data, part, target)?, Credential::LIFETIME),
        _ => (person_token(&data, args)?, args.ttl),
    };
    match global.output {
        Format::Text => console.line(&token)?,
        Format::Json => console.json(&json!({"token": token, "expires_in_seconds": ttl.as_secs()}))?,
    }
    Ok(Exit::Ok)
}

fn person_token(data: &DataDir, args: &CreateTokenArgs) -> Result<String, CliError> {
    let issuer = LocalIssuer::load(data)?;
    let subject = args.subject.as_deref().unwrap_or_default();
    let identity = identity_of(args, &Identities::load(data)?)?;
    issuer.token(
        subject,
        &identity,
        args.audience.into(),
        args.ttl,
        &SystemClock::default(),
    )
}

/// A token as the service itself would make it: its key lies in the data directory.
fn service_token(data: &DataDir, part: PartName, target: PartName) -> Result<String, CliError> {
    let unusable =
        |error: &dyn std::error::Error| CliError::new(format!("can't use the key of {part}: {}", with_causes(error)));
    let pem = chassis::secret::read(&data.service_key(part))
        .map_err(|error| unusable(&error).hint("start `countersign up` once, or give its --data-dir"))?;
    let clock = Arc::new(SystemClock::default());
    let credential = Credential::new(part, SERVICES_ISSUER, &pem, clock).map_err(|error| unusable(&error))?;
    credential.token(target).map_err(|error| unusable(&error))
}

/// What is not said is taken from what the local issuer knows of the subject; of a stranger it must be said.
fn identity_of(args: &CreateTokenArgs, identities: &Identities) -> Result<Identity, CliError> {
    let subject = args.subject.as_deref().unwrap_or_default();
    if subject.is_empty() {
        return Err(CliError::usage("the subject must not be empty"));
    }
    let known = identities.identities.get(subject);
    let said = args.tenant.is_some() || !args.groups.is_empty();
    let mut identity = match known {
        Some(known) => known.clone(),
        None if said => Identity {
            tenant: LOCAL_TENANT.to_owned(),
            groups: args.groups.iter().cloned().collect(),
        },
        None => {
            return identities
                .get(subject)
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
            subject: Some(subject.to_owned()),
            service: None,
            target: None,
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
