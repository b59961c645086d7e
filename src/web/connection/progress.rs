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
use super::table::{Activity, Slot};

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
    Idle,
    /// The request body arrives too slowly.
    Body,
    /// The client does not read the response.
    Answer,
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
struct State {
    phase: Phase,
    /// Whether a head has begun to arrive.
    head_begun: bool,
    /// The rate at which the client reads the response.
    answer: Pace,
    /// The rate at which the client sends the body.
    body: Pace,
    body_done: bool,
    fault: Option<Fault>,
    reader: Option<Waker>,
    /// Bytes read since the request started, and bytes of its body.
    wire: u64,
    body_bytes: u64,
    /// Bytes read since the body was complete.
    ahead: u64,
    paused_reader: Option<Waker>,
    /// Whether the response is a stream with its own end conditions.
    is_stream: bool,
    socket: Option<TcpStream>,
}

#[derive(Debug)]
pub(super) struct Progress {
    settings: Arc<Settings>,
    slot: Slot,
    state: RefCell<State>,
    interim: RefCell<Interim>,
    was_reset: Cell<bool>,
}

impl Progress {
    pub(super) fn new(settings: Arc<Settings>, slot: Slot) -> Self {
        let state = State {
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
            paused_reader: None,
            is_stream: false,
            socket: None,
        };
        let progress = Self {
            settings,
            slot,
            state: RefCell::new(state),
            interim: RefCell::default(),
            was_reset: Cell::default(),
        };
        progress.report_activity(&progress.state());
        progress
    }

    pub(super) fn slot(&self) -> &Slot {
        &self.slot
    }

