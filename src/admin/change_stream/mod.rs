//! The stream of changes, for those who watch.
//!
//! - A *subscription* belongs to one client and holds one of a bounded number of seats ([`limits`]),
//!   of which one caller has a share.
//! - It *catches up*: it reads from its position until nothing is left. Then it *follows* what the
//!   reader tells.
//! - The *reader* is one per gateway, as long as there is a subscription: it reads what is new once
//!   and tells all of them, through a buffer that is bounded.
//!
//! Whoever falls behind further than the buffer goes catches up again from its own position. Since
//! a position says exactly what was told, nothing is lost in any of these steps and nothing is told
//! twice, whoever is slow, and whichever connection breaks.

mod limits;
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

use self::limits::{SubscriberLimits, SubscriberSlot};
use super::Caller;
use crate::store::{Change, Position, Store, StoreError};

/// The most changes that are read at a time.
const PAGE: i64 = 500;
/// Pages that wait for slow subscriptions, in all.
const BUFFER: usize = 32;
/// The wait before the database is asked again after it failed.
const AGAIN: Duration = Duration::from_secs(1);

/// How many may watch, and how often they hear something.
#[derive(Debug, Clone, Copy)]
pub struct ChangeStreamSettings {
    /// The most subscriptions at a time.
    pub clients: usize,
    /// The longest silence.
    pub heartbeat: Duration,
}

/// The stream of changes. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ChangeStream(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    store: Store,
    settings: ChangeStreamSettings,
    /// Rung when there may be something new.
    hint: Arc<Notify>,
    tasks: TaskTracker,
    runtime: Handle,
    stop: CancellationToken,
    limits: Arc<SubscriberLimits>,
    /// Who catches up takes turns: most connections are for others.
    turn: Semaphore,
    live: Mutex<Option<Live>>,
}

/// The way from the reader to its subscriptions.
#[derive(Debug, Clone)]
struct Live {
    news: broadcast::Sender<ReaderEvent>,
    /// Whether the reader knows where it began. What a subscription reads for itself after that
    /// meets what the reader tells, with no gap between.
    began: watch::Receiver<bool>,
}

/// What the reader tells.
#[derive(Debug, Clone)]
enum ReaderEvent {
    Changes(Arc<[Change]>),
    Lag(Duration),
}

/// What a subscription hears.
#[derive(Debug)]
pub enum StreamItem {
    /// These, in order. Nothing lies between them and what was told before.
    Changes(Arc<[Change]>),
    /// For so long a transaction that is still open has been holding back what was committed
    /// after it began.
    Lag(Duration),
    /// Nothing happened for a while.
    Nothing,
}

/// One client's view of the stream.
#[derive(Debug)]
pub struct Subscription {
    feed: ChangeStream,
    position: Position,
    joined: Option<(broadcast::Receiver<ReaderEvent>, watch::Receiver<bool>)>,
    following: bool,
    _seat: SubscriberSlot,
}

impl ChangeStream {
    /// A feed that works on this runtime while somebody subscribes, and ends with `stop`. `hint`
    /// is rung when there may be something new.
    pub fn new(
        store: Store,
        settings: ChangeStreamSettings,
        hint: Arc<Notify>,
        (tasks, runtime): (TaskTracker, Handle),
        stop: CancellationToken,
    ) -> Self {
        Self(Arc::new(Shared {
            store,
            settings,
            hint,
            tasks,
            runtime,
            stop,
            limits: Arc::new(SubscriberLimits::new(settings.clients)),
            turn: Semaphore::new(1),
            live: Mutex::default(),
        }))
    }

    /// The settings.
    pub fn settings(&self) -> ChangeStreamSettings {
        self.0.settings
    }

    /// Is cancelled when the gateway stops: then every subscription has to end.
    pub fn stop(&self) -> &CancellationToken {
        &self.0.stop
    }

