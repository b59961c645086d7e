//! The state of a connection and its deadlines. The socket, the bodies and the requests report to
//! it; `watch` reads it.

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

/// The maximum framing bytes of a body, in addition to [`FRAMING_PER_BYTE`] per body byte.
/// Read-ahead counts too.
const FRAMING: u64 = 512 * 1024;
/// A chunk of one byte needs at least six bytes.
const FRAMING_PER_BYTE: u64 = 8;
/// The maximum bytes read after a request before it is answered.
const READ_AHEAD: u64 = 64 * 1024;
/// The lingering timeout of a closing connection.
pub(super) const LINGER: Duration = Duration::from_secs(5);

/// A missed deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Late {
    /// The request head is incomplete.
    Head,
    /// No request arrived.
    Idle,
    /// The request body arrives too slowly.
    Body,
    /// The client does not read the response.
    Answer,
    /// The connection should be closed.
    Closing,
}

/// Why the reading of a body was aborted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// It arrives too slowly.
    Slow,
    /// It has too many framing bytes.
    Framing,
}

/// The phase of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Waiting for a request head.
    Head { since: Instant },
    /// Idle after a response.
    Idle { since: Instant },
    /// A request is being read or answered.
    Busy,
    /// A request was answered before its body arrived: the connection closes.
    Closing { since: Instant },
}

#[derive(Debug)]
struct Facts {
    phase: Phase,
    /// Whether a head has begun to arrive.
    head_begun: bool,
    /// The rate at which the client reads the response.
    answer: Pace,
    /// The rate at which the client sends the body.
    body: Pace,
    /// Whether the body is complete.
    body_done: bool,
    fault: Option<Fault>,
    reader: Option<Waker>,
    /// Bytes read since the request started, and bytes of its body.
    wire: u64,
    body_bytes: u64,
    /// Bytes read since the body was complete.
    ahead: u64,
    /// The waker of a paused reader.
    held_back: Option<Waker>,
    /// Whether the response is a stream with its own end conditions.
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
    /// Creates it for a new connection.
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

    /// Its entry in the connection table.
    pub(super) fn seat(&self) -> &Seat {
        &self.seat
    }

    fn facts(&self) -> RefMut<'_, Facts> {
        self.facts.borrow_mut()
    }

    /// Updates the state and the entry in the connection table.
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

    /// The next deadline.
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

    // Reported by the socket.

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

    /// Whether reading should pause: for the body of a rejected request, or for pipelined requests
    /// while one is being answered or responses are not read.
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

    /// The client has closed the connection.
    pub(super) fn reset(&self) {
        self.was_reset.set(true);
    }

    /// Whether the client has closed the connection.
    pub(super) fn was_reset(&self) -> bool {
        self.was_reset.get()
    }

    /// The client does not read the written bytes.
    pub(super) fn write_blocked(&self) {
        self.change(|facts, now| facts.answer.wait(now));
    }

    /// The client has read this many bytes.
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

    /// Keeps the socket for the shutdown.
    pub(super) fn park(&self, socket: Option<TcpStream>) {
        self.facts().socket = socket;
    }

    /// The socket, once it is released.
    pub(super) fn unpark(&self) -> Option<TcpStream> {
        self.facts().socket.take()
    }

    /// `100 Continue`.
    pub(super) fn interim(&self) -> RefMut<'_, Interim> {
        self.interim.borrow_mut()
    }

    // Reported by requests and their bodies.

    /// A request has started.
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

    /// Its response is a stream with its own end conditions.
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

    /// Why the reading of the body was aborted, if it was.
    pub(super) fn fault(&self) -> Option<Fault> {
        self.facts().fault
    }

    /// The handler waits for more of the body.
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

    /// The body is complete.
    pub(super) fn body_ended(&self) {
        self.change(|facts, now| {
            facts.body.stop(now);
            facts.body_done = true;
        });
    }

    /// The body is no longer read.
    pub(super) fn body_left(&self) {
        self.change(|facts, now| {
            facts.body.stop(now);
            facts.reader = None;
        });
    }

    /// Aborts the body as too slow.
    pub(super) fn give_body_up(&self) {
        self.change(|facts, _| facts.fail(Fault::Slow));
    }

    // Used by the shutdown.

    /// Whether an incomplete head was received.
    pub(super) fn has_half_a_head(&self) -> bool {
        let facts = self.facts();
        facts.head_begun && matches!(facts.phase, Phase::Head { .. })
    }

    /// Whether the client may still be sending an unread body.
    pub(super) fn is_closing(&self) -> bool {
        matches!(self.facts().phase, Phase::Closing { .. })
    }

    /// Evicts the connection. Returns whether it can be closed immediately; a request whose body is
    /// stalled is answered first, and a request in progress is completed.
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

    /// The connection closes and only lingers for the client.
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
