//! trace-svc: what executions that run side by side have to record travels together.
//!
//! One request is under way at a time, and the next one fills meanwhile: a single execution waits for nobody, and many of
//! them need far fewer requests than they have events.

use std::{future::Future, mem};

use bytes::Bytes;
use chassis::{Link, events, link::within};
use futures_util::{FutureExt as _, future::BoxFuture};
use proto::trace::v1::Receipt;
use tokio::sync::{mpsc, oneshot};
use tonic::Status;

use super::{CALL_TIMEOUT, TraceLog, is_final};

/// trace-svc.
#[derive(Debug)]
pub(crate) struct TraceClient(mpsc::UnboundedSender<Waiting>);

/// An event, and who waits for its receipt.
#[derive(Debug)]
struct Waiting {
    event: Bytes,
    caller: oneshot::Sender<Result<Receipt, Status>>,
}

// === impl TraceClient ===

impl TraceClient {
    /// Records at the other end of `link`, in a task that ends with this client.
    pub(crate) fn new(link: Link) -> Self {
        Self::sending(move |events| {
            let link = link.clone();
            async move { events::record(&link, CALL_TIMEOUT, events).await }
        })
    }

    /// Records with `request`: all of its events or none, and a receipt for each.
    fn sending<F, Fut>(request: F) -> Self
    where
        F: Fn(Vec<Bytes>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Vec<Receipt>, Status>> + Send,
    {
        let (sender, mut waiting) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let mut next: Vec<Waiting> = Vec::new();
            while waiting.recv_many(&mut next, events::MAX_EVENTS).await > 0 {
                while !next.is_empty() {
                    let later = next.split_off(events::fitting(
                        next.iter().map(|waiting| &waiting.event),
                        events::MAX_BYTES,
                    ));
                    send(&request, mem::replace(&mut next, later)).await;
                }
            }
        });
        Self(sender)
    }
}

impl TraceLog for TraceClient {
    fn record(&self, event: Bytes) -> BoxFuture<'_, Result<Receipt, Status>> {
        let (caller, receipt) = oneshot::channel();
        let given_up = || Status::unavailable("the request was given up");
        let queued = self.0.send(Waiting { event, caller });
        let answer = async move {
            queued.map_err(|_| given_up())?;
            receipt.await.map_err(|_| given_up())?
        };
        // The time in the queue counts too.
        within(CALL_TIMEOUT, answer).boxed()
    }
}

/// Sends a batch and tells its callers. An event that is refused for good spoils nobody else's.
async fn send<F, Fut>(request: &F, batch: Vec<Waiting>)
where
    F: Fn(Vec<Bytes>) -> Fut,
    Fut: Future<Output = Result<Vec<Receipt>, Status>>,
{
    // Whoever has given up must not find the event in the log.
    let wanted = |waiting: &Waiting| !waiting.caller.is_closed();
    let batch: Vec<_> = batch.into_iter().filter(wanted).collect();
    if batch.is_empty() {
        return;
    }
    match request(batch.iter().map(|waiting| waiting.event.clone()).collect()).await {
        Err(status) if is_final(&status) && batch.len() > 1 => {
            for waiting in batch.into_iter().filter(wanted) {
                let answer = request(vec![waiting.event.clone()]).await;
                tell(vec![waiting], answer);
            }
        }
        answer => tell(batch, answer),
    }
}