    /// Where the stream ends now.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn end(&self) -> Result<Position, StoreError> {
        self.0.store.stream_end().await
    }

    /// Whether what follows a position is all still there.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn knows(&self, position: Position) -> Result<bool, StoreError> {
        self.0.store.knows(position).await
    }

    /// Begins after a position.
    ///
    /// # Errors
    /// [`TooManySubscribers`].
    pub fn subscribe(
        &self,
        after: Position,
        caller: &Caller,
    ) -> Result<Subscription, TooManySubscribers> {
        let seat = SubscriberLimits::take(&self.0.limits, caller)?;
        let feed = self.clone();
        Ok(Subscription { feed, position: after, joined: None, following: false, _seat: seat })
    }

    /// Runs what belongs to a subscription where its listener's threads do not have to.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        drop(self.0.tasks.spawn_on(work, &self.0.runtime));
    }

    /// Takes part in what the reader tells, and starts it where there is none.
    fn join(&self) -> (broadcast::Receiver<ReaderEvent>, watch::Receiver<bool>) {
        let mut live = self.0.live.lock().unwrap_or_else(PoisonError::into_inner);
        // A reader that has ended has let go of `began`.
        if let Some(live) = live.as_ref().filter(|live| live.began.has_changed().is_ok()) {
            return (live.news.subscribe(), live.began.clone());
        }
        let (news, receiver) = broadcast::channel(BUFFER);
        let (begin, began) = watch::channel(false);
        *live = Some(Live { news: news.clone(), began: began.clone() });
        let feed = self.clone();
        self.spawn(async move { feed.read(&news, &begin).await });
        (receiver, began)
    }

    /// Whether the reader may end: nobody listens, and whoever comes will start another.
    fn leave_if_alone(&self, news: &broadcast::Sender<ReaderEvent>) -> bool {
        let mut live = self.0.live.lock().unwrap_or_else(PoisonError::into_inner);
        let alone = news.receiver_count() == 0;
        if alone {
            *live = None;
        }
        alone
    }
}

impl Subscription {
    /// After what it goes on.
    pub fn position(&self) -> Position {
        self.position
    }

    /// Waits for the next thing to tell, at most for a heartbeat or so.
    pub async fn next(&mut self) -> StreamItem {
        let until = tokio::time::Instant::now() + self.feed.0.settings.heartbeat;
        loop {
            // Before it reads for itself: what is told meanwhile waits.
            let (news, began) = self.joined.get_or_insert_with(|| self.feed.join());
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
                    Ok(Some(changes)) => return StreamItem::Changes(changes),
                    Ok(None) => {}
                    Err(error) => {
                        debug!(%error, "stream subscription cannot read, retrying");
                        tokio::time::sleep(AGAIN).await;
                        return StreamItem::Nothing;
                    }
                }
                continue;
            }
            match tokio::time::timeout_at(until, news.recv()).await {
                Ok(Ok(ReaderEvent::Changes(changes))) => {
                    if let Some(changes) = self.unheard(changes) {
                        return StreamItem::Changes(changes);
                    }
                }
                Ok(Ok(ReaderEvent::Lag(lag))) => return StreamItem::Lag(lag),
                // It fell behind further than the buffer goes.
                Ok(Err(RecvError::Lagged(_) | RecvError::Closed)) => self.following = false,
                Err(_) => {
                    self.following = began.has_changed().is_ok();
                    return StreamItem::Nothing;
                }
            }
        }
    }

    /// Reads a page for itself; follows the reader when that was the last one.
    async fn catch_up(&mut self) -> Result<Option<Arc<[Change]>>, StoreError> {
        let shared = &self.feed.0;
        let turn = shared.turn.acquire().await;
        let read = shared.store.changes(self.position, PAGE).await?;
        drop(turn);
        self.following = !read.more;
        if let Some(last) = read.last {
            self.position = last;
        }
        Ok((!read.changes.is_empty()).then(|| read.changes.into()))
    }

    /// What it has not told yet.
    fn unheard(&mut self, changes: Arc<[Change]>) -> Option<Arc<[Change]>> {
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
