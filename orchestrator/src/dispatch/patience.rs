//! How long the executor is waited for: longer than it takes by itself, so that it is the executor that decides.
//!
//! Its options are taken as they are by default. An executor that is told to take longer goes on by itself all the same,
//! and what comes of it stands in the approval.

use std::time::Duration;

/// Its question to the gateway whether it is ready, after one of somebody else's.
const READY: Duration = Duration::from_secs(2 * 2);
/// One call of it to another part: each patience may end with one that has just begun.
const CALL: Duration = Duration::from_secs(5);
/// Its patience for a claim.
const CLAIM: Duration = Duration::from_secs(15);
/// `--start-record-timeout`
const START_RECORD: Duration = Duration::from_secs(20);
/// `--execution-timeout`; the gateway may have nothing to say all the while.
const EXECUTION: Duration = Duration::from_mins(10);
/// `--end-record-timeout`: for the record of the end, and then for its outcome to be taken.
const END_RECORD: Duration = Duration::from_mins(10);
/// For the way there and back.
const WAY: Duration = Duration::from_secs(5);

/// Until the executor has taken the work or refused it.
pub(super) const ACCEPT: Duration = sum([READY, CLAIM, CALL, START_RECORD, CALL, WAY]);
/// Until it says something more.
pub(super) const SILENCE: Duration = sum([EXECUTION, END_RECORD, CALL, END_RECORD, CALL, WAY]);

const fn sum<const N: usize>(parts: [Duration; N]) -> Duration {
    let (mut sum, mut rest) = (Duration::ZERO, parts.as_slice());
    while let [first, others @ ..] = rest {
        sum = sum.saturating_add(*first);
        rest = others;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As options are documented.
    fn written(time: Duration) -> String {
        match (time.as_secs() / 60, time.as_secs() % 60) {
            (minutes, 0) => format!("`{minutes}m`"),
            _ => format!("`{}s`", time.as_secs()),
        }
    }

    #[test]
    fn the_executors_options_are_what_its_documentation_says() {
        let documented = include_str!("../../../docs/config.md");
        let rows = [
            ("`--start-record-timeout ", START_RECORD),
            ("`--execution-timeout ", EXECUTION),
            ("`--end-record-timeout ", END_RECORD),
        ];
        for (option, default) in rows {
            let row = documented.lines().find(|line| line.contains(option)).unwrap();
            assert!(row.contains(&written(default)), "{row}");
        }
    }
}
