//! Logs when the database becomes unusable, and when it is usable again.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::store::{ErrorKind, OpenError, Store, Unwritable};

const INTERVAL: Duration = Duration::from_secs(5);

#[derive(Clone)]
pub(super) struct DatabaseWatch(pub(super) Store);

impl DatabaseWatch {
    pub(super) async fn run(&self, stop: &CancellationToken) {
        let mut known = None;
        loop {
            known = self.check(known).await;
            let usable = if known.is_none() { 1.0 } else { 0.0 };
            metrics::gauge!("sealpost_database_usable").set(usable);
            if stop.run_until_cancelled(tokio::time::sleep(INTERVAL)).await.is_none() {
                return;
            }
        }
    }

    async fn check(&self, known: Option<ErrorKind>) -> Option<ErrorKind> {
        let Err(unfit) = self.0.check_writable().await else {
            if known.is_some() {
                info!("database usable again, accepting events");
            }
            return None;
        };
        let refusal = match unfit.kind {
            ErrorKind::Unreachable | ErrorKind::TooSlow => self.0.connect_error().await,
            _ => None,
        };
        let kind = refusal.as_ref().map_or(unfit.kind, OpenError::kind);
        if known != Some(kind) {
            log(kind, &unfit, refusal.as_ref());
        }
        Some(kind)
    }
}

fn log(kind: ErrorKind, unfit: &Unwritable, refusal: Option<&OpenError>) {
    let cause: &dyn std::error::Error = match refusal {
        Some(refusal) => refusal,
        None => unfit,
    };
    error!(
        kind = kind.as_str(),
        error = cause,
        advice = kind.advice(),
        "database unusable, responding to events with 503"
    );
}
