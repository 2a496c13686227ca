//! Concepts: the named meanings that lexicons give to words, and small sets of them.

/// How many concepts one policy may define.
pub const MAX_CONCEPTS: usize = 256;

/// The number of a concept within one policy.
pub type ConceptId = u8;

/// A set of concepts, held in four machine words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConceptSet([u64; 4]);

// === impl ConceptSet ===

impl ConceptSet {
    /// The empty set.
    pub const EMPTY: Self = Self([0; 4]);

    /// The set of one concept.
    pub fn of(id: ConceptId) -> Self {
        let mut set = Self::EMPTY;
        set.insert(id);
        set
    }

    /// Adds one concept.
    pub fn insert(&mut self, id: ConceptId) {
        if let Some(word) = self.0.get_mut(usize::from(id >> 6)) {
            *word |= 1 << (id & 63);
        }
    }

    /// Adds every concept of `other`.
    pub fn extend(&mut self, other: Self) {
        for (word, more) in self.0.iter_mut().zip(other.0) {
            *word |= more;
        }
    }

    /// Removes every concept of `other`.
    pub fn remove(&mut self, other: Self) {
        for (word, less) in self.0.iter_mut().zip(other.0) {
            *word &= !less;
        }
    }

    /// Whether the concept is in the set.
    pub fn contains(self, id: ConceptId) -> bool {
        self.0
            .get(usize::from(id >> 6))
            .is_some_and(|word| word & (1 << (id & 63)) != 0)
    }

    /// Whether the two sets share a concept.
    pub fn intersects(self, other: Self) -> bool {
        self.0.iter().zip(other.0).any(|(a, b)| a & b != 0)
    }

    /// Whether the set is empty.
    pub fn is_empty(self) -> bool {
        self == Self::EMPTY
    }

    /// The concepts of the set, in ascending order.
    pub fn iter(self) -> impl Iterator<Item = ConceptId> {
        [0_u8, 64, 128, 192].into_iter().zip(self.0).flat_map(|(base, word)| {
            let mut rest = word;
            std::iter::from_fn(move || {
                let bit = u8::try_from(rest.trailing_zeros()).ok().filter(|bit| *bit < 64)?;
                rest &= rest - 1;
                Some(base + bit)
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_gives_back_what_was_put_in() {
        let mut set = ConceptSet::EMPTY;
        for id in [0, 1, 63, 64, 127, 128, 200, 255] {
            set.insert(id);
        }
        assert_eq!(set.iter().collect::<Vec<_>>(), [0, 1, 63, 64, 127, 128, 200, 255]);
        assert!(set.contains(255) && !set.contains(254));
    }
}
