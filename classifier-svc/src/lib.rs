//! The classifier: from the text of a request to a risk, with the reasons, signed.
//!
//! The core is pure: [`normalise`] makes the views under which a text is read, [`clause`] finds who is told to do what,
//! [`rule`] matches typed conditions, [`policy`] loads lexicons and rules, [`model`] may raise what the rules say, and
//! [`classifier`] draws the conclusion.
//! Around it: [`opinion`] may ask a model for a second opinion, [`policies`] has the policies at work and takes newer ones over, [`verdict`] binds the conclusion to an
//! action and signs it, [`api`] serves it.
//!
//! ```
//! # fn main() -> Result<(), classifier_svc::PolicyError> {
//! let classifier = classifier_svc::Classifier::built_in()?;
//! let assessment = classifier.classify_text("Transfer funds from treasury to vendor account immediately.");
//! assert_eq!(assessment.risk, classifier_svc::Risk::Red);
//! # Ok(())
//! # }
//! ```

pub mod api;
pub mod assessment;
pub mod classifier;
pub mod clause;
pub mod command;
pub mod concept;
pub mod config;
mod convert;
pub mod error;
pub mod model;
pub mod normalise;
pub mod opinion;
pub mod policies;
pub mod policy;
pub mod probe;
pub mod quality;
pub mod rule;
pub mod tool;
pub mod verdict;
pub mod vocabulary;

use std::{ffi::OsString, sync::Arc};

use chassis::{BoxError, Exit, Node, Part, PartName};
use proto::classification::v1::classification_service_server::ClassificationServiceServer;
use secrecy::ExposeSecret as _;
use tokio::sync::watch;
use warrant::{Signer, SigningKey};

use crate::{
    api::ClassificationApi,
    opinion::{OPINION_HEALTH, SecondOpinion},
    policies::{Policies, reload},
    verdict::Judge,
};

pub use assessment::{Assessment, Disposition};
pub use classifier::Classifier;
pub use config::Config;
pub use policy::{Policy, PolicyError};
pub use rule::{Context, Risk};

/// The largest message that is taken: a policy and what lies around it.
const MAX_MESSAGE_BYTES: usize = policy::MAX_POLICY_BYTES + 4 * 1024 * 1024;

/// The service as a process: from its command line, the program's name first, to its end.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    chassis::run(
        PartName::Classifier,
        arguments,
        |config: Config, node: Node| async move { build(&config, &node) },
    )
}

/// Loads the policies, runs their tests, and puts the service together.
pub fn build(config: &Config, node: &Node) -> Result<Part, BoxError> {
    let (live, shadow) = config.loaders()?;
    let policies = Arc::new(Policies::open(live, shadow, &node.clock())?);
    let key = SigningKey::from_pkcs8_pem(chassis::secret::read(&config.signing_key_file)?.expose_secret())?;
    let signer = Signer::new(&config.issuer, key).noting(node.signatures());
    let opinion = SecondOpinion::open(&config.opinion, node.clock())?;
    let opinion_health = opinion.as_ref().map(SecondOpinion::healthy);
    let judge = Judge::new(Arc::clone(&policies), signer).asking(opinion);
    let api = ClassificationServiceServer::new(ClassificationApi::new(judge, node.clock()));
    let (healthy, health) = watch::channel(true);
    let interval = config.bundles.policy_reload_interval;
    let mut part = Part::builder(node)
        .grpc(api.max_decoding_message_size(MAX_MESSAGE_BYTES))
        .health_of(reload::POLICY_HEALTH, health)
        .background("policy-reload", move |over| {
            reload::run(policies, interval, healthy, over)
        });
    if let Some(health) = opinion_health {
        part = part.health_of(OPINION_HEALTH, health);
    }
    part.build()
}
