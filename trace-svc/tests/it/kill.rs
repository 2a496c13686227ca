//! `kill -9` of a process that writes the log: what it was told is recorded, is recorded.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::SystemTime,
};

use uuid::Uuid;

use chassis::{SystemClock, SystemIds};
use trace_svc::{
    event::{Actor, ActorType, EventType, NewEvent, Owner, TraceId},
    log::{
        TraceLog as _,
        file::{FileLog, FileLogOptions},
    },
};

const FOLDER: &str = "TRACE_KILL_TEST_FOLDER";
const ROUND: &str = "TRACE_KILL_TEST_ROUND";
const ROUNDS: u128 = 6;
const WRITERS: u128 = 8;

fn open(folder: &Path) -> FileLog {
    // Small segments, so that the process also dies while one is begun.
    let options = FileLogOptions {
        segment_bytes: 64 * 1024,
        ..FileLogOptions::new(folder)
    };
    FileLog::open(options, Arc::new(SystemClock::default()), Arc::new(SystemIds)).unwrap()
}

fn event(id: Uuid) -> NewEvent {
    let trace = id.as_u128() % 5 + 1;
    let owner = Owner {
        tenant: "acme".to_owned(),
        issuer: "https://id.acme.example".to_owned(),
        requester: "alice".to_owned(),
    };
    let text = format!("ünï {id}");
    let large = id.as_u128().is_multiple_of(16);
    let data = if large { text.repeat(1000) } else { text };
    NewEvent {
        event_id: id,
        trace_id: TraceId::from_bytes(trace.to_be_bytes()),
        kind: EventType::ApprovalGranted,
        occurred_at: SystemTime::UNIX_EPOCH,
        actor: Actor {
            kind: ActorType::Service,
            id: "approval-svc".to_owned(),
        },
        risk: None,
        action_digest: None,
        attrs: BTreeMap::from_iter(owner.attrs()),
        content: Some(trace_svc::event::Content {
            media_type: "text/plain".to_owned(),
            data: data.into_bytes(),
        }),
    }
}

/// The process that is killed: writes for ever, and says what was acknowledged.
#[tokio::test]
#[ignore = "the other test starts it"]
async fn writer() {
    let folder = std::env::var(FOLDER).unwrap();
    let round: u128 = std::env::var(ROUND).unwrap().parse().unwrap();
    let log = Arc::new(open(Path::new(&folder)));
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let log = Arc::clone(&log);
        writers.spawn(async move {
            for number in 0..u128::MAX {
                let id = Uuid::from_u128((round << 96) | (writer << 64) | (number + 1));
                let receipt = log.append(vec![event(id)]).await.unwrap().remove(0);
                let line = format!("acked {id} {} {}\n", receipt.index, hex::encode(receipt.leaf));
                std::io::stdout().write_all(line.as_bytes()).unwrap();
            }
        });
    }
    writers.join_all().await;
}

fn start(folder: &Path, round: u128) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill::writer", "--ignored", "--nocapture"])
        .env(FOLDER, folder)
        .env(ROUND, round.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Runs a writer until it has said that `count` events are recorded, kills it, and returns all that it said.
fn write_and_kill(folder: &Path, round: u128, count: usize) -> Vec<(Uuid, u64, String)> {
    let mut child = start(folder, round);
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut said = String::new();
    let mut line = String::new();
    while said.matches("acked").count() < count {
        line.clear();
        assert!(
            output.read_line(&mut line).unwrap() > 0,
            "the writer ended by itself: {said}"
        );
        said.push_str(&line);
    }
    child.kill().unwrap();
    child.wait().unwrap();
    output.read_to_string(&mut said).unwrap();
    // The last line may be cut off; what it says was recorded all the same, but can't be read.
    let complete = said.rsplit_once('\n').map_or("", |(complete, _)| complete);
    complete.lines().filter_map(acknowledged).collect()
}

fn acknowledged(line: &str) -> Option<(Uuid, u64, String)> {
    let mut words = line.split_once("acked ")?.1.split(' ');
    Some((
        words.next()?.parse().ok()?,
        words.next()?.parse().ok()?,
        words.next()?.to_owned(),
    ))
}

#[tokio::test]
async fn what_a_killed_writer_acknowledged_is_in_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = Vec::new();
    for round in 1..=ROUNDS {
        let count = usize::try_from(round * 37).unwrap();
        acknowledged.extend(write_and_kill(folder.path(), round, count));
        let log = open(folder.path());
        for (id, index, leaf) in &acknowledged {
            let receipt = log.append(vec![event(*id)]).await.unwrap().remove(0);
            assert!(receipt.duplicate, "{id} was lost");
            assert_eq!((receipt.index, &hex::encode(receipt.leaf)), (*index, leaf));
        }
        assert!(log.end() >= acknowledged.len() as u64);
    }
    assert!(acknowledged.len() >= 700, "{}", acknowledged.len());
}
