//! The change stream, for clients that follow it.
//!
//! - A [`Subscription`] belongs to one client. The number of subscriptions is limited, in all and
//!   per caller ([`limits`]).
//! - It first *catches up*: it reads from its position until nothing is left. Then it *follows* the
//!   reader.
//! - There is one *reader* per gateway, while there is a subscription. It reads new changes once
//!   and sends them to all subscriptions through a bounded buffer.
//!
//! A subscription that falls behind the buffer catches up again from its own position. A position
//! says exactly which changes were sent, so none is lost or repeated, even if a client is slow or a
//! connection breaks.

mod limits;
mod model;
mod reader;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Notify, Semaphore, broadcast, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::debug;

pub use limits::TooManySubscribers;
pub use model::{Change, ChangeKind};

use self::limits::{SubscriberLimits, SubscriberSlot};
use self::model::redact;
use super::Caller;
use crate::store::{Position, Store, StoreError};

/// The maximum number of changes read at a time.
const PAGE: i64 = 500;
/// The number of pages buffered for slow subscriptions, in total.
const BUFFER: usize = 32;
/// The delay before reading again after a database error.
const RETRY_DELAY: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Copy)]
pub struct ChangeStreamSettings {
    /// The maximum number of subscriptions.
    pub clients: usize,
    pub heartbeat: Duration,
}

/// The change stream. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ChangeStream(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    store: Store,
    settings: ChangeStreamSettings,
    /// Notified when there may be new changes.
    notified: Arc<Notify>,
    tasks: TaskTracker,
    runtime: Handle,
    stop: CancellationToken,
    limits: Arc<SubscriberLimits>,
    /// Only one subscription catches up at a time, so that most connections stay free for others.
    catching_up: Semaphore,
    live: Mutex<Option<Live>>,
}

/// The channel from the reader to its subscriptions.
#[derive(Debug, Clone)]
struct Live {
    sender: broadcast::Sender<ReaderEvent>,
    /// Whether the reader knows its start position. A subscription that reads after that leaves no
    /// gap before the reader's changes.
    began: watch::Receiver<bool>,
}

/// A message from the reader.
#[derive(Debug, Clone)]
enum ReaderEvent {
    Changes(Arc<[Change]>),
    Lag(Duration),
}

/// An item of a subscription.
#[derive(Debug)]
pub enum StreamItem {
    /// Changes visible to the caller, in order and without gaps.
    Changes(Arc<[Change]>),
    /// How long an open transaction has been blocking changes that were committed after it began.
    Lag(Duration),
    /// No change for a while.
    Nothing,
}

/// One client's subscription.
#[derive(Debug)]
pub struct Subscription {
    stream: ChangeStream,
    caller: Caller,
    position: Position,
    joined: Option<(broadcast::Receiver<ReaderEvent>, watch::Receiver<bool>)>,
    following: bool,
    _slot: SubscriberSlot,
}

impl ChangeStream {
    /// A stream whose reader runs on this runtime while there is a subscription, and ends with
    /// `stop`. `notified` is notified when there may be new changes.
    pub fn new(
        store: Store,
        settings: ChangeStreamSettings,
        notified: Arc<Notify>,
        (tasks, runtime): (TaskTracker, Handle),
        stop: CancellationToken,
    ) -> Self {
        Self(Arc::new(Shared {
            store,
            settings,
            notified,
            tasks,
            runtime,
            stop,
            limits: Arc::new(SubscriberLimits::new(settings.clients)),
            catching_up: Semaphore::new(1),
            live: Mutex::default(),
        }))
    }

    pub fn settings(&self) -> ChangeStreamSettings {
        self.0.settings
    }

    /// Cancelled when the gateway stops and every subscription has to end.
    pub fn stop(&self) -> &CancellationToken {
        &self.0.stop
    }

    /// The current end of the stream.
    pub async fn end(&self) -> Result<Position, StoreError> {
        self.0.store.stream_end().await
    }

    /// Whether all changes after a position are still stored.
    pub async fn is_retained(&self, position: Position) -> Result<bool, StoreError> {
        self.0.store.is_valid_position(position).await
    }

    /// Subscribes to the changes after a position.
    pub fn subscribe(
        &self,
        after: Position,
        caller: &Caller,
    ) -> Result<Subscription, TooManySubscribers> {
        let slot = SubscriberLimits::take(&self.0.limits, caller)?;
        Ok(Subscription {
            stream: self.clone(),
            caller: caller.clone(),
            position: after,
            joined: None,
            following: false,
            _slot: slot,
        })
    }

