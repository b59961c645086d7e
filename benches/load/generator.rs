//! The load generator: one thread with many connections, in a closed or an open loop.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use crate::processor::{Meter, Processor};

/// A connection that sends one thing after the other.
pub(crate) trait Sender: Send + 'static {
    /// Sends the thing of this number, and waits until it is answered.
    fn send(&mut self, number: usize) -> impl Future<Output = ()> + Send;
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// Each connection sends as soon as it has an answer: shows the highest rate.
    Closed,
    /// So many each second, whatever the answers do. Times count from when a thing should have been
    /// sent, so that one which waits for a connection is not omitted.
    Open(f64),
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) pace: Pace,
    pub(crate) connections: usize,
    pub(crate) duration: Duration,
    /// The highest number of things.
    pub(crate) most: usize,
}

pub(crate) struct Sample {
    /// Sorted.
    pub(crate) times: Vec<Duration>,
    pub(crate) took: Duration,
    pub(crate) processor: Processor,
}

/// Sends until the duration is over or everything is sent.
pub(crate) fn generate<S: Sender, F: Future<Output = S>>(
    load: Load,
    meter: &Meter,
    connect: impl Fn() -> F + Send,
) -> Sample {
    let run = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut senders = Vec::new();
            for _ in 0..load.connections {
                senders.push(connect().await);
            }
            let before = meter.read();
            let began = Instant::now();
            let mut times = match load.pace {
                Pace::Closed => closed(load, senders).await,
                Pace::Open(rate) => open(load, rate, senders).await,
            };
            let took = began.elapsed();
            let processor = meter.read().since(before);
            times.sort_unstable();
            Sample { times, took, processor }
        })
    };
    tokio::task::block_in_place(|| {
        thread::scope(|scope| scope.spawn(run).join().expect("the generator"))
    })
}

async fn closed<S: Sender>(load: Load, senders: Vec<S>) -> Vec<Duration> {
    let next = Arc::new(AtomicUsize::new(0));
    let until = Instant::now() + load.duration;
    let sending = senders.into_iter().map(|mut sender| {
        let next = Arc::clone(&next);
        tokio::spawn(async move {
            let mut times = Vec::new();
            while Instant::now() < until {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= load.most {
                    break;
                }
                let began = Instant::now();
                sender.send(number).await;
                times.push(began.elapsed());
            }
            times
        })
    });
    joined(sending.collect()).await
}

async fn open<S: Sender>(load: Load, rate: f64, senders: Vec<S>) -> Vec<Duration> {
    let count = load.most.min((load.duration.as_secs_f64() * rate) as usize);
    let due = Arc::new(Semaphore::new(0));
    let next = Arc::new(AtomicUsize::new(0));
    let began = Instant::now();
    let sending = senders.into_iter().map(|mut sender| {
        let (due, next) = (Arc::clone(&due), Arc::clone(&next));
        tokio::spawn(async move {
            let mut times = Vec::new();
            loop {
                due.acquire().await.unwrap().forget();
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return times;
                }
                sender.send(number).await;
                times.push((began + at(number, rate)).elapsed());
            }
        })
    });
    let sending: Vec<_> = sending.collect();
    let pacing = {
        let due = Arc::clone(&due);
        // The timers of the runtime are exact to a millisecond only.
        thread::spawn(move || pace(&due, began, rate, count))
    };
    let times = tokio::spawn(async move {
        while !pacing.is_finished() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // One for each connection, to end.
        due.add_permits(load.connections);
    });
    let sent = joined(sending).await;
    times.await.unwrap();
    sent
}

/// When a thing should be sent.
fn at(number: usize, rate: f64) -> Duration {
    Duration::from_secs_f64(number as f64 / rate)
}

/// Gives a permit for each thing once it is due.
fn pace(due: &Semaphore, began: Instant, rate: f64, count: usize) {
    let mut released = 0;
    while released < count {
        let now = ((began.elapsed().as_secs_f64() * rate) as usize + 1).min(count);
        due.add_permits(now.saturating_sub(released));
        released = released.max(now);
        thread::sleep((began + at(released, rate)).saturating_duration_since(Instant::now()));
    }
}

async fn joined(sending: Vec<tokio::task::JoinHandle<Vec<Duration>>>) -> Vec<Duration> {
    let mut times = Vec::new();
    for connection in sending {
        times.extend(connection.await.unwrap());
    }
    times
}
