//! Logs when the database becomes unusable, and when it is usable again.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::store::{OpenError, Store, Trouble, Unwritable};

/// Interval between checks.
const EVERY: Duration = Duration::from_secs(5);

/// Checks whether the database is usable.
#[derive(Clone)]
pub(super) struct DatabaseWatch(pub(super) Store);

impl DatabaseWatch {
    /// Runs until `stop`.
    pub(super) async fn run(&self, stop: &CancellationToken) {
        let mut known = None;
        loop {
            known = self.check(known).await;
            let usable = if known.is_none() { 1.0 } else { 0.0 };
            metrics::gauge!("sealpost_database_usable").set(usable);
            if stop.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_none() {
                return;
            }
        }
    }

    /// Returns the current problem.
    async fn check(&self, known: Option<Trouble>) -> Option<Trouble> {
        let Err(unfit) = self.0.fitness().await else {
            if known.is_some() {
                info!("database usable again, accepting events");
            }
            return None;
        };
        let refusal = match unfit.trouble {
            Trouble::Unreachable | Trouble::TooSlow => self.0.why_unreachable().await,
            _ => None,
        };
        let trouble = refusal.as_ref().map_or(unfit.trouble, OpenError::trouble);
        if known != Some(trouble) {
            log(trouble, &unfit, refusal.as_ref());
        }
        Some(trouble)
    }
}

fn log(trouble: Trouble, unfit: &Unwritable, refusal: Option<&OpenError>) {
    let cause: &dyn std::error::Error = match refusal {
        Some(refusal) => refusal,
        None => unfit,
    };
    error!(
        trouble = trouble.as_str(),
        error = cause,
        advice = trouble.advice(),
        "database unusable, responding to events with 503"
    );
}
