//! Database calls of one handler that are made together: while some are under way, further ones
//! wait, and the next call makes all of them. A lone one is made at once.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::slots::Connections;
use crate::store::StoreError;

/// The maximum number made at a time.
const MOST: usize = 64;

/// Calls that wait, by handler.
#[derive(Debug)]
pub(super) struct Together<C, R, E>(Mutex<ByHandler<C, R, E>>);

type ByHandler<C, R, E> = HashMap<String, Vec<Waiting<C, R, E>>>;

/// A call, and who waits for its result.
#[derive(Debug)]
pub(super) struct Waiting<C, R, E> {
    pub(super) call: C,
    reply: oneshot::Sender<Result<R, E>>,
}

/// The result of a call, to come.
#[derive(Debug)]
pub(super) struct Ticket<R, E>(oneshot::Receiver<Result<R, E>>);

/// What the caller does next.
#[derive(Debug)]
pub(super) enum Next<C, R, E> {
    Result(Result<R, E>),
    /// Make these calls, on this connection, and answer them; then wait again.
    Make(Vec<Waiting<C, R, E>>, Option<OwnedSemaphorePermit>),
}

impl<C, R, E> Default for Together<C, R, E> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<C, R, E> Waiting<C, R, E> {
    /// Gives the caller its result. It may be gone.
    pub(super) fn answer(self, result: Result<R, E>) {
        drop(self.reply.send(result));
    }
}

/// Gives the first caller of a group its error. The others get a timeout, which is temporary too.
pub(super) fn fail<C, R, E>(group: Vec<Waiting<C, R, E>>, error: E) {
    if let Some(first) = group.into_iter().next() {
        first.answer(Err(error));
    }
}

impl<C, R, E> Together<C, R, E> {
    fn waiting(&self) -> MutexGuard<'_, ByHandler<C, R, E>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a call of a handler.
    pub(super) fn add(&self, handler: &str, call: C) -> Ticket<R, E> {
        let (reply, result) = oneshot::channel();
        self.waiting().entry(handler.to_owned()).or_default().push(Waiting { call, reply });
        Ticket(result)
    }

    /// Waits for the result of a call, or for one of the handler's connections. Whom the maker of a
    /// group does not answer gets a timeout, also where the maker is gone.
    pub(super) async fn next(
        &self,
        handler: &str,
        connections: &Connections,
        Ticket(result): &mut Ticket<R, E>,
    ) -> Next<C, R, E>
    where
        E: From<StoreError>,
    {
        let unanswered = || Err(StoreError::timed_out().into());
        let connection = tokio::select! {
            biased;
            result = &mut *result => return Next::Result(result.unwrap_or_else(|_| unanswered())),
            connection = connections.acquire(handler) => connection,
        };
        let group = self.take(handler);
        if group.is_empty() {
            // Its own call is in a group that is under way.
            drop(connection);
            return Next::Result(result.await.unwrap_or_else(|_| unanswered()));
        }
        Next::Make(group, connection)
    }

    /// Takes those that wait the longest.
    fn take(&self, handler: &str) -> Vec<Waiting<C, R, E>> {
        let mut waiting = self.waiting();
        let Some(calls) = waiting.get_mut(handler) else { return Vec::new() };
        // Whoever is gone has given up, and may be waiting again.
        calls.retain(|call| !call.reply.is_closed());
        calls.drain(..calls.len().min(MOST)).collect()
    }
}
