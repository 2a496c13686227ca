//! What the store does when files or the disk fail it, and when its process ends at the worst moment.

use std::{
    io::{BufRead as _, BufReader},
    os::unix::fs::FileExt as _,
    process,
};

use super::*;

#[tokio::test]
async fn an_altered_action_is_not_read() {
    let harness = Sqlite::new();
    let store = harness.open(Terms::default()).await;
    let id = store.create(draft(1, Risk::Green)).await.unwrap().stored.approval.id();
    let path = harness.folder.path().join("approvals.sqlite");
    let altered = "UPDATE contents SET content = replace(content, 'Summarise', 'Forward')";
    drop(store);
    Connection::open(path).unwrap().execute(altered, []).unwrap();
    let store = harness.open(Terms::default()).await;
    assert!(matches!(store.get(id).await, Err(ApprovalError::Internal(_))));
}

/// How many approvals [`leave_damaged`] damages before those that it returns.
const UNREADABLE: u32 = 300;

/// Leaves every kind of approval that can't be read, more of them than a sweep takes, and each before one that can; of the
/// four that are granted and returned, the first and the third.
async fn leave_damaged(harness: &Sqlite) -> (Vec<Approval>, Approval) {
    let store = harness.open(Terms::default()).await;
    let create = async |number, risk| store.create(draft(number, risk)).await.unwrap().stored.approval;
    let execute = async |id, command| store.execute(id, command, None).await.unwrap().stored.approval;
    for number in 0..UNREADABLE {
        create(number, Risk::Amber).await;
    }
    let mut granted = Vec::new();
    for number in UNREADABLE..UNREADABLE + 4 {
        let amber = create(number, Risk::Amber).await;
        granted.push(execute(amber.id(), vote(&amber, "bob", Decision::Grant)).await);
        harness.clock.advance(Duration::from_secs(1));
    }
    let pending = create(UNREADABLE + 4, Risk::Amber).await;
    crate::fixture::record_all(&store).await;
    for granted in &granted[2..] {
        execute(granted.id(), claim(granted, 1)).await;
    }
    store.flush_receipts().await.unwrap();
    drop(store);

    let database = Connection::open(harness.folder.path().join("approvals.sqlite")).unwrap();
    let damages = [
        "UPDATE contents SET content = replace(content, 'Summarise', 'Forward') WHERE position = ?1",
        "UPDATE contents SET content = (SELECT content FROM contents ORDER BY position DESC) WHERE position = ?1",
        "DELETE FROM contents WHERE position = ?1",
        "UPDATE approvals SET progress = '{}' WHERE position = ?1",
        "UPDATE approvals SET state = 'GRANTED' WHERE position = ?1",
    ];
    for (position, damage) in (1..=UNREADABLE).zip(damages.into_iter().cycle()) {
        assert_eq!(database.execute(damage, [position]).unwrap(), 1);
    }
    for position in [UNREADABLE + 1, UNREADABLE + 3] {
        database.execute(damages[0], [position]).unwrap();
    }
    (granted, pending)
}

#[tokio::test]
async fn what_cannot_be_read_keeps_nothing_else_from_going_on() {
    let harness = Sqlite::new();
    let (granted, pending) = leave_damaged(&harness).await;
    let store = harness.open(Terms::default()).await;
    let acquired = store.acquire(1).await.unwrap().approvals;
    assert_eq!(acquired.iter().map(Approval::id).collect::<Vec<_>>(), [granted[1].id()]);
    harness.clock.advance(Duration::from_hours(24));
    assert_eq!(store.sweep(256).await.unwrap(), 3);
    assert_eq!(store.sweep(256).await.unwrap(), 0);
    for (approval, state) in [
        (&pending, State::Expired),
        (&granted[1], State::Expired),
        (&granted[3], State::OutcomeUnknown),
    ] {
        assert_eq!(store.get(approval.id()).await.unwrap().approval.state(), state);
    }
    for number in (0..UNREADABLE).chain([UNREADABLE, UNREADABLE + 2]) {
        let id = draft(number, Risk::Amber).content.id;
        let refused = store.execute(id, cancel("alice"), None).await;
        assert!(matches!(refused, Err(ApprovalError::Internal(_))), "{number}");
    }
}

