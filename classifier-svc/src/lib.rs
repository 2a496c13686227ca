//! The classifier: from the text of a request to a risk, with the reasons, signed.
//!
//! The core is pure: [`normalise`] makes the views under which a text is read, [`clause`] finds who is told to do what,
//! [`rule`] matches typed conditions, [`policy`] loads lexicons and rules, [`model`] may raise what the rules say, and
//! [`classifier`] draws the conclusion.
//! Around it: [`verdict`] binds the conclusion to an action and signs it, [`api`] serves it.
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
pub mod policy;
pub mod quality;
pub mod rule;
pub mod tool;
pub mod verdict;
pub mod vocabulary;

use chassis::{BoxError, Node, Part};
use proto::classification::v1::classification_service_server::ClassificationServiceServer;
use secrecy::ExposeSecret as _;
use warrant::{Signer, SigningKey};

use crate::{api::ClassificationApi, verdict::Judge};

pub use assessment::{Assessment, Disposition};
pub use classifier::Classifier;
pub use config::Config;
pub use policy::{Policy, PolicyError};
pub use rule::{Context, Risk};

/// Loads the policy, runs its tests, and puts the service together.
pub fn build(config: &Config, node: &Node) -> Result<Part, BoxError> {
    let policy = match &config.policy_file {
        Some(path) => Policy::open(path)?,
        None => Policy::built_in()?,
    };
    let classifier = Classifier::from_policy(policy)?;
    let loaded = classifier.policy();
    tracing::info!(
        policy = loaded.name,
        version = loaded.version,
        digest = classifier.digest(),
        rules = loaded.rule_count(),
        terms = loaded.term_count(),
        "policy loaded"
    );
    let key = SigningKey::from_pkcs8_pem(chassis::secret::read(&config.signing_key_file)?.expose_secret())?;
    let signer = Signer::new(&config.issuer, key).noting(node.signatures());
    let judge = Judge::new(classifier, signer);
    Part::builder(node)
        .grpc(ClassificationServiceServer::new(ClassificationApi::new(
            judge,
            node.clock(),
        )))
        .build()
}
