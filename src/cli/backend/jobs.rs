//! Jobs: planned, run with their progress, and shown. On the database, this process runs the job;
//! over the API, the gateway does.

use std::time::Duration;

use anyhow::Context as _;
use time::OffsetDateTime;

use super::Backend;
use crate::admin::actions::{Noun, Options, find_action};
use crate::admin::cursor::{self, JOBS};
use crate::admin::{
    Admin, BulkPreview, BulkRequest, Caller, Job, JobDetail, RejectedBulkRequest, ResendRequest,
    Step, Worker,
};
use crate::cli::interrupt::a_signal;
use crate::cli::output;
use crate::cli::remote::Query;
use crate::clock::{Clock, SystemClock};

/// How often the progress of a job is asked for.
const POLL: Duration = Duration::from_millis(500);

impl Backend {
    pub(in crate::cli) async fn jobs(
        &self,
        before: Option<i64>,
        limit: u32,
    ) -> anyhow::Result<Vec<Job>> {
        Ok(match self {
            Self::Database { admin, caller } => admin.jobs.list(caller, before, limit).await?,
            Self::Api(api) => {
                let before = before.map(|before| cursor::after(JOBS, &before));
                api.list(&["jobs"], &Query::default(), before, limit).await?.items
            }
        })
    }

    pub(in crate::cli) async fn job(&self, id: i64) -> anyhow::Result<JobDetail> {
        Ok(match self {
            Self::Database { admin, caller } => admin.jobs.show(caller, id).await?,
            Self::Api(api) => api.get(&["jobs", &id.to_string()], &Query::default()).await?,
        })
    }

    /// What a job would process. Nothing is recorded.
    pub(in crate::cli) async fn preview(
        &self,
        request: &BulkRequest,
    ) -> anyhow::Result<BulkPreview> {
        Ok(match self {
            Self::Database { admin, caller } => admin.jobs.preview(caller, request).await?,
            Self::Api(api) => api.post(&["jobs", "preview"], Some(request)).await?,
        })
    }

    pub(in crate::cli) async fn plan(&self, request: &BulkRequest) -> anyhow::Result<JobDetail> {
        Ok(match self {
            Self::Database { admin, caller } => admin.jobs.plan(caller, request).await?,
            Self::Api(api) => api.post(&["jobs"], Some(request)).await?,
        })
    }

    /// As [`Backend::preview`], for a job on events.
    pub(in crate::cli) async fn preview_resend(
        &self,
        request: &ResendRequest,
    ) -> anyhow::Result<BulkPreview> {
        Ok(match self {
            Self::Database { admin, caller } => admin.jobs.preview_resend(caller, request).await?,
            Self::Api(api) => api.post(&["jobs", "preview"], Some(request)).await?,
        })
    }

    pub(in crate::cli) async fn plan_resend(
        &self,
        request: &ResendRequest,
    ) -> anyhow::Result<JobDetail> {
        Ok(match self {
            Self::Database { admin, caller } => admin.jobs.plan_resend(caller, request).await?,
            Self::Api(api) => api.post(&["jobs"], Some(request)).await?,
        })
    }

    pub(in crate::cli) async fn plan_rejected(
        &self,
        request: &RejectedBulkRequest,
    ) -> anyhow::Result<JobDetail> {
        Ok(match self {
            Self::Database { admin, caller } => admin.jobs.plan_rejected(caller, request).await?,
            Self::Api(api) => api.post(&["rejected-requests", "jobs"], Some(request)).await?,
        })
    }

    /// Starts a planned job and waits for its end, which is an error unless the job is done. A
    /// signal cancels it. `progress` receives the number of items processed.
    pub(in crate::cli) async fn run_job(
        &self,
        job: &Job,
        mut progress: impl FnMut(u64),
    ) -> anyhow::Result<()> {
        let mut work = self.begin(job.id).await?;
        let mut interrupted = std::pin::pin!(a_signal());
        let ended = loop {
            // A batch is never interrupted: signals are checked between batches.
            let wait = match work.step(self, &mut progress).await {
                Ok(Some(wait)) => wait,
                Ok(None) => break self.verdict(job.id).await,
                Err(error) => break Err(error),
            };
            tokio::select! {
                biased;
                signal = &mut interrupted => {
                    break match signal {
                        Ok(()) => self.interrupt(job.id).await,
                        Err(error) => Err(error.into()),
                    };
                }
                () = tokio::time::sleep(wait) => {}
            }
        };
        if let (Work::Here { worker, .. }, Err(_)) = (&mut work, &ended) {
            worker.release().await;
        }
        ended
    }

    async fn begin(&self, id: i64) -> anyhow::Result<Work> {
        if let Self::Database { admin, caller } = self {
            return Work::here(admin, caller, id).await;
        }
        // A key that may not read the job does not start what it cannot follow.
        self.job(id).await?;
        let start = find_action(Noun::Job, "start").context("no such action")?;
        self.act(start, &id.to_string(), None, Options::default()).await?;
        Ok(Work::Elsewhere { job: id })
    }

    async fn interrupt(&self, id: i64) -> anyhow::Result<()> {
        let cancel = find_action(Noun::Job, "cancel").context("no such action")?;
        self.act(cancel, &id.to_string(), Some("interrupted"), Options::default()).await?;
        anyhow::bail!("interrupted: job {id} is cancelled")
    }

    /// Whether the job succeeded.
    async fn verdict(&self, id: i64) -> anyhow::Result<()> {
        let job = self.job(id).await?.job;
        match (&job.failure, &job.cancelled_by) {
            (Some(failure), _) => anyhow::bail!("job {id} failed: {}", output::line(failure)),
            (None, Some(who)) => anyhow::bail!("job {id} was cancelled by {}", output::line(who)),
            (None, None) if !job.has_ended() => {
                anyhow::bail!("another process is running job {id}")
            }
            (None, None) => Ok(()),
        }
    }
}

/// A started job.
enum Work {
    /// This process runs it.
    Here {
        /// Boxed, because it is much larger than the other variant.
        worker: Box<Worker>,
        /// The number of items processed.
        count: u64,
    },
    /// A gateway runs it.
    Elsewhere { job: i64 },
}

impl Work {
    async fn here(admin: &Admin, caller: &Caller, id: i64) -> anyhow::Result<Self> {
        let worker = Box::new(admin.jobs.start_here(caller, id).await?);
        Ok(Self::Here { worker, count: 0 })
    }

    /// Does or follows a part of the work; returns how long to wait for the next, or `None` at the
    /// end.
    async fn step(
        &mut self,
        backend: &Backend,
        progress: &mut impl FnMut(u64),
    ) -> anyhow::Result<Option<Duration>> {
        match self {
            Self::Here { worker, count } => Ok(match worker.step().await? {
                Step::Did { batch, .. } => {
                    let processed = batch.resolved.len() + batch.refused.len();
                    *count += u64::try_from(processed).unwrap_or_default();
                    progress(*count);
                    Some(Duration::ZERO)
                }
                Step::Paced(until) => Some(until_then(until)),
                Step::Ended | Step::Idle => None,
            }),
            Self::Elsewhere { job } => {
                let job = backend.job(*job).await?.job;
                progress(job.resolved + job.skipped);
                Ok(if job.has_ended() { None } else { Some(POLL) })
            }
        }
    }
}

fn until_then(until: OffsetDateTime) -> Duration {
    (until - SystemClock.now()).try_into().unwrap_or_default()
}
