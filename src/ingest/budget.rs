//! The memory that bodies may hold, from their first byte to the answer, shared out so that nobody
//! can use it up by sending slowly.
//!
//! - *Small* bodies, up to [`SMALL`] bytes, have a part of the budget that large ones never touch.
//! - *Large* ones share the rest of what is for arriving bodies. While others wait, one peer has at
//!   most half of that.
//! - A body that is worked on is copied: decoded, and written to the database's connection. The
//!   copies of large bodies are counted too, and wait for one another ([`ByteBudget::work`]).
//!
//! Where there is no room, the next piece of a body waits for some, while TCP holds its sender
//! back. A body that stands still gives way to it. Only then is a request turned away.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::Peer;

/// The largest small body, in bytes.
const SMALL: usize = 64 * 1024;
/// A body of which no [`STEP`] has come for so long stands still.
const STILL: Duration = Duration::from_millis(1_500);
/// What has to come of a body in that time, in bytes.
const STEP: usize = 8 * 1024;
/// How long a piece of a small body waits for room. Longer than it takes to find out who stands
/// still.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long a piece of a large one does: its peer may send several at a time, and await them.
const LARGE_PATIENCE: Duration = Duration::from_secs(10);
/// How often whoever waits looks for a body that stands still by now.
const LOOK: Duration = Duration::from_millis(250);
/// How long a large body waits until its copies have room.
const WORK_PATIENCE: Duration = Duration::from_secs(10);
/// How many copies are made of a body that is worked on.
const COPIES: usize = 2;
/// In what units copies are counted, in bytes.
const UNIT: usize = 1024;

/// Bytes of bodies in flight, over all requests.
#[derive(Debug, Clone)]
pub struct ByteBudget(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    rooms: Rooms,
    state: Mutex<State>,
    freed: Notify,
    copies: Arc<Semaphore>,
}

/// How a budget is shared out, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rooms {
    small: usize,
    large: usize,
    copies: usize,
}

#[derive(Debug, Default)]
struct State {
    small: usize,
    large: usize,
    peers: HashMap<Peer, usize>,
    bodies: HashMap<u64, Body>,
    next: u64,
}

#[derive(Debug)]
struct Body {
    peer: Option<Peer>,
    bytes: usize,
    room: Room,
    /// When it last made a step; `None` once it is whole.
    moved: Option<Instant>,
    /// How many bytes it had then.
    mark: usize,
    /// Whether a piece of it waits for room.
    waits: bool,
    way: Arc<Notify>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Room {
    Small,
    Large,
}

/// What stands in the way of a body's next piece.
#[derive(Debug, Clone, Copy)]
enum Full {
    /// The room for small bodies, and that for large ones.
    Small,
    /// The room for large ones.
    Large,
    /// The share of its peer.
    Share,
}

/// There was no room for a body, also after a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("memory budget for bodies exhausted")]
pub struct NoRoom;

/// Bytes taken from the budget by one body; given back when dropped.
#[derive(Debug)]
pub struct Reservation {
    budget: ByteBudget,
    id: u64,
    way: Arc<Notify>,
}

impl Rooms {
    fn of(limit: usize) -> Self {
        let small = limit / 8;
        let large = limit / 2;
        Self { small, large, copies: limit - small - large }
    }
}

impl ByteBudget {
    /// A budget of `limit` bytes.
    pub fn new(limit: usize) -> Self {
        let rooms = Rooms::of(limit);
        let shared = Shared {
            rooms,
            state: Mutex::default(),
            freed: Notify::new(),
            copies: Arc::new(Semaphore::new((rooms.copies / UNIT).min(Semaphore::MAX_PERMITS))),
        };
        Self(Arc::new(shared))
    }

    /// The largest body that a budget of `limit` bytes can hold.
    pub fn largest(limit: usize) -> usize {
        Rooms::of(limit).large
    }

