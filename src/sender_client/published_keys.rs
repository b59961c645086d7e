//! The keys that senders publish: what is cached, and when it may be fetched.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use tokio::sync::OwnedMutexGuard;
use tokio::time::Instant;
use url::Url;

use super::KeyUnavailable;

/// How many URLs are cached that requests named.
const MAX_ENTRIES: usize = 256;
/// How many fetches of URLs that are not known yet may begin within [`UNKNOWN_WINDOW`]: for one
/// source, and for all. Anybody can name such a URL, but only to the source of a sender that
/// publishes its keys.
const MAX_UNKNOWN: usize = 20;
const MAX_UNKNOWN_OF_ALL: usize = 400;
const UNKNOWN_WINDOW: Duration = Duration::from_mins(1);
/// How long a failure is remembered.
const FAILURE_COUNTS_FOR: Duration = Duration::from_secs(5);
/// The time between fetches of content that is cached. Anybody can name a key that it lacks.
const REFETCH_AFTER: Duration = Duration::from_secs(30);
/// The age at which content is refreshed.
const REFRESH_AFTER: Duration = Duration::from_hours(1);
/// How long content is used after its last successful fetch: the sender may have withdrawn the key.
const VALID_FOR: Duration = Duration::from_hours(24);
/// How long content is kept that no request needs.
const UNUSED_FOR: Duration = Duration::from_hours(24);

/// Times, and for which source.
type Unknown = VecDeque<(Instant, Arc<str>)>;

/// All cached URLs.
#[derive(Debug, Default)]
pub(super) struct PublishedKeys {
    entries: RwLock<HashMap<Url, Arc<Entry>>>,
    /// When the fetches of unknown URLs began, and for which source.
    unknown: Mutex<Unknown>,
}

/// One URL.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) url: Url,
    state: Mutex<State>,
    turn: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Debug)]
struct State {
    /// Whether it comes from the configuration. Then it is never removed.
    is_fixed: bool,
    content: Option<Content>,
    last_fetch: Option<Fetch>,
    used_at: Instant,
}

#[derive(Debug)]
struct Content {
    text: Arc<str>,
    fetched_at: Instant,
}

#[derive(Debug, Clone, Copy)]
struct Fetch {
    ended_at: Instant,
    result: Result<(), KeyUnavailable>,
}

impl PublishedKeys {
    pub(super) fn get(&self, url: &Url) -> Option<Arc<str>> {
        let entry = self.read().get(url).cloned()?;
        entry.used()
    }

    /// Adds a URL of the configuration.
    pub(super) fn want(&self, url: Url) {
        self.entry_of(url).locked().is_fixed = true;
    }

    /// Sets the content of a URL.
    pub(super) fn put(&self, url: Url, text: Arc<str>) {
        self.entry_of(url).succeeded(text);
    }

    /// The entry of a URL that no request named.
    fn entry_of(&self, url: Url) -> Arc<Entry> {
        let mut entries = self.write();
        let entry = entries.entry(url).or_insert_with_key(|url| Arc::new(Entry::new(url.clone())));
        Arc::clone(entry)
    }

    /// The entry of this URL; a new one, unless too many unknown URLs were fetched recently for this
    /// source.
    pub(super) fn entry(&self, url: &Url, source: &str) -> Option<Arc<Entry>> {
        let known = self.read().get(url).cloned();
        if known.is_some() {
            return known;
        }
        if !has_room(recent(&mut self.unknown()), source) {
            return None;
        }
        let mut entries = self.write();
        if let Some(entry) = entries.get(url) {
            return Some(Arc::clone(entry));
        }
        make_room(&mut entries);
        let entry = Arc::new(Entry::new(url.clone()));
        entries.insert(url.clone(), Arc::clone(&entry));
        Some(entry)
    }

    /// Counts a fetch of an unknown URL; returns whether it may begin.
    pub(super) fn admit_unknown(&self, source: &Arc<str>) -> bool {
        let mut unknown = self.unknown();
        let recent = recent(&mut unknown);
        let is_admitted = has_room(recent, source);
        if is_admitted {
            recent.push_back((Instant::now(), Arc::clone(source)));
        }
        is_admitted
    }

    /// What should be fetched now.
    pub(super) fn due(&self) -> Vec<Arc<Entry>> {
        self.read().values().filter(|entry| entry.is_due()).cloned().collect()
    }

    pub(super) fn remove_unused(&self) {
        self.write().retain(|_, entry| !entry.is_unused());
    }

