//! `countersign policy sign`: signs a policy for those who have the public key.

use std::fs;

use classifier_svc::policy::{
    bundle::{Bundle, SEAL_FILE},
    lint::{Level, examine},
};
use serde_json::json;
use warrant::{KeySet, SigningKey};

use super::refused;
use crate::{
    args::{Format, GlobalArgs, SignArgs},
    console::Console,
    error::CliError,
    exit::Exit,
    paths,
};

pub(super) fn run(args: &SignArgs, global: &GlobalArgs, console: &mut Console<'_>) -> Result<Exit, CliError> {
    let shown = args.policy.display();
    if !args.policy.is_dir() {
        let hint = "the signature stands beside the policy's files: put them into a folder of their own";
        return Err(CliError::new(format!("`{shown}` is not a folder")).hint(hint));
    }
    let bundle = Bundle::read(&args.policy).map_err(|error| refused(&error))?;
    let (source, refusals) = bundle.source();
    let findings = examine(&source, refusals, std::iter::empty());
    if let Some(error) = findings.iter().find(|finding| finding.level == Level::Error) {
        let hint = format!("see `countersign policy lint --policy-file {shown}`");
        return Err(CliError::new(format!("the policy is not signed: {}", error.message)).hint(hint));
    }
    let key = SigningKey::from_pkcs8_pem(&paths::read(&args.key_file)?)
        .map_err(|error| CliError::new(format!("key `{}`: {error}", args.key_file.display())))?;
    let path = args.policy.join(SEAL_FILE);
    fs::write(&path, bundle.sign(&key)).map_err(|error| CliError::io(format!("write `{}`", path.display()), error))?;
    if let Some(path) = &args.key_set_out {
        let keys = KeySet::from(key.public().clone());
        fs::write(path, keys.to_json()).map_err(|error| CliError::io(format!("write `{}`", path.display()), error))?;
    }
    let (digest, revision) = (bundle.digest(), source.revision.unwrap_or_default());
    match global.output {
        Format::Json => console.json(&json!({
            "digest": digest,
            "revision": revision,
            "key_id": key.key_id(),
            "signature_file": path,
        }))?,
        Format::Text => {
            console.line(&format!("signed    {digest}"))?;
            console.line(&format!("revision  {revision}"))?;
            console.line(&format!("key       {}", key.key_id()))?;
            console.line(&format!("file      {}", path.display()))?;
        }
    }
    Ok(Exit::Ok)
}
