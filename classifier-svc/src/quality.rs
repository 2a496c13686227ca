//! Qualities: what a policy calls the scope, destination, data class and urgency of a clause.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{concept::ConceptSet, vocabulary::Vocabulary};

/// What a quality is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum QualityKind {
    /// How much it is about: `all`.
    Scope,
    /// Where something goes: `external`.
    Destination,
    /// What kind of data it is about: `health`.
    DataClass,
    /// How soon it is wanted.
    Urgency,
    /// A sum of money, as it is written.
    Amount,
}

/// One quality of a clause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Quality {
    /// What it is about.
    pub kind: QualityKind,
    /// What it is.
    #[serde(serialize_with = "text")]
    pub value: Arc<str>,
}

/// As a policy writes it: for each kind the values, and the concepts that stand for each.
pub type QualitySpec = BTreeMap<QualityKind, BTreeMap<String, Vec<String>>>;

/// The qualities that a policy knows.
#[derive(Debug, Default)]
pub struct Qualities(Vec<(Quality, ConceptSet)>);

// === impl QualityKind ===

impl QualityKind {
    /// The name as it is written everywhere.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scope => "scope",
            Self::Destination => "destination",
            Self::DataClass => "data_class",
            Self::Urgency => "urgency",
            Self::Amount => "amount",
        }
    }
}

// === impl Qualities ===

impl Qualities {
    /// Compiles what a policy says; the error says what is wrong.
    pub fn compile(spec: &QualitySpec, vocabulary: &Vocabulary) -> Result<Self, String> {
        let mut all = Vec::new();
        for (kind, values) in spec {
            if *kind == QualityKind::Amount {
                return Err("facts name `amount`, which is recognised by its shape".to_owned());
            }
            for (value, concepts) in values {
                let (kind, value) = (*kind, value.as_str().into());
                let set = vocabulary
                    .set(concepts)
                    .map_err(|name| format!("fact `{value}` names the unknown concept `{name}`"))?;
                all.push((Quality { kind, value }, set));
            }
        }
        Ok(Self(all))
    }

    /// The qualities that these concepts stand for.
    pub fn of(&self, concepts: ConceptSet) -> Vec<Quality> {
        let held = self.0.iter().filter(|(_, set)| set.intersects(concepts));
        held.map(|(quality, _)| quality.clone()).collect()
    }
}

fn text<S: serde::Serializer>(text: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text)
}
