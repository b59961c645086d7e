//! The handler of the ingest listener. Cheap checks come first, in this order: path, method, head,
//! encoding, signature headers; then the body, bounded in size and time; then verification and
//! recording, queued per client.

mod brought_secret;
mod larger;

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use futures_util::FutureExt;
use time::OffsetDateTime;
use tokio_util::task::TaskTracker;

use super::answer;
use super::body::{Limits, Read, no_room, read_body};
use super::decoy::Decoy;
use super::handshake;
use super::head::{Chosen, HeadLimits, check_head, choose, is_signed, target};
use super::keep_rejected::Rejected;
use super::oversize::Oversize;
use super::peer::{Proxies, Sender};
use super::problem::{Problem, ProblemResponse, of_rejection};
use super::report::{AcceptedMetrics, Report};
use super::request_ids::RequestIds;
use super::routes::{Found, Route, Routes};
use crate::admin::RejectedRequestWriter;
use crate::clock::SharedClock;
use crate::ingest::{
    Accepted, ByteBudget, IngestService, Peer, Peers, Receipt, Rejection, Reservation, SlowLane,
    Source,
};
use crate::store::{Committed, Counters};
use crate::verify::{
    EventMethod, HandshakeAnswer, HandshakeMethod, RawRequest, Refusal, RequestHead,
};

/// Larger bodies are verified on a separate thread pool, so that they do not delay small ones.
const LARGE: usize = 256 * 1024;

/// The shared state of the ingest listener.
pub struct IngestState {
    pub routes: Routes,
    pub service: IngestService,
    pub clock: SharedClock,
    pub head: HeadLimits,
    pub budget: ByteBudget,
    pub peers: Arc<Peers>,
    pub proxies: Proxies,
    pub oversize: Oversize,
    /// Recording continues on this runtime if the connection breaks.
    pub tasks: TaskTracker,
    pub runtime: tokio::runtime::Handle,
    /// Makes requests that are rejected by their head indistinguishable by time.
    pub decoy: Decoy,
    pub requests: RequestIds,
    pub counters: Counters,
    pub accepted: AcceptedMetrics,
    pub rejected_request_writer: Option<RejectedRequestWriter>,
}

pub(super) async fn receive(
    request: HttpRequest,
    payload: web::Payload,
    ingest: web::Data<IngestState>,
    service: web::Data<IngestService>,
) -> HttpResponse {
    let id = ingest.requests.next();
    let mut report = Report::begin(&id, ingest.clock.now(), &ingest.counters, &ingest.accepted);
    let guarded =
        std::panic::AssertUnwindSafe(answer_to(&request, payload, &ingest, &service, &mut report));
    // The panic hook has already logged it.
    let answered = guarded.catch_unwind().await;
    let answered = answered.unwrap_or(Err((Problem::Internal, "panic")));
    match answered {
        Ok(Taken::Recorded(receipt, source)) => {
            report.accepted(receipt.get());
            answer::of_receipt(receipt, source.verifier.provider.answer(), &id)
        }
        Ok(Taken::Answered(answered)) => {
            report.handshake();
            answer::of_handshake(*answered, &id)
        }
        Err((problem, reason)) => {
            report.rejected(problem, reason);
            problem.respond(&id)
        }
    }
}

/// A request that is answered with success: only a handshake without a commit.
enum Taken {
    Recorded(Committed<Receipt>, Arc<Source>),
    Answered(Box<HandshakeAnswer>),
}

async fn answer_to(
    request: &HttpRequest,
    payload: web::Payload,
    ingest: &IngestState,
    service: &web::Data<IngestService>,
    report: &mut Report<'_>,
) -> Result<Taken, ProblemResponse> {
    let sender = ingest.proxies.sender(request);
    report.peer = sender.map(|sender| sender.address);
    let found = ingest.routes.find(request.uri().path());
    if !matches!(found, Found::Route(_)) && ingest.decoy.looks_sent_by_a_sender(request) {
        // Probably a known sender with a wrong URL.
        metrics::counter!("sealpost_signed_to_unknown_path_total").increment(1);
    }
    // A request to an unknown source is processed like one to a source that accepts nothing:
    // neither the response nor its timing reveals whether the source exists.
    let (route, known) = match found {
        Found::Route(route) => (Some(route), true),
        Found::UnknownSource(decoy) => (decoy, false),
        Found::Nothing => {
            report.has_wrong_path = is_signed(request, &ingest.decoy);
            return Err((Problem::NotFound, "not_found"));
        }
    };
    let method = request.method().as_str();
    let is_event = route.map_or(method == EventMethod::Post.as_str(), |route| route.takes(method));
    if !is_event {
        let answered = handshake::of_other_method(request, (route, known), ingest.head, report);
        return answered.map(Taken::Answered);
    }
    check_head(request, ingest.head)?;
    let unknown = (Problem::Unauthorized, Refusal::UnknownSource.reason());
    let route = route.ok_or(unknown)?;
    report.has_wrong_path = !known && is_signed(request, &ingest.decoy);
    let incoming =
        IncomingRequest { request, ingest, route, known, sender, now: ingest.clock.now() };
    match incoming.take(payload, service, report).await {
        Err((Problem::Unauthorized, _)) if !known => Err(unknown),
        taken => taken,
    }
}

