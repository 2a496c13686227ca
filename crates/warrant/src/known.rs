//! Signatures that need no second look.

use std::{
    collections::{HashSet, VecDeque},
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use sha2::{Digest as _, Sha256};

use crate::keys::PublicKey;

/// How many signatures are known at most; the oldest is forgotten for the newest.
const CAPACITY: usize = 4_096;

/// Signatures that this process has made, or has found good.
///
/// Whether a signature is one of a key over some bytes never changes, so it is worked out once: a check costs more than
/// all else that is done with a token. Everything else about a token is checked each time. Signers and verifiers of one
/// process may share one.
#[derive(Default)]
pub struct KnownSignatures {
    inner: Mutex<Inner>,
}

/// SHA-256 over key, signature and message.
type Fingerprint = [u8; 32];

#[derive(Default)]
struct Inner {
    known: HashSet<Fingerprint>,
    order: VecDeque<Fingerprint>,
}

// === impl KnownSignatures ===

impl KnownSignatures {
    /// Whether `signature` over `message` is one of `key`: known, or checked now and known from here on.
    pub(crate) fn verify(&self, key: &PublicKey, message: &[u8], signature: &[u8; 64]) -> bool {
        let fingerprint = fingerprint(key, message, signature);
        if self.lock().known.contains(&fingerprint) {
            return true;
        }
        let good = key.verifies(message, signature);
        if good {
            self.lock().insert(fingerprint);
        }
        good
    }

    /// Notes a signature that was made with the private half of `key`.
    pub(crate) fn note(&self, key: &PublicKey, message: &[u8], signature: &[u8; 64]) {
        let fingerprint = fingerprint(key, message, signature);
        self.lock().insert(fingerprint);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for KnownSignatures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KnownSignatures").finish_non_exhaustive()
    }
}

// === impl Inner ===

impl Inner {
    fn insert(&mut self, fingerprint: Fingerprint) {
        if !self.known.insert(fingerprint) {
            return;
        }
        self.order.push_back(fingerprint);
        if self.order.len() > CAPACITY
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }
}

/// Key and signature have a fixed length, so no two triples give the same bytes.
fn fingerprint(key: &PublicKey, message: &[u8], signature: &[u8; 64]) -> Fingerprint {
    Sha256::new_with_prefix("countersign/signature/v1")
        .chain_update(key.as_bytes())
        .chain_update(signature)
        .chain_update(message)
        .finalize()
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::SigningKey;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_seed(&[seed; 32])
    }

    #[test]
    fn a_known_signature_is_good_for_its_own_key_and_bytes_alone() {
        let known = KnownSignatures::default();
        let signature = key(1).sign(b"message");
        known.note(key(1).public(), b"message", &signature);
        assert!(known.verify(key(1).public(), b"message", &signature));
        assert!(!known.verify(key(2).public(), b"message", &signature));
        assert!(!known.verify(key(1).public(), b"messages", &signature));
        let mut altered = signature;
        altered[0] ^= 1;
        assert!(!known.verify(key(1).public(), b"message", &altered));
        assert_eq!(known.lock().known.len(), 1, "what is not good is not kept");
    }

    #[test]
    fn a_good_signature_is_known_from_its_first_check_on() {
        let known = KnownSignatures::default();
        let signature = key(1).sign(b"message");
        assert!(known.verify(key(1).public(), b"message", &signature));
        let fingerprint = fingerprint(key(1).public(), b"message", &signature);
        assert!(known.lock().known.contains(&fingerprint));
    }

    #[test]
    fn the_oldest_is_forgotten_for_the_newest() {
        let known = KnownSignatures::default();
        let last = u64::try_from(CAPACITY).unwrap();
        let print = |number: u64| -> Fingerprint { Sha256::digest(number.to_be_bytes()).into() };
        for number in 0..=last {
            known.lock().insert(print(number));
            known.lock().insert(print(number));
        }
        let inner = known.lock();
        assert_eq!((inner.known.len(), inner.order.len()), (CAPACITY, CAPACITY));
        assert!(!inner.known.contains(&print(0)) && inner.known.contains(&print(last)));
    }
}
