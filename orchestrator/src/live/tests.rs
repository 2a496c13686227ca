//! Speakers and listeners.

use super::*;

fn run(text: &str) -> RunId {
    RunId::derive("acme", "issuer", "alice", text)
}

fn chunk(text: &str) -> Said {
    Said::Chunk(Arc::from(text))
}

#[tokio::test]
async fn a_late_listener_hears_everything_from_the_start() {
    let live = LiveRuns::default();
    let speaker = live.speak(run("1"));
    speaker.say(chunk("a"));
    let mut listener = live.listen(run("1"));
    speaker.say(chunk("b"));
    drop(speaker);
    assert_eq!(listener.hear().await, chunk("a"));
    assert_eq!(listener.hear().await, chunk("b"));
    assert_eq!(listener.hear().await, Said::Closed);
}

#[tokio::test]
async fn an_early_listener_waits_for_the_speaker() {
    let live = LiveRuns::default();
    let mut listener = live.listen(run("1"));
    let heard = tokio::spawn(async move { (listener.hear().await, listener.hear().await) });
    tokio::task::yield_now().await;
    live.speak(run("1")).say(chunk("a"));
    assert_eq!(heard.await.unwrap(), (chunk("a"), Said::Closed));
}

#[tokio::test]
async fn runs_do_not_hear_each_other() {
    let live = LiveRuns::default();
    let mut listener = live.listen(run("1"));
    live.speak(run("2")).say(chunk("secret"));
    live.speak(run("1")).say(chunk("own"));
    assert_eq!(listener.hear().await, chunk("own"));
}

#[tokio::test]
async fn memory_is_bounded_and_a_listener_that_missed_something_is_told() {
    let live = LiveRuns::default();
    let mut listener = live.listen(run("1"));
    let speaker = live.speak(run("1"));
    let piece = "x".repeat(KEPT_BYTES / 4);
    for _ in 0..10 {
        speaker.say(chunk(&piece));
    }
    drop(speaker);
    assert_eq!(listener.hear().await, Said::Lagged);
    let mut pieces = 0;
    while listener.hear().await == chunk(&piece) {
        pieces += 1;
    }
    assert_eq!(pieces, 3);
}

#[tokio::test]
async fn an_oversized_piece_is_not_kept() {
    let live = LiveRuns::default();
    let mut listener = live.listen(run("1"));
    let piece = "x".repeat(KEPT_BYTES * 2);
    live.speak(run("1")).say(chunk(&piece));
    // Its end pushed it out: the listener knows that something is missing.
    assert_eq!(listener.hear().await, Said::Lagged);
    assert_eq!(listener.hear().await, Said::Closed);
}

#[test]
fn nothing_is_kept_of_runs_that_nobody_speaks_of_or_listens_to() {
    let live = LiveRuns::default();
    let speaker = live.speak(run("1"));
    let listener = live.listen(run("1"));
    let other = live.listen(run("2"));
    assert_eq!(live.len(), 2);
    drop(speaker);
    drop(other);
    assert_eq!(live.len(), 1);
    drop(listener);
    assert_eq!(live.len(), 0);
}