#[tokio::test]
async fn what_cannot_be_read_keeps_nothing_else_from_being_listed() {
    let harness = Sqlite::new();
    let (granted, pending) = leave_damaged(&harness).await;
    let store = harness.open(Terms::default()).await;
    let (mut listed, mut unreadable) = (Vec::new(), Vec::new());
    let mut query = Query {
        limit: 7,
        ..Query::default()
    };
    loop {
        let page = store.list(query.clone()).await.unwrap();
        assert!(page.listed.len() + page.unreadable.len() <= 7);
        listed.extend(page.listed.iter().map(|listed| listed.approval.id()));
        unreadable.extend(page.unreadable.iter().map(|(position, _)| *position));
        query.after = page.next;
        if query.after.is_none() {
            break;
        }
    }
    assert_eq!(listed, [pending.id(), granted[3].id(), granted[1].id()]);
    let positions = (1..=UNREADABLE).chain([UNREADABLE + 1, UNREADABLE + 3]);
    assert_eq!(unreadable, positions.rev().map(u64::from).collect::<Vec<_>>());

    // The change log says where an approval stood, whatever has become of its row; its content is needed.
    let changes = store.changes_after(0, 1_000).await.unwrap();
    let first: Vec<_> = changes.iter().map(|changed| changed.position).take(4).collect();
    assert_eq!(first, [4, 5, 9, 10]);
    assert!(changes.iter().any(|changed| changed.approval.id() == pending.id()));
    assert_eq!(store.changes_after(0, 1).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_failing_request_fails_alone() {
    let harness = Sqlite::new();
    let store = harness.open(Terms::default()).await;
    let failing = store.writer.write::<()>(|session| {
        session.create(&draft(7, Risk::Green))?;
        Err(ApprovalError::Internal("on purpose".into()))
    });
    let (good, failed) = tokio::join!(store.create(draft(1, Risk::Green)), failing);
    assert!(good.is_ok());
    assert!(failed.is_err());
    let undone = store.get(draft(7, Risk::Green).content.id).await;
    assert!(matches!(undone, Err(ApprovalError::NotFound)));
    assert_eq!(crate::fixture::record_all(&store).await, 4);
}

#[tokio::test]
async fn a_full_disk_refuses_and_loses_nothing() {
    let harness = Sqlite::new();
    let store = harness.open(Terms::default()).await;
    store.create(draft(0, Risk::Green)).await.unwrap();
    let limit_pages = |pages: i64| {
        store.writer.write(move |session| {
            session
                .connection
                .pragma_update(None, "max_page_count", pages)
                .map_err(StoreError::from)?;
            Ok(())
        })
    };
    let pages = store.read(|connection| Ok(connection.pragma_query_value(None, "page_count", |row| row.get(0))?));
    limit_pages(pages.await.unwrap()).await.unwrap();
    let results = futures_util::future::join_all((1..40).map(|number| store.create(draft(number, Risk::Green)))).await;
    assert!(results.iter().any(Result::is_err));
    limit_pages(1_000_000).await.unwrap();
    let mut stored = 1;
    for (number, result) in (1..).zip(&results) {
        let found = store.get(draft(number, Risk::Green).content.id).await;
        assert_eq!(found.is_ok(), result.is_ok(), "{number}: {result:?}");
        stored += usize::from(found.is_ok());
    }
    assert!(store.is_open());
    assert!(store.create(draft(99, Risk::Green)).await.is_ok());
    assert_eq!(crate::fixture::record_all(&store).await, (stored + 1) * 4);
    assert_eq!(store.changes_after(0, 1_000).await.unwrap().len(), stored + 1);
}

/// Callers have their answers a moment before the store stops, but no later request gets one.
async fn has_stopped(store: &SqliteStore) -> bool {
    store.create(draft(u32::MAX, Risk::Green)).await.is_err() && !store.is_open()
}

/// Overwrites everything but the first page, which is in memory.
fn damage(harness: &Sqlite) {
    let database = harness.folder.path().join("approvals.sqlite");
    let file = OpenOptions::new().write(true).open(database).unwrap();
    let length = usize::try_from(file.metadata().unwrap().len()).unwrap();
    file.write_all_at(&vec![0xff; length - 4_096], 4_096).unwrap();
}

#[tokio::test]
async fn a_database_that_fails_under_a_reader_stops_the_store() {
    let harness = Sqlite::new();
    let store = harness.open(Terms::default()).await;
    let id = store.create(draft(0, Risk::Green)).await.unwrap().stored.approval.id();
    drop(store);
    let store = harness.open(Terms::default()).await;
    damage(&harness);
    let failed = store.get(id).await.unwrap_err();
    let told = matches!(failed, ApprovalError::StoreUnavailable(StoreError::Database(_)));
    assert!(told && !store.is_open(), "{failed:?}");
    let refused = store.writer.write(|_| Ok(())).await.unwrap_err();
    let stopped = matches!(refused, ApprovalError::StoreUnavailable(StoreError::Stopped));
    assert!(stopped, "{refused:?}");
}

#[tokio::test]
async fn a_database_that_fails_under_a_request_stops_the_store() {
    let harness = Sqlite::new();
    let store = harness.open(Terms::default()).await;
    store.create(draft(0, Risk::Green)).await.unwrap();
    drop(store);
    let store = harness.open(Terms::default()).await;
    let ((started, has_started), (go_on, blocked)) = (mpsc::channel(), mpsc::channel());
    let mut blocking = std::pin::pin!(store.writer.write(move |_| {
        started.send(()).unwrap();
        blocked.recv().unwrap();
        Ok(())
    }));
    assert!(futures_util::poll!(&mut blocking).is_pending());
    has_started.recv().unwrap();
    let mut good = std::pin::pin!(store.writer.write(|_| Ok(())));
    assert!(futures_util::poll!(&mut good).is_pending());
    let mut failing = std::pin::pin!(store.create(draft(0, Risk::Green)));
    assert!(futures_util::poll!(&mut failing).is_pending());

    damage(&harness);
    go_on.send(()).unwrap();
    blocking.await.unwrap();
    for failed in [good.await.unwrap_err(), failing.await.unwrap_err()] {
        let stopped = matches!(failed, ApprovalError::StoreUnavailable(StoreError::Stopped));
        assert!(stopped, "nothing has happened: {failed:?}");
    }
    assert!(has_stopped(&store).await);
}

const CRASH_FOLDER: &str = "APPROVAL_SVC_TEST_CRASH_FOLDER";

/// Not a test: the process that the tests below kill, or whose disk fails.
#[tokio::test]
#[ignore = "runs as the child process of other tests"]
async fn crashing_child() {
    let Some(folder) = std::env::var_os(CRASH_FOLDER) else {
        return;
    };
    let store = try_open(Path::new(&folder), Terms::default(), &clock()).await.unwrap();
    let flow = async |number| -> Result<(), ApprovalError> {
        let green = store.create(draft(number, Risk::Green)).await?.stored.approval;
        if number % 2 == 0 {
            crate::fixture::record_all(&store).await;
            store.execute(green.id(), claim(&green, number), None).await?;
        }
        Ok(())
    };
    for number in 0.. {
        if let Err(error) = flow(number).await {
            println!("failed: {error:?}, stopped: {}", has_stopped(&store).await);
            return;
        }
        println!("answered {number}");
    }
}

/// Not a test: the process whose disk fails under the database, but not under its write-ahead log.
#[tokio::test]
#[ignore = "runs as the child process of another test"]
async fn copying_child() {
    let Some(folder) = std::env::var_os(CRASH_FOLDER) else {
        return;
    };
    let store = try_open(Path::new(&folder), Terms::default(), &clock()).await.unwrap();
    fill(&store, 4_100).await;
    println!("stopped: {}", has_stopped(&store).await);
}

/// A child, whose files can't grow beyond `limit` blocks of 512 bytes: whoever writes there gets an error.
fn child(name: &str, harness: &Sqlite, limit: &str) -> process::Command {
    let mut command = process::Command::new("sh");
    command
        .args(["-c", "trap '' XFSZ; ulimit -f $0; exec \"$@\"", limit])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", &format!("store::sqlite::tests::faults::{name}")])
        .args(["--ignored", "--nocapture"])
        .env(CRASH_FOLDER, harness.folder.path())
        .stdout(process::Stdio::piped());
    command
}

fn answered(line: &str) -> Option<u32> {
    line.strip_prefix("answered ")?.parse().ok()
}

async fn loses_nothing(harness: &Sqlite, answered: Vec<u32>) {
    let store = harness.open(Terms::default()).await;
    for number in answered {
        let stored = store.get(draft(number, Risk::Green).content.id).await.unwrap();
        let claimed = stored.approval.progress.claim.is_some();
        assert_eq!(claimed, number % 2 == 0, "{number}");
    }
    let rows = store.outbox_after(store.receipts().relayed(), 1_000).await.unwrap();
    let whole = rows.windows(2).all(|pair| pair[0].position + 1 == pair[1].position);
    assert!(whole, "no event is missing between two that are there");
}

#[tokio::test]
async fn a_killed_process_loses_nothing_that_it_answered() {
    let harness = Sqlite::new();
    let mut child = child("crashing_child", &harness, "unlimited").spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let numbers = lines.map_while(Result::ok).filter_map(|line| answered(&line));
    let numbers: Vec<u32> = numbers.take(40).collect();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(numbers.len(), 40);
    loses_nothing(&harness, numbers).await;
}

#[tokio::test]
async fn a_commit_that_fails_on_its_way_to_the_disk_is_in_doubt_and_stops_the_store() {
    let harness = Sqlite::new();
    let output = child("crashing_child", &harness, "1024").output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("failed: Internal(InDoubt), stopped: true"), "{said}");
    let numbers: Vec<u32> = said.lines().filter_map(answered).collect();
    assert!(!numbers.is_empty());
    loses_nothing(&harness, numbers).await;
}

#[tokio::test]
async fn a_log_that_cannot_be_copied_into_the_database_stops_the_store() {
    let harness = Sqlite::new();
    let store = harness.open(Terms::default()).await;
    fill(&store, 5_000).await;
    drop(store);
    // More than the log needs, and less than the database has.
    let blocks = (4_500 * 8).to_string();
    let output = child("copying_child", &harness, &blocks).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("stopped: true"), "{said}");
}
