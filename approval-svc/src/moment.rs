//! A point in time by the store's clock, in the one form that is compared and stored.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// Nanoseconds since the epoch, by the clock of the store. Arithmetic saturates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Moment(i64);

// === impl Moment ===

impl Moment {
    /// The latest moment; nothing comes after it.
    pub const MAX: Self = Self(i64::MAX);

    /// Takes nanoseconds since the epoch.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the epoch.
    pub const fn nanos(self) -> i64 {
        self.0
    }

    /// This moment and a while.
    #[must_use]
    pub fn plus(self, while_: Duration) -> Self {
        Self(self.0.saturating_add(nanos_of(while_)))
    }

    /// How long until `later`; nothing if it has passed.
    pub fn until(self, later: Self) -> Duration {
        let nanos = later.0.saturating_sub(self.0);
        u64::try_from(nanos).map_or(Duration::ZERO, Duration::from_nanos)
    }

    /// Seconds since the epoch, rounded down.
    pub fn seconds(self) -> u64 {
        u64::try_from(self.0.div_euclid(1_000_000_000)).unwrap_or(0)
    }
}

impl From<SystemTime> for Moment {
    fn from(time: SystemTime) -> Self {
        match time.duration_since(UNIX_EPOCH) {
            Ok(since) => Self(nanos_of(since)),
            Err(before) => Self(nanos_of(before.duration()).saturating_neg()),
        }
    }
}

impl From<Moment> for SystemTime {
    fn from(moment: Moment) -> Self {
        let distance = Duration::from_nanos(moment.0.unsigned_abs());
        let time = if moment.0 < 0 {
            UNIX_EPOCH.checked_sub(distance)
        } else {
            UNIX_EPOCH.checked_add(distance)
        };
        time.unwrap_or(UNIX_EPOCH)
    }
}

fn nanos_of(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_convert_and_saturate() {
        let time = UNIX_EPOCH + Duration::new(1_700_000_000, 123_456_789);
        let moment = Moment::from(time);
        assert_eq!(SystemTime::from(moment), time);
        assert_eq!(moment.seconds(), 1_700_000_000);
        assert_eq!(Moment::MAX.plus(Duration::from_secs(1)), Moment::MAX);
        assert_eq!(
            moment.until(moment.plus(Duration::from_secs(5))),
            Duration::from_secs(5)
        );
        assert_eq!(moment.plus(Duration::from_secs(5)).until(moment), Duration::ZERO);
        let before = UNIX_EPOCH - Duration::from_secs(1);
        assert_eq!(SystemTime::from(Moment::from(before)), before);
    }
}
