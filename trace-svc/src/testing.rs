//! What the tests of this crate share: events, and logs in folders that vanish.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use uuid::Uuid;

use chassis::{ManualClock, SequentialIds, semconv};

use crate::{
    event::{Actor, ActorType, Content, EventType, NewEvent, Owner, TraceId},
    log::file::{FileLog, FileLogOptions},
};

/// When all of it happens.
pub(crate) fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::new(1_790_000_000, 123_456_789)
}

/// The trace of this number.
pub(crate) fn trace(number: u128) -> TraceId {
    TraceId::from_bytes((0xABC_0000 + number).to_be_bytes())
}

/// Whose the trace of this number is.
pub(crate) fn owner(number: u128) -> Owner {
    Owner {
        tenant: "acme".to_owned(),
        issuer: "https://id.acme.example".to_owned(),
        requester: format!("user-{}", number % 3),
    }
}

/// An event that closes nothing; its id is that of no other pair of numbers.
pub(crate) fn event(trace_number: u128, number: u128) -> NewEvent {
    typed(trace_number, number, EventType::ApprovalGranted)
}

/// An event of this type.
pub(crate) fn typed(trace_number: u128, number: u128, kind: EventType) -> NewEvent {
    NewEvent {
        event_id: Uuid::from_u128(((trace_number + 1) << 64) | number),
        trace_id: trace(trace_number),
        kind,
        occurred_at: now(),
        actor: Actor {
            kind: ActorType::Service,
            id: "approval-svc".to_owned(),
        },
        risk: Some(warrant::Risk::Amber),
        action_digest: Some(format!("sha256:{}", "ab".repeat(32))),
        attrs: owner(trace_number)
            .attrs()
            .into_iter()
            .chain([(semconv::REVISION.to_owned(), number.to_string())])
            .collect(),
        content: Some(Content {
            media_type: "text/plain".to_owned(),
            data: format!("grüße №{number} 👍").into_bytes(),
        }),
    }
}

/// A folder that vanishes with the value.
pub(crate) fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// The same in memory, where the machine has such a folder: for what opens a log very often.
pub(crate) fn quick_folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| folder())
}

/// A clock at [`now`] and counting ids, from a range that no event uses.
pub(crate) fn impure() -> (Arc<ManualClock>, Arc<SequentialIds>) {
    (Arc::new(ManualClock::new(now())), Arc::new(SequentialIds::default()))
}

/// The log in this folder.
pub(crate) fn open(folder: &std::path::Path) -> FileLog {
    let (clock, _) = impure();
    FileLog::open(FileLogOptions::new(folder), clock, Arc::new(chassis::SystemIds)).expect("the log opens")
}
