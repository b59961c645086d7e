//! What a connection is doing, and by when it has to be done with it. The socket, the bodies and
//! the requests tell; the watch over the connection asks.

use std::cell::{Cell, RefCell, RefMut};
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::Instant;

use super::Settings;
use super::interim::Interim;
use super::pace::Pace;
use super::table::{Doing, Seat};

/// How many bytes the framing of a body may take, besides as many for each byte of the body as
/// [`FRAMING_PER_BYTE`] says. What is read ahead of the body's reader counts too.
const FRAMING: u64 = 512 * 1024;
/// The least that a body in chunks needs is six bytes for one.
const FRAMING_PER_BYTE: u64 = 8;
/// How much is read of what a client sends after a request, before that request is answered.
const READ_AHEAD: u64 = 64 * 1024;
/// How long a connection that ends may take to send what nobody reads any more.
pub(super) const LINGER: Duration = Duration::from_secs(5);

/// What a connection has not done in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Late {
    /// The head of a request is not whole.
    Head,
    /// No request came.
    Idle,
    /// The body of a request arrives too slowly.
    Body,
    /// The peer does not read the answer.
    Answer,
    /// It should have ended.
    Closing,
}

/// Why the reader of a body gets no more of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// It arrives too slowly.
    Slow,
    /// Its framing takes too many bytes.
    Framing,
}

/// Where a connection is in the course of its requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// A head is expected, or has begun to arrive.
    Head { since: Instant },
    /// A request was answered, and nothing came since.
    Idle { since: Instant },
    /// A request is being read or answered.
    Busy,
    /// A request was answered before its body had arrived: nothing more is wanted.
    Closing { since: Instant },
}

#[derive(Debug)]
struct Facts {
    phase: Phase,
    /// Whether bytes of a head are there.
    head_begun: bool,
    /// How the peer reads what we write.
    answer: Pace,
    /// How the peer sends the body.
    body: Pace,
    /// Whether the body has arrived.
    body_done: bool,
    fault: Option<Fault>,
    reader: Option<Waker>,
    /// Bytes read since the request began, and bytes of its body.
    wire: u64,
    body_bytes: u64,
    /// Bytes read since the request's body had arrived.
    ahead: u64,
    /// The one who would read on, had there not been enough.
    held_back: Option<Waker>,
    /// Whether the answer is a stream that ends by rules of its own.
    is_stream: bool,
    socket: Option<TcpStream>,
}

/// The progress of one connection.
#[derive(Debug)]
pub(super) struct Progress {
    settings: Arc<Settings>,
    seat: Seat,
    facts: RefCell<Facts>,
    interim: RefCell<Interim>,
    was_reset: Cell<bool>,
}

impl Progress {
    /// Of a connection that was accepted just now.
    pub(super) fn new(settings: Arc<Settings>, seat: Seat) -> Self {
        let facts = Facts {
            phase: Phase::Head { since: Instant::now() },
            head_begun: false,
            answer: Pace::default(),
            body: Pace::default(),
            body_done: true,
            fault: None,
            reader: None,
            wire: 0,
            body_bytes: 0,
            ahead: 0,
            held_back: None,
            is_stream: false,
            socket: None,
        };
        let progress = Self {
            settings,
            seat,
            facts: RefCell::new(facts),
            interim: RefCell::default(),
            was_reset: Cell::default(),
        };
        progress.tell();
        progress
    }

    /// Its place among the connections.
    pub(super) fn seat(&self) -> &Seat {
        &self.seat
    }

