//! Deadlines: the caller's `grpc-timeout` becomes a deadline that outbound calls inherit. When it passes before the answer
//! begins, the call ends; so does one that nobody has set a deadline for, in the end.

use std::{future::Future, time::Duration};

use proto::common::v1::ErrorReason;
use tokio::time::Instant;

use super::{Request, Response, refuse};
use crate::{
    context::{CallContext, TIMEOUT_HEADER},
    fault::{Code, status},
    part::PartName,
};

/// Longer than any call should take; keeps arithmetic on deadlines in range.
const LONGEST: Duration = Duration::from_hours(24);

/// How long an answer may take to begin, whatever the caller allows: nothing here takes so long, but a caller who begins a
/// message and never ends it would.
const PATIENCE: Duration = Duration::from_mins(2);

/// Reads the caller's deadline and lets outbound calls inherit it.
pub(super) fn set(request: &mut Request) -> Option<Instant> {
    let timeout = request
        .headers()
        .get(TIMEOUT_HEADER)
        .and_then(|value| parse(value.to_str().ok()?))?;
    let deadline = Instant::now() + timeout.min(LONGEST);
    if let Some(context) = request.extensions_mut().get_mut::<CallContext>() {
        context.set_deadline(deadline);
    }
    Some(deadline)
}

/// The answer of a handler, if it comes in time.
pub(super) async fn bound(
    part: PartName,
    deadline: Option<Instant>,
    handler: impl Future<Output = Response>,
) -> Response {
    let latest = Instant::now() + PATIENCE;
    let deadline = deadline.map_or(latest, |deadline| deadline.min(latest));
    tokio::time::timeout_at(deadline, handler).await.unwrap_or_else(|_| {
        refuse(&status(
            part.domain(),
            Code::DeadlineExceeded,
            ErrorReason::DeadlineExceeded,
            "deadline exceeded",
        ))
    })
}

/// Reads a `grpc-timeout`: up to eight digits and a unit.
fn parse(value: &str) -> Option<Duration> {
    let unit = value.chars().last()?;
    let digits = value.strip_suffix(unit)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let amount: u64 = digits.parse().ok()?;
    match unit {
        'H' => Some(Duration::from_secs(amount.saturating_mul(3600))),
        'M' => Some(Duration::from_secs(amount.saturating_mul(60))),
        'S' => Some(Duration::from_secs(amount)),
        'm' => Some(Duration::from_millis(amount)),
        'u' => Some(Duration::from_micros(amount)),
        'n' => Some(Duration::from_nanos(amount)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_read_as_the_grpc_specification_says() {
        assert_eq!(parse("30S"), Some(Duration::from_secs(30)));
        assert_eq!(parse("250m"), Some(Duration::from_millis(250)));
        for value in ["", "S", "123456789S", "1.5S", "5s", "-1S"] {
            assert_eq!(parse(value), None, "{value}");
        }
    }
}
