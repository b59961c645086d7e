//! Rejected requests, and the diagnosis of a recorded one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use super::Backend;
use crate::admin::cursor::{self, REJECTED_REQUESTS};
use crate::admin::{self, Explanation, RecordedRequest, RejectedRequest, RejectedRequestDetail};
use crate::app;
use crate::cli::globals::GlobalArgs;
use crate::cli::remote::{ApiError, Query};
use crate::cli::{block_on, caller};
use crate::clock::{Clock, SystemClock};
use crate::verify::Secret;

impl Backend {
    pub(in crate::cli) async fn rejected_requests(
        &self,
        source: Option<&str>,
        before: Option<Uuid>,
        limit: u32,
    ) -> anyhow::Result<Vec<RejectedRequest>> {
        Ok(match self {
            Self::Database { admin, caller } => {
                admin.rejected_requests.list(caller, source, before, limit).await?
            }
            Self::Api(api) => {
                let query = Query::default().with("source", source);
                let before = before.map(|before| cursor::after(REJECTED_REQUESTS, &before));
                api.list(&["rejected-requests"], &query, before, limit).await?.items
            }
        })
    }

    pub(in crate::cli) async fn rejected_request(
        &self,
        id: Uuid,
    ) -> anyhow::Result<RejectedRequestDetail> {
        Ok(match self {
            Self::Database { admin, caller } => admin.rejected_requests.show(caller, id).await?,
            Self::Api(api) => {
                api.get(&["rejected-requests", &id.to_string()], &Query::default()).await?
            }
        })
    }

    pub(in crate::cli) async fn explain_rejected(&self, id: Uuid) -> anyhow::Result<Explanation> {
        Ok(match self {
            Self::Database { admin, caller } => admin.rejected_requests.explain(caller, id).await?,
            Self::Api(api) => {
                let (id, query) = (id.to_string(), Query::default());
                api.get(&["rejected-requests", &id, "explanation"], &query).await?
            }
        })
    }
}

/// Why a source rejects a recorded request. `offered` secrets are tried too. Without an API, it needs
/// the configuration and no database.
pub(in crate::cli) fn explain(
    globals: &GlobalArgs,
    source: &str,
    request: &RecordedRequest,
    offered: &[Secret],
) -> anyhow::Result<Explanation> {
    match globals.api()? {
        None => {
            let verifiers = app::verifiers(&globals.load()?)?;
            let (caller, now) = (caller(None)?, SystemClock.now());
            Ok(admin::explain(&caller, &verifiers, source, request, now, offered)?)
        }
        Some(_) if !offered.is_empty() => {
            let why = "--secret works on this machine only: a secret is not sent to a gateway";
            Err(ApiError::usage(why).into())
        }
        Some(api) => {
            let request = recorded(source, request)?;
            block_on(async { Ok(api.post(&["explanations"], Some(&request)).await?) })
        }
    }
}

/// The request for the API.
fn recorded(source: &str, request: &RecordedRequest) -> Result<Value, ApiError> {
    let headers = request.headers.iter().map(|(name, value)| match std::str::from_utf8(value) {
        Ok(value) => Ok(json!({ "name": name, "value": value })),
        Err(_) => Err(ApiError::Usage(format!("the header `{name}` is not UTF-8 text"))),
    });
    Ok(json!({
        "source": source,
        "path": request.path,
        "query": request.query,
        "headers": headers.collect::<Result<Vec<Value>, ApiError>>()?,
        "body": { "base64": STANDARD.encode(&request.body) },
        "received_at": request.received_at.and_then(|at| at.format(&Rfc3339).ok()),
    }))
}
