//! Fetching a run's dataset from Apify: in pages, bounded in items and bytes.
//!
//! `GET {base}/v2/datasets/{id}/items?clean=true&format=json&limit=…&offset=…`, with the token as
//! a bearer. A page may hold fewer items than asked for although more follow, since `clean` leaves
//! out empty ones; and the header that says how many there are may lag behind what is there. So a
//! page is the last one when it is short *and* the header knows of no more.

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

/// Items that are asked for at a time.
const PAGE: u64 = 500;
/// The largest page, in bytes. Where it would be larger, fewer items are asked for.
const PAGE_BYTES: usize = 8 * 1024 * 1024;
/// The most bytes of one dataset.
const MAX_BYTES: usize = 64 * 1024 * 1024;
/// The longest time for one page.
const DEADLINE: Duration = Duration::from_secs(10);

/// The way to Apify's datasets.
#[derive(Debug)]
pub(crate) struct Datasets {
    /// The way out.
    pub(crate) outbound: Outbound,
    /// Where Apify is.
    pub(crate) base: Url,
    /// The API token.
    pub(crate) token: Secret,
    /// The most items of one dataset.
    pub(crate) max_items: u64,
}

/// One item: its text, or nothing where it is larger than a page may be.
pub(crate) type Item<'i> = Option<&'i str>;

impl Datasets {
    /// Fetches the items up to the limits and hands over each; gives whether there are more. Of a
    /// dataset no more than one page is held.
    ///
    /// # Errors
    /// A [`Failure`]: transient where Apify is away, busy or asks to wait, otherwise permanent.
    /// What was handed over until then is to be thrown away.
    pub(crate) async fn each(
        &self,
        dataset: &str,
        now: OffsetDateTime,
        mut take: impl FnMut(Item<'_>) + Send,
    ) -> Result<bool, Failure> {
        let (mut offset, mut limit, mut bytes, mut taken) = (0, PAGE, 0, 0);
        loop {
            // One more than is taken is asked for, to know whether there is one.
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

/// The items of a page.
fn read(answer: &Answer, now: OffsetDateTime) -> Result<Vec<&RawValue>, Failure> {
    match answer.status {
        200 => serde_json::from_slice(&answer.body).map_err(|error| {
            // What stands between us and Apify may answer with a page of its own.
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
