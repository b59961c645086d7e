//! Reads JSON request bodies, bounded in size and time; unknown fields are rejected.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use actix_web::http::header;
use actix_web::{FromRequest, HttpRequest, dev, web};
use bytes::BytesMut;
use futures_util::StreamExt;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::ToSchema;

pub(super) use crate::admin::{Reason, Whole};
use crate::verify::parse;
use crate::web::denial::Denial;

pub(super) const LIMIT: usize = 256 * 1024;
/// The largest body of a call that contains a payload, in bytes.
pub(super) const LARGEST: usize = 2 * 1024 * 1024;
const DEADLINE: Duration = Duration::from_secs(5);

/// A JSON body of at most `MAX` bytes, as `T`.
pub(super) struct Body<T, const MAX: usize = LIMIT>(pub(super) T);

impl<T: DeserializeOwned + 'static, const MAX: usize> FromRequest for Body<T, MAX> {
    type Error = Denial;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Denial>>>>;

    fn from_request(request: &HttpRequest, payload: &mut dev::Payload) -> Self::Future {
        let request = request.clone();
        let payload = web::Payload::from_request(&request, payload);
        Box::pin(async move {
            let payload = payload.await.map_err(|_| Denial::Internal)?;
            if !is_json(&request) {
                return Err(Denial::NotJson);
            }
            let body = read(&request, payload, MAX).await?;
            parse(&body).map(Self).map_err(|(_, error)| Denial::Invalid(error))
        })
    }
}

/// The reason of a change.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReasonBody {
    reason: Reason,
}

impl ReasonBody {
    pub(super) fn reason(&self) -> &Reason {
        &self.reason
    }
}

fn is_json(request: &HttpRequest) -> bool {
    let mut types = request.headers().get_all(header::CONTENT_TYPE);
    let (Some(value), None) = (types.next(), types.next()) else { return false };
    let essence = value.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default();
    essence.trim_ascii().eq_ignore_ascii_case(b"application/json")
}

pub(super) async fn read(
    request: &HttpRequest,
    mut payload: web::Payload,
    limit: usize,
) -> Result<BytesMut, Denial> {
    let mut encodings = request.headers().get_all(header::CONTENT_ENCODING);
    if encodings.any(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(Denial::Encoded);
    }
    let reading = async {
        let mut body = BytesMut::new();
        while let Some(piece) = payload.next().await {
            let piece = piece?;
            if body.len() + piece.len() > limit {
                return Err(Denial::TooLarge { limit });
            }
            body.extend_from_slice(&piece);
        }
        Ok(body)
    };
    tokio::time::timeout(DEADLINE, reading).await.unwrap_or(Err(Denial::BodyTimeout))
}