    /// Runs the work of a subscription outside the threads of its listener.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        drop(self.0.tasks.spawn_on(work, &self.0.runtime));
    }

    /// Joins the reader, and starts it if there is none.
    fn join(&self) -> (broadcast::Receiver<ReaderEvent>, watch::Receiver<bool>) {
        let mut live = self.0.live.lock().unwrap_or_else(PoisonError::into_inner);
        // A reader that has ended has dropped the sender of `began`.
        if let Some(live) = live.as_ref().filter(|live| live.began.has_changed().is_ok()) {
            return (live.sender.subscribe(), live.began.clone());
        }
        let (sender, receiver) = broadcast::channel(BUFFER);
        let (begin, began) = watch::channel(false);
        *live = Some(Live { sender: sender.clone(), began: began.clone() });
        let stream = self.clone();
        self.spawn(async move { stream.read(&sender, &begin).await });
        (receiver, began)
    }

    /// Whether the reader may end because there is no subscription. The next subscription starts
    /// another one.
    fn end_if_unused(&self, sender: &broadcast::Sender<ReaderEvent>) -> bool {
        let mut live = self.0.live.lock().unwrap_or_else(PoisonError::into_inner);
        let unused = sender.receiver_count() == 0;
        if unused {
            *live = None;
        }
        unused
    }
}

impl Subscription {
    /// The position after which it continues.
    pub fn position(&self) -> Position {
        self.position
    }

    /// Waits for the next item, for about one heartbeat at most.
    pub async fn next(&mut self) -> StreamItem {
        let until = tokio::time::Instant::now() + self.stream.0.settings.heartbeat;
        loop {
            // Joined before it reads by itself: what the reader sends meanwhile is buffered.
            let (receiver, began) = self.joined.get_or_insert_with(|| self.stream.join());
            if !self.following {
                let beginning = began.wait_for(|began| *began);
                let begun = tokio::time::timeout_at(until, beginning).await;
                match begun.map(|begun| begun.is_ok()) {
                    Ok(true) => {}
                    Ok(false) => {
                        self.joined = None;
                        continue;
                    }
                    Err(_) => return StreamItem::Nothing,
                }
                match self.catch_up().await {
                    Ok(Some(changes)) => return self.changes(changes),
                    Ok(None) => {}
                    Err(error) => {
                        debug!(%error, "stream subscription cannot read, retrying");
                        tokio::time::sleep(RETRY_DELAY).await;
                        return StreamItem::Nothing;
                    }
                }
                continue;
            }
            match tokio::time::timeout_at(until, receiver.recv()).await {
                Ok(Ok(ReaderEvent::Changes(changes))) => {
                    if let Some(changes) = self.unsent(changes) {
                        return self.changes(changes);
                    }
                }
                Ok(Ok(ReaderEvent::Lag(lag))) => return StreamItem::Lag(lag),
                // It fell behind the buffer, or the reader has ended.
                Ok(Err(RecvError::Lagged(_) | RecvError::Closed)) => self.following = false,
                Err(_) => {
                    self.following = began.has_changed().is_ok();
                    return StreamItem::Nothing;
                }
            }
        }
    }

    fn changes(&self, changes: Arc<[Change]>) -> StreamItem {
        StreamItem::Changes(redact(changes, &self.caller))
    }

    /// Reads a page by itself; follows the reader after the last one.
    async fn catch_up(&mut self) -> Result<Option<Arc<[Change]>>, StoreError> {
        let shared = &self.stream.0;
        let turn = shared.catching_up.acquire().await;
        let read = shared.store.changes(self.position, PAGE).await?;
        drop(turn);
        self.following = !read.more;
        if let Some(last) = read.last {
            self.position = last;
        }
        Ok((!read.changes.is_empty()).then(|| read.changes.into()))
    }

    /// The changes after the position, which advances.
    fn unsent(&mut self, changes: Arc<[Change]>) -> Option<Arc<[Change]>> {
        let last = changes.last()?.position;
        let first = changes.first()?.position;
        let position = self.position;
        self.position = last.max(position);
        if first > position {
            return Some(changes);
        }
        let new = changes.iter().filter(|change| change.position > position);
        let new: Arc<[Change]> = new.cloned().collect();
        (!new.is_empty()).then_some(new)
    }
}