/// Executions may have given up since.
fn tell(batch: Vec<Waiting>, answer: Result<Vec<Receipt>, Status>) {
    match answer {
        Ok(receipts) => batch.into_iter().zip(receipts).for_each(|(waiting, receipt)| {
            let _gone = waiting.caller.send(Ok(receipt));
        }),
        Err(status) => batch.into_iter().for_each(|waiting| {
            let _gone = waiting.caller.send(Err(status.clone()));
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use chassis::{Code, fault};
    use futures_util::future::join_all;
    use proto::common::v1::ErrorReason;
    use tokio::{sync::Semaphore, task::JoinHandle, time::Instant};

    use super::*;

    const REFUSED: Bytes = Bytes::from_static(b"refused");

    /// A trace-svc that answers one request for each permit and gives every event an index.
    struct Log {
        permits: Semaphore,
        requests: Mutex<Vec<Vec<Bytes>>>,
    }

    impl Log {
        fn open(permits: usize) -> (Arc<Self>, Arc<TraceClient>) {
            let log = Arc::new(Self {
                permits: Semaphore::new(permits),
                requests: Mutex::default(),
            });
            let asked = Arc::clone(&log);
            let client = TraceClient::sending(move |events| {
                let log = Arc::clone(&asked);
                async move { log.answer(events).await }
            });
            (log, Arc::new(client))
        }

        async fn answer(&self, events: Vec<Bytes>) -> Result<Vec<Receipt>, Status> {
            self.requests.lock().unwrap().push(events.clone());
            self.permits.acquire().await.unwrap().forget();
            if events.contains(&REFUSED) {
                let reason = ErrorReason::TraceMismatch;
                return Err(fault::status(
                    "trace.countersign",
                    Code::FailedPrecondition,
                    reason,
                    "no",
                ));
            }
            let receipt = |event: &Bytes| Receipt {
                index: event.len() as u64,
                ..Receipt::default()
            };
            Ok(events.iter().map(receipt).collect())
        }

        /// How long each event was that came here.
        fn lengths(&self) -> Vec<usize> {
            self.requests.lock().unwrap().concat().iter().map(Bytes::len).collect()
        }

        /// How many events each request held.
        fn sizes(&self) -> Vec<usize> {
            self.requests.lock().unwrap().iter().map(Vec::len).collect()
        }
    }

    fn event(length: usize) -> Bytes {
        vec![b'e'; length].into()
    }

    /// A record that has got as far as it can.
    async fn started(client: &Arc<TraceClient>, event: Bytes) -> JoinHandle<Result<Receipt, Status>> {
        let client = Arc::clone(client);
        let record = tokio::spawn(async move { client.record(event).await });
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        record
    }

    #[tokio::test]
    async fn what_comes_while_a_request_is_under_way_travels_together() {
        let (log, client) = Log::open(0);
        let first = started(&client, event(1)).await;
        let mut others = Vec::new();
        for length in 2..=5 {
            others.push(started(&client, event(length)).await);
        }
        assert_eq!(log.sizes(), [1]);
        log.permits.add_permits(2);
        assert_eq!(first.await.unwrap().unwrap().index, 1);
        for (other, length) in others.into_iter().zip(2..) {
            assert_eq!(other.await.unwrap().unwrap().index, length);
        }
        assert_eq!(log.sizes(), [1, 4]);
    }

    #[tokio::test]
    async fn an_event_that_is_refused_spoils_nobody_else_s() {
        let (log, client) = Log::open(10);
        let events = [event(1), REFUSED, event(3)];
        let answers = join_all(events.map(|event| client.record(event))).await;
        assert_eq!(log.sizes(), [3, 1, 1, 1]);
        let good: Vec<bool> = answers.iter().map(Result::is_ok).collect();
        assert_eq!(good, [true, false, true]);
    }

    #[tokio::test]
    async fn large_events_travel_apart() {
        let (log, client) = Log::open(10);
        let lengths = [events::MAX_BYTES + 1, 10, events::MAX_BYTES - 10, 1];
        for answer in join_all(lengths.map(|length| client.record(event(length)))).await {
            answer.unwrap();
        }
        assert_eq!(log.sizes(), [1, 2, 1]);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_longer_behind_others_than_for_an_answer() {
        let (log, client) = Log::open(0);
        let first = started(&client, event(1)).await;
        let second = started(&client, event(2)).await;
        let begun = Instant::now();
        for waiting in [first, second] {
            assert_eq!(
                waiting.await.unwrap().unwrap_err().code(),
                tonic::Code::DeadlineExceeded
            );
        }
        assert_eq!(begun.elapsed(), CALL_TIMEOUT);
        log.permits.add_permits(2);
        client.record(event(3)).await.unwrap();
        assert_eq!(log.lengths(), [1, 3], "the second gave up before its turn");
    }

    #[tokio::test]
    async fn an_event_whose_execution_gave_up_is_not_sent() {
        let (log, client) = Log::open(0);
        let first = started(&client, event(1)).await;
        drop(client.record(event(2)));
        let third = started(&client, event(3)).await;
        log.permits.add_permits(2);
        first.await.unwrap().unwrap();
        third.await.unwrap().unwrap();
        assert_eq!(log.lengths(), [1, 3]);
    }
}