    /// An empty reservation for a body of a peer, which grows as bytes really arrive: a request
    /// that only announces a large body costs nothing yet.
    pub fn open(&self, peer: Option<Peer>) -> Reservation {
        let way = Arc::new(Notify::new());
        let body = Body {
            peer,
            bytes: 0,
            room: Room::Small,
            moved: Some(Instant::now()),
            mark: 0,
            waits: false,
            way: Arc::clone(&way),
        };
        let mut state = self.state();
        let id = state.next;
        state.next += 1;
        state.bodies.insert(id, body);
        drop(state);
        Reservation { budget: self.clone(), id, way }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reservation {
    /// Takes `more` bytes, as soon as there is room for them.
    ///
    /// # Errors
    /// [`NoRoom`], after a while, or when one that came earlier needs what this one holds.
    pub async fn grow(&mut self, more: usize) -> Result<(), NoRoom> {
        if self.try_grow(more).is_ok() {
            return Ok(());
        }
        self.waits(true);
        let way = Arc::clone(&self.way);
        let grown = tokio::select! {
            grown = self.wait(more) => grown,
            () = way.notified() => Err(NoRoom),
        };
        self.waits(false);
        grown
    }

    async fn wait(&self, more: usize) -> Result<(), NoRoom> {
        let began = Instant::now();
        loop {
            let freed = self.budget.0.freed.notified();
            tokio::pin!(freed);
            freed.as_mut().enable();
            let Err(full) = self.try_grow(more) else { return Ok(()) };
            let now = Instant::now();
            let until = began + full.patience();
            if now >= until {
                return Err(NoRoom);
            }
            self.ask_for_room(full, more, now);
            drop(tokio::time::timeout_at(until.min(now + LOOK), freed).await);
        }
    }

    /// Ends when this body has to give way: it stands still, and others need its room.
    pub async fn give_way(&self) {
        self.way.notified().await;
    }

    /// The body is whole: it stands still for a good reason from now on.
    pub fn whole(&self) {
        if let Some(body) = self.budget.state().bodies.get_mut(&self.id) {
            body.moved = None;
        }
    }

    /// Waits until there is room for the copies that working on this body makes. They are given
    /// back when what this gives is dropped.
    ///
    /// # Errors
    /// [`NoRoom`], after a while.
    pub async fn work(&self, bytes: usize) -> Result<OwnedSemaphorePermit, NoRoom> {
        let Shared { rooms, copies, .. } = &*self.budget.0;
        // One that needs more than there is has it to itself.
        let units = (bytes.saturating_mul(COPIES) / UNIT).min(rooms.copies / UNIT);
        let units = u32::try_from(units).unwrap_or(u32::MAX);
        let room = Arc::clone(copies).acquire_many_owned(units);
        tokio::time::timeout(WORK_PATIENCE, room).await.ok().and_then(Result::ok).ok_or(NoRoom)
    }

    fn waits(&self, waits: bool) {
        if let Some(body) = self.budget.state().bodies.get_mut(&self.id) {
            body.waits = waits;
        }
    }

    fn try_grow(&self, more: usize) -> Result<(), Full> {
        let rooms = self.budget.0.rooms;
        let mut state = self.budget.state();
        let State { small, large, peers, bodies, .. } = &mut *state;
        let Some(body) = bodies.get(&self.id) else { return Ok(()) };
        let (total, address) = (body.bytes.saturating_add(more), body.address());
        let stays_small = body.room == Room::Small && total <= SMALL;
        // What it has had among the small ones comes along.
        let moving = if body.room == Room::Small { total } else { more };
        let room = if stays_small && small.saturating_add(more) <= rooms.small {
            Room::Small
        } else {
            let held = address.and_then(|address| peers.get(&address)).copied().unwrap_or_default();
            let others_wait =
                || bodies.values().any(|body| body.waits && body.address() != address);
            if large.saturating_add(moving) > rooms.large {
                return Err(if stays_small { Full::Small } else { Full::Large });
            }
            if held.saturating_add(moving) > rooms.share(total) && others_wait() {
                return Err(if stays_small { Full::Small } else { Full::Share });
            }
            Room::Large
        };
        let Some(body) = bodies.get_mut(&self.id) else { return Ok(()) };
        match (body.room, room) {
            (_, Room::Small) => *small += more,
            (before, Room::Large) => {
                if before == Room::Small {
                    *small -= body.bytes;
                }
                *large += moving;
                if let Some(address) = address {
                    *peers.entry(address).or_default() += moving;
                }
            }
        }
        (body.room, body.bytes) = (room, total);
        if total - body.mark >= STEP {
            (body.mark, body.moved) = (total, body.moved.map(|_| Instant::now()));
        }
        Ok(())
    }

    /// Has as many bodies give way as are needed: those that stand still, for the longest first. Of
    /// two that only wait for each other's room the later one stands still, and one whose peer has
    /// more than its share.
    fn ask_for_room(&self, full: Full, more: usize, now: Instant) {
        let state = self.budget.state();
        let Some(own) = state.bodies.get(&self.id) else { return };
        let address = own.address();
        let needed = if own.room == Room::Small { own.bytes + more } else { more };
        let in_the_way = |body: &Body| match full {
            Full::Small => true,
            Full::Large => body.room == Room::Large,
            Full::Share => body.room == Room::Large && body.address() == address,
        };
        let has_too_much = |body: &Body| {
            let held = body.address().and_then(|address| state.peers.get(&address));
            body.address() != address
                && held.is_some_and(|held| *held > self.budget.0.rooms.share(0))
        };
        let mut still: Vec<(Instant, u64)> = state
            .bodies
            .iter()
            .filter(|(id, _)| **id != self.id)
            .filter(|(id, body)| !body.waits || **id > self.id || has_too_much(body))
            .filter(|(_, body)| in_the_way(body))
            .filter_map(|(id, body)| Some((body.moved?, *id)))
            .filter(|(moved, _)| now.duration_since(*moved) >= STILL)
            .collect();
        still.sort_unstable();
        let mut given = 0;
        for (_, id) in still {
            let Some(body) = state.bodies.get(&id).filter(|_| given < needed) else { break };
            given += body.bytes;
            body.way.notify_one();
        }
    }
}

impl Full {
    fn patience(self) -> Duration {
        match self {
            Self::Small => PATIENCE,
            Self::Large | Self::Share => LARGE_PATIENCE,
        }
    }
}

impl Body {
    /// Whose share of the room for large bodies it is in. Who is only named by an address has no
    /// other share than that address.
    fn address(&self) -> Option<Peer> {
        self.peer.map(|peer| peer.shared().unwrap_or(peer))
    }
}

impl Rooms {
    /// What the large bodies of one peer may hold together while others wait, where one of them has
    /// `body` bytes: half of the room, and any body by itself.
    fn share(self, body: usize) -> usize {
        (self.large / 2).max(body)
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let mut state = self.budget.state();
        let Some(body) = state.bodies.remove(&self.id) else { return };
        match body.room {
            Room::Small => state.small -= body.bytes,
            Room::Large => {
                state.large -= body.bytes;
                if let Some(address) = body.address()
                    && let Some(held) = state.peers.get_mut(&address)
                {
                    *held = held.saturating_sub(body.bytes);
                    if *held == 0 {
                        state.peers.remove(&address);
                    }
                }
            }
        }
        drop(state);
        self.budget.0.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests;
