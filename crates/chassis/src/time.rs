//! Times on the wire and in text.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prost_types::Timestamp;

/// The last second that a protobuf timestamp may name: the end of the year 9999.
const LAST_SECOND: u64 = 253_402_300_799;

/// `time` as a protobuf timestamp.
pub fn to_proto(time: SystemTime) -> Timestamp {
    Timestamp::from(time)
}

/// The time that a protobuf timestamp names; `None` when it is out of range or before 1970.
pub fn from_proto(timestamp: &Timestamp) -> Option<SystemTime> {
    let seconds = u64::try_from(timestamp.seconds)
        .ok()
        .filter(|seconds| *seconds <= LAST_SECOND)?;
    let nanos = u32::try_from(timestamp.nanos)
        .ok()
        .filter(|nanos| *nanos < 1_000_000_000)?;
    UNIX_EPOCH.checked_add(Duration::new(seconds, nanos))
}

/// RFC 3339 in UTC with nine fractional digits.
pub fn rfc3339(time: SystemTime) -> String {
    jiff::Timestamp::try_from(time)
        .map(|timestamp| format!("{timestamp:.9}"))
        .unwrap_or_default()
}

/// The time that an RFC 3339 text names.
pub fn parse_rfc3339(text: &str) -> Option<SystemTime> {
    text.parse::<jiff::Timestamp>().ok().map(SystemTime::from)
}

/// `duration` as a protobuf duration; what doesn't fit becomes the longest that does.
pub fn duration_to_proto(duration: Duration) -> prost_types::Duration {
    prost_types::Duration {
        seconds: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(duration.subsec_nanos()).unwrap_or_default(),
    }
}

/// The duration that a protobuf duration names; `None` when it is negative or malformed.
pub fn duration_from_proto(duration: &prost_types::Duration) -> Option<Duration> {
    let seconds = u64::try_from(duration.seconds).ok()?;
    let nanos = u32::try_from(duration.nanos)
        .ok()
        .filter(|nanos| *nanos < 1_000_000_000)?;
    Some(Duration::new(seconds, nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_round_trip() {
        let time = UNIX_EPOCH + Duration::new(1_790_000_000, 123_456_789);
        assert_eq!(from_proto(&to_proto(time)), Some(time));
        assert_eq!(rfc3339(time), "2026-09-21T14:13:20.123456789Z");
        assert_eq!(parse_rfc3339(&rfc3339(time)), Some(time));
    }

    #[test]
    fn malformed_times_are_none() {
        assert_eq!(from_proto(&Timestamp { seconds: -1, nanos: 0 }), None);
        assert_eq!(from_proto(&Timestamp { seconds: 1, nanos: -1 }), None);
        assert_eq!(
            from_proto(&Timestamp {
                seconds: i64::MAX,
                nanos: 0
            }),
            None
        );
        assert_eq!(
            duration_from_proto(&prost_types::Duration {
                seconds: 0,
                nanos: 1_000_000_000
            }),
            None
        );
    }
}