    fn state(&self) -> RefMut<'_, State> {
        self.state.borrow_mut()
    }

    /// Updates the state and the entry in the connection table.
    fn change(&self, change: impl FnOnce(&mut State, Instant)) {
        let mut state = self.state();
        change(&mut state, Instant::now());
        self.report_activity(&state);
    }

    fn report_activity(&self, state: &State) {
        let stalled = state.answer.waiting_since().or(state.body.waiting_since());
        let (activity, since) = match (state.phase, stalled) {
            (Phase::Closing { since }, _) => (Activity::Closing, since),
            (Phase::Head { since }, _) => (Activity::Head, since),
            (_, Some(since)) => (Activity::Stalled, since),
            (Phase::Idle { since }, None) => (Activity::Idle, since),
            (Phase::Busy, None) => return self.slot.set_working(),
        };
        self.slot.set_activity(activity, since);
    }

    /// The next deadline.
    pub(super) fn deadline(&self) -> Option<(Instant, Late)> {
        let state = self.state();
        let slowest = self.settings.slowest;
        let answer = state.answer.late_at(slowest).filter(|_| !state.is_stream);
        let next = match state.phase {
            Phase::Head { since } => Some((since + self.settings.head_deadline, Late::Head)),
            Phase::Idle { since } => Some((since + self.settings.keep_alive, Late::Idle)),
            Phase::Closing { since } => Some((since + LINGER, Late::Closing)),
            Phase::Busy if state.fault.is_some() => None,
            Phase::Busy => state.body.late_at(slowest).map(|at| (at, Late::Body)),
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
        self.change(|state, now| {
            let count = bytes.len() as u64;
            state.wire += count;
            // Some clients send an empty line after a body.
            let blank = bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n'));
            match state.phase {
                Phase::Idle { .. } if !blank => state.phase = Phase::Head { since: now },
                Phase::Busy if state.body_done => state.ahead += count,
                Phase::Busy
                    if state.wire > FRAMING + FRAMING_PER_BYTE * state.body_bytes
                        && state.fault.is_none() =>
                {
                    state.fail(Fault::Framing);
                }
                _ => {}
            }
            state.head_begun |= !blank && matches!(state.phase, Phase::Head { .. });
        });
    }

    /// Whether reading should pause: for the body of a rejected request, or for pipelined requests
    /// while one is being answered or responses are not read.
    pub(super) fn pauses_reading(&self, cx: &Context<'_>) -> bool {
        let mut state = self.state();
        let enough = match state.phase {
            Phase::Busy if !state.body_done => state.fault.is_some(),
            _ if state.answer.waiting_since().is_some() => true,
            Phase::Busy => state.ahead > READ_AHEAD,
            _ => false,
        };
        if enough {
            state.paused_reader = Some(cx.waker().clone());
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
        self.change(|state, now| state.answer.wait(now));
    }

    /// The client has read this many bytes.
    pub(super) fn written(&self, bytes: usize) {
        let slowest = self.settings.slowest;
        if self.state().answer.waiting_since().is_some() {
            self.change(|state, now| {
                state.answer.moved(now, bytes, slowest);
                state.resume_reading();
            });
        } else {
            self.state().answer.earn(bytes, slowest);
        }
    }

    /// Keeps the socket for the shutdown.
    pub(super) fn park(&self, socket: Option<TcpStream>) {
        self.state().socket = socket;
    }

    /// The socket, once it is released.
    pub(super) fn unpark(&self) -> Option<TcpStream> {
        self.state().socket.take()
    }

    pub(super) fn interim(&self) -> RefMut<'_, Interim> {
        self.interim.borrow_mut()
    }

    // Reported by requests and their bodies.

    /// A request has started.
    pub(super) fn begin(&self, has_body: bool) {
        self.change(|state, _| {
            state.phase = Phase::Busy;
            state.head_begun = false;
            state.body = Pace::default();
            state.body_done = !has_body;
            (state.fault, state.reader) = (None, None);
            (state.wire, state.body_bytes, state.ahead) = (0, 0, 0);
        });
        self.interim().begin();
    }

    /// Its response is a stream with its own end conditions.
    pub(super) fn streams(&self) {
        self.state().is_stream = true;
    }

    /// It is answered.
    pub(super) fn end(&self) {
        self.change(|state, now| {
            state.phase = if state.body_done {
                Phase::Idle { since: now }
            } else {
                Phase::Closing { since: now }
            };
            state.body.stop(now);
            if std::mem::take(&mut state.is_stream) && state.answer.waiting_since().is_some() {
                state.answer = Pace::default();
                state.answer.wait(now);
            }
            state.resume_reading();
        });
        self.interim().answered();
    }

    /// Why the reading of the body was aborted, if it was.
    pub(super) fn fault(&self) -> Option<Fault> {
        self.state().fault
    }

    /// The handler waits for more of the body.
    pub(super) fn body_waits(&self, waker: &Waker) {
        self.change(|state, now| {
            state.body.wait(now);
            state.reader = Some(waker.clone());
        });
        self.interim().body_read();
    }

    /// More of the body has arrived.
    pub(super) fn body_arrived(&self, bytes: usize) {
        let slowest = self.settings.slowest;
        self.change(|state, now| {
            state.body.moved(now, bytes, slowest);
            state.body_bytes += bytes as u64;
        });
    }

    pub(super) fn body_ended(&self) {
        self.change(|state, now| {
            state.body.stop(now);
            state.body_done = true;
        });
    }

    /// The body is no longer read.
    pub(super) fn body_left(&self) {
        self.change(|state, now| {
            state.body.stop(now);
            state.reader = None;
        });
    }

    /// Aborts the body as too slow.
    pub(super) fn abort_body(&self) {
        self.change(|state, _| state.fail(Fault::Slow));
    }

    // Used by the shutdown.

    /// Whether an incomplete head was received.
    pub(super) fn has_partial_head(&self) -> bool {
        let state = self.state();
        state.head_begun && matches!(state.phase, Phase::Head { .. })
    }

    /// Whether the client may still be sending an unread body.
    pub(super) fn is_closing(&self) -> bool {
        matches!(self.state().phase, Phase::Closing { .. })
    }

    /// Evicts the connection. Returns whether it can be closed immediately; a request whose body is
    /// stalled is answered first, and a request in progress is completed.
    pub(super) fn evict(&self) -> bool {
        let state = self.state();
        let (phase, answer) = (state.phase, state.answer.waiting_since());
        let waits = state.body.waiting_since().is_some() && state.fault.is_none();
        drop(state);
        if phase == Phase::Busy && answer.is_none() {
            if waits {
                self.abort_body();
            }
            return false;
        }
        true
    }

    /// The connection closes and only lingers for the client.
    pub(super) fn set_lingering(&self) {
        self.change(|state, now| state.phase = Phase::Closing { since: now });
    }
}

impl State {
    fn resume_reading(&mut self) {
        if let Some(waker) = self.paused_reader.take() {
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
