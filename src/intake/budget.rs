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
#[error("there is no room for more of the body")]
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
mod tests {
    use super::*;

    const MIB: usize = 1024 * 1024;

    fn peer(last: u8) -> Option<Peer> {
        Some(std::net::IpAddr::from([192, 0, 2, last]).into())
    }

    /// 16 MiB: 2 for small bodies, 8 for large ones, of which a peer has 4.
    fn budget() -> ByteBudget {
        ByteBudget::new(16 * MIB)
    }

    #[tokio::test(start_paused = true)]
    async fn whatever_large_bodies_hold_a_small_one_has_room_at_once() {
        let budget = budget();
        let mut held = Vec::new();
        for last in 0..4 {
            let mut large = budget.open(peer(last));
            large.grow(2 * MIB).await.unwrap();
            held.push(large);
        }
        let began = Instant::now();
        for _ in 0..32 {
            let mut small = budget.open(peer(0));
            small.grow(SMALL).await.unwrap();
            held.push(small);
        }
        assert_eq!(began.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stands_still_gives_way_and_one_that_moves_does_not() {
        let budget = budget();
        let (mut still, mut moving) = (budget.open(peer(1)), budget.open(peer(2)));
        still.grow(4 * MIB).await.unwrap();
        moving.grow(3 * MIB).await.unwrap();
        let mut next = budget.open(peer(3));
        let began = Instant::now();
        let (moved, asked, grown) = tokio::join!(
            async {
                for _ in 0..10 {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    moving.grow(STEP).await.unwrap();
                }
                tokio::time::timeout(Duration::from_millis(1), moving.give_way()).await
            },
            async {
                still.give_way().await;
                drop(still);
                began.elapsed()
            },
            next.grow(2 * MIB),
        );
        assert!(moved.is_err(), "one that moves was asked");
        assert!((STILL..LARGE_PATIENCE).contains(&asked), "{asked:?}");
        assert_eq!(grown, Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_trickle_is_no_movement_and_a_whole_body_needs_none() {
        let budget = budget();
        let (mut trickle, mut whole) = (budget.open(peer(1)), budget.open(peer(2)));
        trickle.grow(4 * MIB).await.unwrap();
        whole.grow(4 * MIB).await.unwrap();
        whole.whole();
        let mut next = budget.open(peer(3));
        let (asked, grown, _) = tokio::join!(
            async {
                let trickling = async {
                    loop {
                        tokio::time::sleep(Duration::from_millis(100)).await;
                        // What comes of it is read before there is room for it.
                        let _full = trickle.try_grow(1);
                    }
                };
                tokio::select! {
                    () = trickling => unreachable!(),
                    () = trickle.give_way() => drop(trickle),
                }
            },
            next.grow(MIB),
            async {
                let asked = tokio::time::timeout(2 * LARGE_PATIENCE, whole.give_way()).await;
                assert!(asked.is_err(), "a whole body was asked");
            },
        );
        assert_eq!((asked, grown), ((), Ok(())));
    }

    #[tokio::test(start_paused = true)]
    async fn one_peer_may_have_all_of_the_room_until_another_waits() {
        let budget = budget();
        let (mut first, mut other) = (budget.open(peer(1)), budget.open(peer(2)));
        first.grow(5 * MIB).await.unwrap();
        first.whole();
        let mut second = budget.open(peer(1));
        second.grow(MIB).await.unwrap();
        let (grown, ()) = tokio::join!(other.grow(4 * MIB), async {
            tokio::task::yield_now().await;
            assert!(matches!(second.try_grow(MIB), Err(Full::Share)), "there is room, for others");
            drop(first);
            second.grow(MIB).await.unwrap();
        });
        assert_eq!(grown, Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_more_than_its_share_gives_way_also_where_it_came_first() {
        let budget = budget();
        let (mut first, mut other) = (budget.open(peer(1)), budget.open(peer(2)));
        first.grow(7 * MIB).await.unwrap();
        let (refused, grown) = tokio::join!(
            async {
                let refused = first.grow(2 * MIB).await;
                drop(first);
                refused
            },
            other.grow(2 * MIB),
        );
        assert_eq!((refused, grown), (Err(NoRoom), Ok(())));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_waits_for_a_while_and_one_that_never_fits_is_refused() {
        let budget = budget();
        let mut whole = budget.open(peer(1));
        whole.grow(8 * MIB).await.unwrap();
        whole.whole();
        let began = Instant::now();
        assert_eq!(budget.open(peer(2)).grow(MIB).await, Err(NoRoom));
        assert_eq!(began.elapsed(), LARGE_PATIENCE);
        drop(whole);
        assert_eq!(budget.open(peer(1)).grow(8 * MIB).await, Ok(()));
        assert_eq!(budget.open(peer(1)).grow(9 * MIB).await, Err(NoRoom));
    }

    #[tokio::test(start_paused = true)]
    async fn small_bodies_that_stand_still_give_way_to_others_of_the_same_peer() {
        let budget = budget();
        let mut still = Vec::new();
        for _ in 0..300 {
            let body = budget.open(peer(1));
            if body.try_grow(SMALL).is_err() {
                break;
            }
            still.push(body);
        }
        let mut good = budget.open(peer(1));
        let first = still.swap_remove(0);
        let (grown, ()) = tokio::join!(good.grow(3_000), async {
            first.give_way().await;
            drop(first);
        });
        assert_eq!(grown, Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn of_two_that_wait_for_each_other_the_earlier_one_is_taken() {
        let budget = budget();
        let (mut first, mut second) = (budget.open(peer(1)), budget.open(peer(2)));
        first.grow(4 * MIB).await.unwrap();
        second.grow(4 * MIB).await.unwrap();
        let (grown, refused) = tokio::join!(first.grow(3 * MIB), async {
            let refused = second.grow(3 * MIB).await;
            drop(second);
            refused
        });
        assert_eq!((grown, refused), (Ok(()), Err(NoRoom)));
    }

    #[tokio::test(start_paused = true)]
    async fn everything_is_given_back() {
        let budget = budget();
        for size in [0, 1, SMALL, SMALL + 1, 5 * MIB] {
            let mut body = budget.open(peer(1));
            body.grow(size).await.unwrap();
            body.grow(size.min(10)).await.unwrap();
        }
        let mut refused = budget.open(peer(1));
        assert!(refused.grow(20 * MIB).await.is_err());
        drop(refused);
        let state = budget.state();
        assert_eq!((state.small, state.large, state.bodies.len()), (0, 0, 0));
        assert!(state.peers.is_empty(), "{:?}", state.peers);
    }

    #[tokio::test(start_paused = true)]
    async fn copies_of_large_bodies_wait_for_one_another() {
        // Six MiB are left for copies.
        let budget = budget();
        let body = budget.open(peer(1));
        let first = body.work(2 * MIB).await.unwrap();
        let began = Instant::now();
        assert_eq!(body.work(2 * MIB).await.err(), Some(NoRoom));
        assert_eq!(began.elapsed(), WORK_PATIENCE);
        drop(first);
        assert!(body.work(100 * MIB).await.is_ok(), "one that is too large goes alone");
    }
}