    fn facts(&self) -> RefMut<'_, Facts> {
        self.facts.borrow_mut()
    }

    /// Changes the facts, and tells the others what the connection is doing now.
    fn change(&self, change: impl FnOnce(&mut Facts, Instant)) {
        change(&mut self.facts(), Instant::now());
        self.tell();
    }

    fn tell(&self) {
        let facts = self.facts();
        let stalled = facts.answer.waiting_since().or(facts.body.waiting_since());
        let (doing, since) = match (facts.phase, stalled) {
            (Phase::Closing { since }, _) => (Doing::Closing, since),
            (Phase::Head { since }, _) => (Doing::Head, since),
            (_, Some(since)) => (Doing::Stalled, since),
            (Phase::Idle { since }, None) => (Doing::Idle, since),
            (Phase::Busy, None) => (Doing::Work, Instant::now()),
        };
        self.seat.tell(doing, since);
    }

    /// The first thing that the connection has to have done, and by when.
    pub(super) fn deadline(&self) -> Option<(Instant, Late)> {
        let facts = self.facts();
        let slowest = self.settings.slowest;
        let answer = facts.answer.late_at(slowest).filter(|_| !facts.is_stream);
        let next = match facts.phase {
            Phase::Head { since } => Some((since + self.settings.head_deadline, Late::Head)),
            Phase::Idle { since } => Some((since + self.settings.keep_alive, Late::Idle)),
            Phase::Closing { since } => Some((since + LINGER, Late::Closing)),
            Phase::Busy if facts.fault.is_some() => None,
            Phase::Busy => facts.body.late_at(slowest).map(|at| (at, Late::Body)),
        };
        let answer = answer.map(|at| (at, Late::Answer));
        answer.into_iter().chain(next).min_by_key(|(at, _)| *at)
    }

    // What the socket tells.

    /// Bytes have arrived.
    pub(super) fn read(&self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.change(|facts, now| {
            let count = bytes.len() as u64;
            facts.wire += count;
            // Some clients send an empty line after a body.
            let blank = bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n'));
            match facts.phase {
                Phase::Idle { .. } if !blank => facts.phase = Phase::Head { since: now },
                Phase::Busy if facts.body_done => facts.ahead += count,
                Phase::Busy
                    if facts.wire > FRAMING + FRAMING_PER_BYTE * facts.body_bytes
                        && facts.fault.is_none() =>
                {
                    facts.fail(Fault::Framing);
                }
                _ => {}
            }
            facts.head_begun |= !blank && matches!(facts.phase, Phase::Head { .. });
        });
    }

    /// Whether nothing more should be read for now: of the body of a request that is refused, or of
    /// further requests while one is being answered or answers are not read.
    pub(super) fn holds_back(&self, cx: &Context<'_>) -> bool {
        let mut facts = self.facts();
        let enough = match facts.phase {
            Phase::Busy if !facts.body_done => facts.fault.is_some(),
            _ if facts.answer.waiting_since().is_some() => true,
            Phase::Busy => facts.ahead > READ_AHEAD,
            _ => false,
        };
        if enough {
            facts.held_back = Some(cx.waker().clone());
        }
        enough
    }

    /// The peer has cut the connection.
    pub(super) fn reset(&self) {
        self.was_reset.set(true);
    }

    /// Whether it has.
    pub(super) fn was_reset(&self) -> bool {
        self.was_reset.get()
    }

    /// The peer does not take what is written.
    pub(super) fn write_blocked(&self) {
        self.change(|facts, now| facts.answer.wait(now));
    }

    /// The peer has taken so much of it.
    pub(super) fn written(&self, bytes: usize) {
        let slowest = self.settings.slowest;
        if self.facts().answer.waiting_since().is_some() {
            self.change(|facts, now| {
                facts.answer.moved(now, bytes, slowest);
                facts.read_on();
            });
        } else {
            self.facts().answer.moved(Instant::now(), bytes, slowest);
        }
    }

    /// Keeps what is left of the socket, for its end.
    pub(super) fn park(&self, socket: Option<TcpStream>) {
        self.facts().socket = socket;
    }

    /// The socket, once nobody else has it.
    pub(super) fn unpark(&self) -> Option<TcpStream> {
        self.facts().socket.take()
    }

    /// `100 Continue`.
    pub(super) fn interim(&self) -> RefMut<'_, Interim> {
        self.interim.borrow_mut()
    }

    // What requests and their bodies tell.

    /// A request has begun.
    pub(super) fn begin(&self, has_body: bool) {
        self.change(|facts, _| {
            facts.phase = Phase::Busy;
            facts.head_begun = false;
            facts.body = Pace::default();
            facts.body_done = !has_body;
            (facts.fault, facts.reader) = (None, None);
            (facts.wire, facts.body_bytes, facts.ahead) = (0, 0, 0);
        });
        self.interim().begin();
    }

    /// Its answer is a stream that ends by rules of its own.
    pub(super) fn streams(&self) {
        self.facts().is_stream = true;
    }

    /// It is answered.
    pub(super) fn end(&self) {
        self.change(|facts, now| {
            facts.phase = if facts.body_done {
                Phase::Idle { since: now }
            } else {
                Phase::Closing { since: now }
            };
            facts.body.stop(now);
            if std::mem::take(&mut facts.is_stream) && facts.answer.waiting_since().is_some() {
                facts.answer = Pace::default();
                facts.answer.wait(now);
            }
            facts.read_on();
        });
        self.interim().forget();
    }

    /// Why the body's reader gets no more.
    pub(super) fn fault(&self) -> Option<Fault> {
        self.facts().fault
    }

    /// The body's reader waits for more.
    pub(super) fn body_waits(&self, waker: &Waker) {
        self.change(|facts, now| {
            facts.body.wait(now);
            facts.reader = Some(waker.clone());
        });
        self.interim().want();
    }

    /// More of the body has arrived.
    pub(super) fn body_arrived(&self, bytes: usize) {
        let slowest = self.settings.slowest;
        self.change(|facts, now| {
            facts.body.moved(now, bytes, slowest);
            facts.body_bytes += bytes as u64;
        });
    }

    /// The body is whole.
    pub(super) fn body_ended(&self) {
        self.change(|facts, now| {
            facts.body.stop(now);
            facts.body_done = true;
        });
    }

    /// Nobody reads the body any more.
    pub(super) fn body_left(&self) {
        self.change(|facts, now| {
            facts.body.stop(now);
            facts.reader = None;
        });
    }

    /// The body's reader is told that it is too slow.
    pub(super) fn give_body_up(&self) {
        self.change(|facts, _| facts.fail(Fault::Slow));
    }

    // What its end asks.

    /// Whether bytes of a head are there that is not whole.
    pub(super) fn has_half_a_head(&self) -> bool {
        let facts = self.facts();
        facts.head_begun && matches!(facts.phase, Phase::Head { .. })
    }

    /// Whether the peer may still be sending a body that nobody reads.
    pub(super) fn is_closing(&self) -> bool {
        matches!(self.facts().phase, Phase::Closing { .. })
    }

    /// Makes room for another connection. Gives whether this one can end at once; a request whose
    /// body does not arrive is answered first, and one that is being worked on is finished.
    pub(super) fn yields(&self) -> bool {
        let facts = self.facts();
        let (phase, answer) = (facts.phase, facts.answer.waiting_since());
        let waits = facts.body.waiting_since().is_some() && facts.fault.is_none();
        drop(facts);
        if phase == Phase::Busy && answer.is_none() {
            if waits {
                self.give_body_up();
            }
            return false;
        }
        true
    }

    /// It ends, and waits only for the peer to have heard.
    pub(super) fn lingers(&self) {
        self.change(|facts, now| facts.phase = Phase::Closing { since: now });
    }
}

impl Facts {
    fn read_on(&mut self) {
        if let Some(waker) = self.held_back.take() {
            waker.wake();
        }
    }

    fn fail(&mut self, fault: Fault) {
        self.fault = Some(fault);
        if let Some(waker) = self.reader.take() {
            waker.wake();
        }
    }
}