/// A request to a potential source.
struct IncomingRequest<'a> {
    request: &'a HttpRequest,
    ingest: &'a IngestState,
    route: &'a Route,
    /// Whether the source exists.
    known: bool,
    sender: Option<Sender>,
    now: OffsetDateTime,
}

impl IncomingRequest<'_> {
    async fn take(
        &self,
        mut payload: web::Payload,
        service: &web::Data<IngestService>,
        report: &mut Report<'_>,
    ) -> Result<Taken, ProblemResponse> {
        let Self { request, ingest, now, .. } = *self;
        let (source, mut head) = match choose(request, self.route, now.unix_timestamp()) {
            Ok(chosen) => chosen,
            Err(refused) => {
                return Box::pin(self.refuse(&mut payload, refused, service, report)).await;
            }
        };
        head.sender_info.set_peer(self.sender.map(|sender| sender.address));
        if self.known {
            report.source(&source);
        }
        let mut reservation = ingest.budget.open(self.peer());
        let service = web::Data::clone(service);
        // Rare paths are boxed: the future of every request is as large as its largest branch.
        let body = match self.read(&mut payload, &source, &mut reservation).await? {
            Read::Complete(body) => body,
            Read::Larger(begun) => {
                let begun = (begun, reservation);
                let taking = self.take_larger(&mut payload, (source, head), begun, service, report);
                return Box::pin(taking).await;
            }
        };
        report.size_bytes = body.len();
        if let Some(found) = handshake::brought_secret(request, self.route, &body) {
            return Box::pin(self.store_secret(service, found, body, report)).await;
        }
        let large = body.len() > LARGE;
        let copies =
            if large { Some(reservation.copies(body.len()).await.map_err(no_room)?) } else { None };

        // The connection may break at any await: verification and recording continue without it.
        let copy = source.keep_rejected.map(|_| (head.clone(), body.clone()));
        let prompt = handshake::is_open(self.route).then(|| body.clone());
        let (lane, taken) = (self.lane(&source), Arc::clone(&source));
        // Boxed: starting a task, and taking its result, moves its future several times.
        let recording = Box::pin(async move {
            let accepted = service.accept(&taken, RawRequest::new(head, body), now, lane).await;
            drop((reservation, copies));
            accepted
        });
        let recording = if large {
            ingest.tasks.spawn_on(recording, &ingest.runtime)
        } else {
            ingest.tasks.spawn(recording)
        };
        let (problem, refusal) = match settle(recording.await) {
            Ok(Accepted::Recorded(receipt)) => return Ok(Taken::Recorded(receipt, source)),
            Ok(Accepted::Answered(answer)) => return Ok(Taken::Answered(answer)),
            Err(rejected) => rejected,
        };
        if let Some(refusal) = refusal {
            if let Some(answer) = prompt.and_then(|body| self.handshake(&body, report)) {
                return Ok(Taken::Answered(answer));
            }
            self.failed(&source);
            if let Some((head, body)) = copy {
                self.keep_rejected(source, head, body, &refusal);
            }
        }
        Err(problem)
    }

    /// Processes a request rejected by its head like any other, unless it is a handshake. Neither
    /// the response nor its timing reveals the difference.
    async fn refuse(
        &self,
        payload: &mut web::Payload,
        (refusal, by): (Refusal, Option<Box<Chosen>>),
        service: &web::Data<IngestService>,
        report: &mut Report<'_>,
    ) -> Result<Taken, ProblemResponse> {
        let first = self.route.sources.first();
        if let Some(source) = first.filter(|_| self.known) {
            report.source(source);
        }
        if let Some(source) = by.as_deref().map(|(source, _)| source).or(first) {
            let body = self.read_rejected(payload, source).await?;
            let found = body
                .as_ref()
                .and_then(|body| handshake::brought_secret(self.request, self.route, body));
            if let (Some(found), Some(body)) = (found, &body) {
                let service = web::Data::clone(service);
                return self.store_secret(service, found, body.clone(), report).await;
            }
            if let Some(answer) = body.as_ref().and_then(|body| self.handshake(body, report)) {
                return Ok(Taken::Answered(answer));
            }
            self.failed(source);
            let body = body.filter(|_| self.ingest.decoy.is_signed(self.request));
            if let (Some(chosen), Some(body)) = (by, body) {
                let (source, mut head) = *chosen;
                head.sender_info.set_peer(self.sender.map(|sender| sender.address));
                self.keep_rejected(source, head, body, &refusal);
            }
        }
        Err((Problem::Unauthorized, refusal.reason()))
    }

    /// The answer to a rejected request that is a handshake.
    fn handshake(&self, body: &Bytes, report: &mut Report<'_>) -> Option<Box<HandshakeAnswer>> {
        let method = HandshakeMethod::Post;
        let (source, answer) = handshake::answer(self.request, self.route, method, body)?;
        report.source(&source);
        report.size_bytes = body.len();
        Some(answer)
    }

    /// Reads the body of a request rejected by its head if there is a signature that could belong
    /// to it, or if it may be a handshake.
    async fn read_rejected(
        &self,
        payload: &mut web::Payload,
        source: &Source,
    ) -> Result<Option<Bytes>, ProblemResponse> {
        let decoy = &self.ingest.decoy;
        if !decoy.is_signed(self.request) && !handshake::is_open(self.route) {
            return Ok(None);
        }
        let mut reservation = self.ingest.budget.open(self.peer());
        match self.read(payload, source, &mut reservation).await? {
            Read::Complete(body) => {
                let _slot = self.lane(source).acquire().await;
                std::hint::black_box(decoy.secret.sign(&[&body]));
                Ok(Some(body))
            }
            Read::Larger(begun) => {
                self.read_larger(payload, source, (begun, reservation), |_| ()).await?;
                Ok(None)
            }
        }
    }

    /// Reads the body, up to the limit. A request by GET has none: its content is its query.
    async fn read(
        &self,
        payload: &mut web::Payload,
        source: &Source,
        reservation: &mut Reservation,
    ) -> Result<Read, ProblemResponse> {
        if source.verifier.provider.event_method() == EventMethod::Get {
            return Ok(Read::Complete(Bytes::from(target(self.request).sorted_query())));
        }
        let limits = Limits { bytes: source.max_body, deadline: source.body_deadline };
        self.counting_failure(source, read_body(self.request, payload, limits, reservation)).await
    }

    /// An incomplete body counts as a failure of its client, also if the connection is closed.
    async fn counting_failure<T>(
        &self,
        source: &Source,
        reading: impl Future<Output = Result<T, ProblemResponse>>,
    ) -> Result<T, ProblemResponse> {
        let mut failure = OnDrop { act: || self.failed(source), on: true };
        let read = reading.await;
        failure.on = matches!(read, Err((Problem::BodyTimeout | Problem::BodyBroken, _)));
        read
    }

    fn peer(&self) -> Option<Peer> {
        self.sender.map(|sender| sender.peer)
    }

    fn lane(&self, source: &Source) -> SlowLane {
        let lane = self.peer().map(|peer| self.ingest.peers.lane(peer, &source.name));
        lane.unwrap_or_default()
    }

    fn failed(&self, source: &Source) {
        if let Some(peer) = self.peer() {
            self.ingest.peers.count_failure(peer, &source.name);
        }
    }

    fn keep_rejected(
        &self,
        source: Arc<Source>,
        head: RequestHead,
        body: Bytes,
        refusal: &Refusal,
    ) {
        let (writer, peer) =
            (self.ingest.rejected_request_writer.as_ref(), self.sender.map(|from| from.address));
        Rejected { writer, source, head, peer, now: self.now }.keep(body, refusal);
    }
}

/// The outcome of recording; on failure with the refusal, if the request is not authentic.
fn settle<T>(
    outcome: Result<Result<T, Rejection>, tokio::task::JoinError>,
) -> Result<T, (ProblemResponse, Option<Refusal>)> {
    match outcome {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(rejection)) => {
            let problem = of_rejection(&rejection);
            let Rejection::Refused(refusal) = rejection else { return Err((problem, None)) };
            Err((problem, Some(refusal)))
        }
        Err(error) => {
            // A panic message can contain received data.
            let panicked = error.is_panic();
            tracing::error!(panicked, "recording failed");
            Err(((Problem::Internal, "panic"), None))
        }
    }
}

/// Runs a closure on drop, unless cancelled.
struct OnDrop<F: Fn()> {
    act: F,
    on: bool,
}

impl<F: Fn()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        if self.on {
            (self.act)();
        }
    }
}