    fn read(&self) -> RwLockReadGuard<'_, HashMap<Url, Arc<Entry>>> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<Url, Arc<Entry>>> {
        self.entries.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn unknown(&self) -> MutexGuard<'_, Unknown> {
        self.unknown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn new(url: Url) -> Self {
        let state =
            State { is_fixed: false, content: None, last_fetch: None, used_at: Instant::now() };
        Self { url, state: Mutex::new(state), turn: Arc::default() }
    }

    /// Waits until nobody else fetches it.
    pub(super) async fn turn(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.turn).lock_owned().await
    }

    /// The result for a request, if no fetch is needed or allowed. `is_outdated` if the cached
    /// content lacks the key of the request.
    pub(super) fn settled(&self, is_outdated: bool) -> Option<Result<(), KeyUnavailable>> {
        let (state, now) = (self.locked(), Instant::now());
        let has_content = state.valid(now).is_some();
        if has_content && !is_outdated {
            return Some(Ok(()));
        }
        let wait = if has_content { REFETCH_AFTER } else { FAILURE_COUNTS_FOR };
        // If the last fetch failed, nobody knows whether the sender has the key now.
        state.last_fetch.filter(|fetch| now - fetch.ended_at < wait).map(|fetch| fetch.result)
    }

    /// Whether it is more than something that a request named.
    pub(super) fn is_known(&self) -> bool {
        self.locked().is_known()
    }

    /// Whether it should be fetched without a request that needs it.
    pub(super) fn is_due(&self) -> bool {
        let (state, now) = (self.locked(), Instant::now());
        let fetched_at = state.content.as_ref().map(|content| content.fetched_at);
        state.is_known()
            && fetched_at.is_none_or(|at| now - at >= REFRESH_AFTER)
            && state.last_fetch.is_none_or(|fetch| now - fetch.ended_at >= REFETCH_AFTER)
    }

    pub(super) fn succeeded(&self, text: Arc<str>) {
        let (mut state, now) = (self.locked(), Instant::now());
        state.content = Some(Content { text, fetched_at: now });
        state.last_fetch = Some(Fetch { ended_at: now, result: Ok(()) });
    }

    pub(super) fn failed(&self) {
        let fetch = Fetch { ended_at: Instant::now(), result: Err(KeyUnavailable) };
        self.locked().last_fetch = Some(fetch);
    }

    /// The content, for a request.
    fn used(&self) -> Option<Arc<str>> {
        let (mut state, now) = (self.locked(), Instant::now());
        state.used_at = now;
        state.valid(now).cloned()
    }

    fn is_unused(&self) -> bool {
        let state = self.locked();
        !state.is_fixed && state.used_at.elapsed() >= UNUSED_FOR
    }

    /// The order of removal; `None` if it stays. What failed goes first: an attacker can name many
    /// URLs that do not exist.
    fn rank(&self) -> Option<(bool, Instant)> {
        let state = self.locked();
        let has_only_failed = state.content.is_none() && state.last_fetch.is_some();
        (!state.is_fixed).then_some((!has_only_failed, state.used_at))
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_known(&self) -> bool {
        self.is_fixed || self.content.is_some()
    }

    fn valid(&self, now: Instant) -> Option<&Arc<str>> {
        let content = self.content.as_ref()?;
        (now - content.fetched_at < VALID_FOR).then_some(&content.text)
    }
}

/// Removes the entry that was not used for the longest time, if there are too many.
fn make_room(entries: &mut HashMap<Url, Arc<Entry>>) {
    let removable: Vec<_> =
        entries.values().filter_map(|entry| Some((entry.rank()?, &entry.url))).collect();
    if removable.len() < MAX_ENTRIES {
        return;
    }
    let first = removable.into_iter().min_by_key(|(rank, _)| *rank);
    if let Some(url) = first.map(|(_, url)| url.clone()) {
        entries.remove(&url);
    }
}

/// Forgets the times before [`UNKNOWN_WINDOW`].
fn recent(times: &mut Unknown) -> &mut Unknown {
    while times.front().is_some_and(|(first, _)| first.elapsed() >= UNKNOWN_WINDOW) {
        times.pop_front();
    }
    times
}

/// Whether another fetch may begin for a source.
fn has_room(recent: &Unknown, source: &str) -> bool {
    let of_source = recent.iter().filter(|(_, of)| **of == *source).count();
    of_source < MAX_UNKNOWN && recent.len() < MAX_UNKNOWN_OF_ALL
}
