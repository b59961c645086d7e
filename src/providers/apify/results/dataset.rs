//! Fetches a run's dataset from Apify: in pages, with limits on items and bytes.
//!
//! `GET {base}/v2/datasets/{id}/items?clean=true&format=json&limit=…&offset=…`, with the token as a
//! bearer. A page may have fewer items than requested although more follow, since `clean` omits
//! empty ones; and the header with the total may lag behind. So a page is the last one if it is
//! short *and* the header indicates no more.

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use serde_json::value::RawValue;
use time::OffsetDateTime;
use url::Url;

use crate::dispatch::Failure;
use crate::outbound::{Answer, Call, Outbound, OutboundError};
use crate::store::DeathReason;
use crate::verify::Secret;

/// Items requested per page.
const PAGE: u64 = 500;
/// The maximum size of a page, in bytes. If it is exceeded, fewer items are requested.
const PAGE_BYTES: usize = 8 * 1024 * 1024;
/// The maximum size of a dataset, in bytes.
const MAX_BYTES: usize = 64 * 1024 * 1024;
/// The timeout of one page.
const DEADLINE: Duration = Duration::from_secs(10);

/// The client for Apify's datasets.
#[derive(Debug)]
pub(crate) struct Datasets {
    pub(crate) outbound: Outbound,
    pub(crate) base: Url,
    pub(crate) token: Secret,
    /// The maximum number of items per dataset.
    pub(crate) max_items: u64,
}

/// The text of an item, or `None` if it exceeds the page size.
pub(crate) type Item<'i> = Option<&'i str>;

impl Datasets {
    /// Fetches the items up to the limits and passes each to `take`; returns whether more exist. At
    /// most one page is in memory.
    ///
    /// # Errors
    /// A [`Failure`]: transient if Apify is unreachable, busy or rate limiting, otherwise
    /// permanent. Items passed before the error must be discarded.
    pub(crate) async fn each(
        &self,
        dataset: &str,
        now: OffsetDateTime,
        mut take: impl FnMut(Item<'_>) + Send,
    ) -> Result<bool, Failure> {
        let (mut offset, mut limit, mut bytes, mut taken) = (0, PAGE, 0, 0);
        loop {
            // One extra item is requested, to know whether more exist.
            limit = limit.min(self.max_items + 1 - taken);
            let answer = match self.page(dataset, offset, limit).await {
                Ok(answer) => Some(answer),
                Err(OutboundError::AnswerTooLarge { status: 200, .. }) if limit > 1 => {
                    limit /= 2;
                    continue;
                }
                Err(OutboundError::AnswerTooLarge { status: 200, .. }) => None,
                Err(error @ (OutboundError::Header(_) | OutboundError::Refused { .. })) => {
                    return Err(Failure::permanent(DeathReason::Permanent, error));
                }
                Err(error) => return Err(Failure::transient(error)),
            };
            let items = match &answer {
                Some(answer) => {
                    read(answer, now)?.into_iter().map(|item| Some(item.get())).collect()
                }
                None => vec![None],
            };
            let short = (items.len() as u64) < limit;
            for item in items {
                if taken == self.max_items {
                    return Ok(true);
                }
                take(item);
                taken += 1;
            }
            offset += limit;
            let Some(answer) = answer else {
                limit = PAGE;
                continue;
            };
            let known = answer.header("x-apify-pagination-total");
            let known: u64 = known.and_then(|total| total.parse().ok()).unwrap_or(0);
            if short && known <= offset {
                return Ok(false);
            }
            bytes += answer.body.len();
            if bytes >= MAX_BYTES {
                return Ok(true);
            }
        }
    }

    async fn page(&self, dataset: &str, offset: u64, limit: u64) -> Result<Answer, OutboundError> {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(["v2", "datasets", dataset, "items"]);
        }
        url.query_pairs_mut()
            .append_pair("clean", "true")
            .append_pair("format", "json")
            .append_pair("limit", &limit.to_string())
            .append_pair("offset", &offset.to_string());
        let token = String::from_utf8_lossy(self.token.expose());
        self.outbound
            .send(Call {
                method: "GET",
                url,
                headers: vec![
                    ("authorization".to_owned(), format!("Bearer {token}")),
                    ("accept".to_owned(), "application/json".to_owned()),
                ],
                body: Bytes::new(),
                deadline: DEADLINE,
                max_answer: PAGE_BYTES,
            })
            .await
    }
}

fn read(answer: &Answer, now: OffsetDateTime) -> Result<Vec<&RawValue>, Failure> {
    match answer.status {
        200 => serde_json::from_slice(&answer.body).map_err(|error| {
            // A proxy in between may respond with a page of its own.
            transient(answer, now, format!("the dataset is not a list of items: {error}"))
        }),
        408 | 425 | 429 | 500.. => Err(transient(answer, now, refused(answer))),
        _ => Err(Failure::permanent(DeathReason::Permanent, refused(answer))),
    }
}

fn refused(answer: &Answer) -> String {
    let hint = match answer.status {
        401 | 403 => ": check that the source's `token` belongs to the account that runs the actor",
        404 => ": the dataset does not exist, or no longer exists",
        _ => "",
    };
    format!("Apify responded {} to the dataset request{hint}", answer.status)
}

fn transient(
    answer: &Answer,
    now: OffsetDateTime,
    error: impl Into<Box<dyn Error + Send + Sync>>,
) -> Failure {
    Failure::Transient { retry_after: answer.retry_after(now), error: error.into() }
}
