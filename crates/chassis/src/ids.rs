//! Identifiers and randomness enter through [`Ids`], so that tests own them.

use std::{
    fmt::Debug,
    sync::atomic::{AtomicU64, Ordering},
};

use uuid::Uuid;

/// Where a part gets fresh identifiers.
pub trait Ids: Send + Sync + Debug {
    /// A fresh UUID, version 7: sortable by time.
    fn uuid(&self) -> Uuid;
    /// 128 unpredictable bits.
    fn random_bytes(&self) -> [u8; 16];
}

/// A cryptographic generator for each thread, seeded by the operating system.
#[derive(Debug, Default)]
pub struct SystemIds;

/// 1, 2, 3 …: predictable, for tests.
#[derive(Debug, Default)]
pub struct SequentialIds(AtomicU64);

// === impl SystemIds ===

impl Ids for SystemIds {
    #[expect(clippy::disallowed_methods, reason = "the one place that makes identifiers")]
    fn uuid(&self) -> Uuid {
        Uuid::now_v7()
    }

    #[expect(clippy::disallowed_methods, reason = "the one place that draws randomness")]
    fn random_bytes(&self) -> [u8; 16] {
        rand::random()
    }
}

// === impl SequentialIds ===

impl SequentialIds {
    fn next(&self) -> u128 {
        u128::from(self.0.fetch_add(1, Ordering::Relaxed)) + 1
    }
}

impl Ids for SequentialIds {
    fn uuid(&self) -> Uuid {
        Uuid::from_u128(self.next())
    }

    fn random_bytes(&self) -> [u8; 16] {
        self.next().to_be_bytes()
    }
}
