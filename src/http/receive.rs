//! The ingest listener's one handler. Cheap refusals come first, in this order: path, method,
//! head, encoding, signature headers, the peer's lane, declared size; then the body, bounded in
//! bytes and time; then everything behind the gate.

use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix_web::error::PayloadError;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::{Bytes, BytesMut};
use futures_util::{FutureExt, StreamExt};
use ipnet::IpNet;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::answer;
use super::coding;
use super::decoy::Decoy;
use super::hold::Refused;
use super::oversize::{self, Oversize};
use super::peer;
use super::problem::{Problem, of_rejection};
use super::report::Report;
use super::routes::{Found, Route, Routes};
use crate::clock::SharedClock;
use crate::gate::{Along, RawRequest, Refusal, RequestHead, StreamedBody};
use crate::intake::{
    ByteBudget, Intake, Pass, Peer, Peers, Receipt, Rejection, Reservation, Source,
};
use crate::operator::Holding;
use crate::store::{Committed, Tallies};

/// Bodies above this are verified and named elsewhere than on the listener's threads, where small
/// ones wait for their turn.
const LARGE: usize = 256 * 1024;
/// The longest request target.
const MAX_TARGET: usize = 2 * 1024;

/// What the ingest listener needs.
pub struct Ingest {
    /// Where paths lead.
    pub routes: Routes,
    /// What takes requests on.
    pub intake: Intake,
    /// The clock.
    pub clock: SharedClock,
    /// The largest head.
    pub head: HeadLimits,
    /// Bytes of bodies in flight.
    pub budget: ByteBudget,
    /// Peers that keep failing.
    pub peers: Arc<Peers>,
    /// Proxies whose `X-Forwarded-For` counts.
    pub trusted_proxies: Vec<IpNet>,
    /// Room for bodies that are larger than is kept.
    pub oversize: Oversize,
    /// Where recording goes on when its connection breaks.
    pub tasks: TaskTracker,
    /// Where large bodies are worked on.
    pub runtime: tokio::runtime::Handle,
    /// What stands in for the secret of a source that does not exist.
    pub decoy: Decoy,
    /// Tells requests of this process apart.
    pub requests: RequestIds,
    /// Where requests are counted.
    pub tallies: Tallies,
    /// What holds refused requests, where a source is told to.
    pub holding: Option<Holding>,
}

/// How large the head of a request may be.
#[derive(Debug, Clone, Copy)]
pub struct HeadLimits {
    /// Bytes of names and values.
    pub bytes: usize,
    /// Header lines.
    pub lines: usize,
}

/// Makes ids of requests.
#[derive(Debug)]
pub struct RequestIds {
    process: u32,
    next: AtomicU64,
}

impl RequestIds {
    /// Ids of a process that has this number.
    pub fn new(process: u32) -> Self {
        Self { process, next: AtomicU64::new(1) }
    }

    pub(super) fn next(&self) -> String {
        format!("{:08x}-{:x}", self.process, self.next.fetch_add(1, Ordering::Relaxed))
    }
}

/// A request that goes no further, and the closed word for why.
pub(super) type Stop = (Problem, &'static str);

/// Receives one request.
pub(super) async fn receive(
    request: HttpRequest,
    payload: web::Payload,
    ingest: web::Data<Ingest>,
    intake: web::Data<Intake>,
) -> HttpResponse {
    let id = ingest.requests.next();
    let mut report = Report::begin(&id, ingest.clock.now(), &ingest.tallies);
    let guarded =
        std::panic::AssertUnwindSafe(answer_to(&request, payload, &ingest, &intake, &mut report));
    // The log has its line of every panic already.
    let answered = guarded.catch_unwind().await;
    let answered = answered.unwrap_or(Err((Problem::Internal, "panic")));
    match answered {
        Ok(receipt) => {
            report.accepted(receipt.get());
            answer::of_receipt(receipt, &id)
        }
        Err((problem, reason)) => {
            report.rejected(problem, reason);
            problem.respond(&id)
        }
    }
}

async fn answer_to(
    request: &HttpRequest,
    payload: web::Payload,
    ingest: &Ingest,
    intake: &web::Data<Intake>,
    report: &mut Report<'_>,
) -> Result<Committed<Receipt>, Stop> {
    let address = peer::address(request, &ingest.trusted_proxies);
    let holding = ingest.holding.as_ref();
    report.peer = address;
    let found = ingest.routes.find(request.uri().path());
    if !matches!(found, Found::Route(_)) && ingest.decoy.looks_sent_by_a_sender(request) {
        // As likely as not a sender of ours that was given a wrong address.
        metrics::counter!("sealpost_signed_to_unknown_path_total").increment(1);
    }
    if matches!(found, Found::Nothing) {
        report.has_wrong_path = is_signed(request, &ingest.decoy);
        return Err((Problem::NotFound, "not_found"));
    }
    if request.method() != actix_web::http::Method::POST {
        return Err((Problem::MethodNotAllowed, "method"));
    }
    check_head(request, ingest.head)?;

    let peer = address.map(Peer::from);
    let Found::Route(route) = found else {
        report.has_wrong_path = is_signed(request, &ingest.decoy);
        let refused = (Problem::Unauthorized, Refusal::UnknownSource.reason());
        let read = read_in_vain(request, payload, ingest, peer, &ingest.decoy.name).await;
        return Err(read.err().unwrap_or(refused));
    };
    let now = ingest.clock.now();
    let (source, mut head) = match choose(request, route, now.unix_timestamp()) {
        Ok(chosen) => chosen,
        Err((refusal, by)) => {
            let first = route.sources.first();
            if let Some(source) = first {
                report.source(source);
            }
            let name = first.map_or(&ingest.decoy.name, |source| &source.name);
            let body = read_in_vain(request, payload, ingest, peer, name).await?;
            if let (Some((source, head)), Some(body)) = (by, body) {
                Refused { holding, source, head, peer: address, now }.hold(body, &refusal);
            }
            return Err((Problem::Unauthorized, refusal.reason()));
        }
    };
    head.along.came_from(address);
    report.source(&source);
    let _pass = enter(ingest, peer, &source.name)?;
    let mut reservation = ingest.budget.open();
    let limits = Limits { bytes: source.max_body, deadline: source.body_deadline };
    let mut payload = payload;
    let body = match read_body(request, &mut payload, limits, &mut reservation).await? {
        Read::Whole(body) => body,
        Read::Larger(begun) => {
            let began = StreamedBody::begin(&source.gate, head, now.unix_timestamp());
            let mut streamed = began.map_err(|no| (Problem::Unauthorized, no.reason()))?;
            report.size_bytes = oversize::read(
                (request, &mut payload),
                &ingest.oversize,
                peer,
                (begun, reservation),
                |piece| streamed.update(piece),
            )
            .await?;
            let (intake, taken) = (web::Data::clone(intake), Arc::clone(&source));
            let recording = async move { intake.accept_oversize(&taken, streamed, now).await };
            let outcome = ingest.tasks.spawn(recording).await;
            return settle(ingest, peer, &source, outcome).map_err(|(stop, _)| stop);
        }
    };
    report.size_bytes = body.len();

    // The connection may break at any await: what is behind the gate goes on without it.
    let (intake, taken) = (web::Data::clone(intake), Arc::clone(&source));
    let copy = source.hold.map(|_| (head.clone(), body.clone()));
    let large = body.len() > LARGE;
    let recording = async move {
        let accepted = intake.accept(&taken, RawRequest::new(head, body), now).await;
        drop(reservation);
        accepted
    };
    let recording = if large {
        ingest.tasks.spawn_on(recording, &ingest.runtime)
    } else {
        ingest.tasks.spawn(recording)
    };
    settle(ingest, peer, &source, recording.await).map_err(|(stop, rejection)| {
        if let (Some((head, body)), Some(Rejection::Refused(refusal))) = (copy, rejection) {
            Refused { holding, source, head, peer: address, now }.hold(body, &refusal);
        }
        stop
    })
}

/// What recording gives.
type Outcome = Result<Committed<Receipt>, Rejection>;

/// What came of recording; a peer whose request was not authentic has failed.
fn settle(
    ingest: &Ingest,
    peer: Option<Peer>,
    source: &Source,
    outcome: Result<Outcome, tokio::task::JoinError>,
) -> Result<Committed<Receipt>, (Stop, Option<Rejection>)> {
    match outcome {
        Ok(Ok(receipt)) => Ok(receipt),
        Ok(Err(rejection)) => {
            let stop = of_rejection(&rejection);
            if let ((Problem::Unauthorized, _), Some(peer)) = (stop, peer) {
                ingest.peers.failed(peer, &source.name);
            }
            Err((stop, Some(rejection)))
        }
        Err(error) => {
            // A panic's message can repeat what was received.
            let panicked = error.is_panic();
            tracing::error!(panicked, "recording did not come to an end");
            Err(((Problem::Internal, "panic"), None))
        }
    }
}

fn check_head(request: &HttpRequest, most: HeadLimits) -> Result<(), Stop> {
    let headers = request.headers();
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    if bytes > most.bytes || headers.len() > most.lines || target > MAX_TARGET {
        return Err((Problem::HeadTooLarge, "header_limit"));
    }
    if coding::is_encoded(headers) {
        return Err((Problem::Encoded, "content_encoding"));
    }
    Ok(())
}

/// A source, and what its provider may see of a request's head.
type Chosen = (Arc<Source>, RequestHead);

/// The source that the request's headers are for. Where several sources share a path, the first
/// that does not disown the request is it. A refusal comes with the source that it is of.
fn choose(
    request: &HttpRequest,
    route: &Route,
    now: i64,
) -> Result<Chosen, (Refusal, Option<Chosen>)> {
    let mut refused = (Refusal::UnknownSource, None);
    for source in &route.sources {
        let head = head_for(request, route, source);
        match source.gate.precheck(&head, now) {
            Ok(()) => return Ok((Arc::clone(source), head)),
            Err(Refusal::UnknownSource) => {}
            Err(other) => refused = (other, Some((Arc::clone(source), head))),
        }
    }
    Err(refused)
}

/// What the sender sent along, for people.
fn along(request: &HttpRequest) -> Along {
    let value = |name| request.headers().get(name).map(HeaderValue::as_bytes);
    Along::new(value(header::CONTENT_TYPE), value(header::USER_AGENT))
}

fn head_for(request: &HttpRequest, route: &Route, source: &Source) -> RequestHead {
    let mut head = RequestHead {
        action: route.action,
        query: RequestHead::reads(&*source.gate.provider, request.uri().query()),
        along: along(request),
        ..RequestHead::default()
    };
    for name in source.gate.provider.headers() {
        for value in request.headers().get_all(*name) {
            head.headers.push(name, Bytes::copy_from_slice(value.as_bytes()));
        }
    }
    head
}

fn enter(ingest: &Ingest, peer: Option<Peer>, source: &Arc<str>) -> Result<Option<Pass>, Stop> {
    let Some(peer) = peer else { return Ok(None) };
    let pass = ingest.peers.enter(peer, source);
    pass.map(Some).map_err(|_| (Problem::TooMany { after: 1 }, "rate_unauth"))
}

/// Whether it carries a signature of the kind that some source's sender makes.
fn is_signed(request: &HttpRequest, decoy: &Decoy) -> bool {
    let mut names = decoy.headers.iter().filter(|name| name.contains("signature"));
    names.any(|name| request.headers().contains_key(*name))
}

/// Does for a source that does not exist, and for a request that its head alone has refused, what
/// would be done for others; gives the body, where there is a signature that it could be for. Which
/// of them it was can be seen neither in the answer nor in when it comes.
async fn read_in_vain(
    request: &HttpRequest,
    payload: web::Payload,
    ingest: &Ingest,
    peer: Option<Peer>,
    lane: &Arc<str>,
) -> Result<Option<Bytes>, Stop> {
    let decoy = &ingest.decoy;
    let mut read = None;
    if decoy.is_signed(request) {
        let _pass = enter(ingest, peer, lane)?;
        let mut reservation = ingest.budget.open();
        let limits = Limits { bytes: decoy.max_body, deadline: decoy.deadline };
        let mut payload = payload;
        match read_body(request, &mut payload, limits, &mut reservation).await? {
            Read::Whole(body) => {
                std::hint::black_box(decoy.secret.sign(&[&body]));
                read = Some(body);
            }
            Read::Larger(begun) => {
                let stream = (request, &mut payload);
                let begun = (begun, reservation);
                oversize::read(stream, &ingest.oversize, peer, begun, |_| ()).await?;
            }
        }
    }
    if let Some(peer) = peer {
        ingest.peers.failed(peer, lane);
    }
    Ok(read)
}

/// Why no more of a body comes.
fn of_broken(error: PayloadError) -> Stop {
    match error {
        PayloadError::Io(error) if error.kind() == ErrorKind::TimedOut => {
            (Problem::BodyTimeout, "body_timeout")
        }
        _ => (Problem::BodyBroken, "http_framing"),
    }
}

/// How large a body may be, and how long it may take.
#[derive(Clone, Copy)]
struct Limits {
    bytes: usize,
    deadline: Duration,
}

/// What was read.
enum Read {
    /// All of it.
    Whole(Bytes),
    /// The beginning of a body that is larger than is kept; the rest is still to come.
    Larger(Bytes),
}

/// Reads the body, exactly as it is on the wire. A body that comes in one piece is not copied.
async fn read_body(
    request: &HttpRequest,
    payload: &mut web::Payload,
    limits: Limits,
    reservation: &mut Reservation,
) -> Result<Read, Stop> {
    if oversize::declared(request) > limits.bytes as u64 {
        return Ok(Read::Larger(Bytes::new()));
    }
    let reading = async {
        let mut whole = Bytes::new();
        let mut pieces = BytesMut::new();
        while let Some(piece) = payload.next().await {
            let piece = piece.map_err(of_broken)?;
            if !reservation.grow(piece.len()) {
                return Err((Problem::unavailable(), "inflight_bytes"));
            }
            let larger = whole.len() + pieces.len() + piece.len() > limits.bytes;
            if whole.is_empty() && pieces.is_empty() {
                whole = piece;
            } else {
                pieces.extend_from_slice(&std::mem::take(&mut whole));
                pieces.extend_from_slice(&piece);
            }
            if larger {
                return Ok(Read::Larger(if pieces.is_empty() { whole } else { pieces.freeze() }));
            }
        }
        Ok(Read::Whole(if pieces.is_empty() { whole } else { pieces.freeze() }))
    };
    let ends = Instant::now() + limits.deadline;
    tokio::time::timeout_at(ends, reading)
        .await
        .unwrap_or(Err((Problem::BodyTimeout, "body_timeout")))
}
