//! Reading the body of a call: bounded in bytes and time.

use std::time::Duration;

use actix_web::http::header;
use actix_web::{HttpRequest, web};
use bytes::BytesMut;
use futures_util::StreamExt;

use super::Stop;
use crate::http::problem::Problem;

/// The largest body, in bytes.
const LIMIT: usize = 256 * 1024;
/// How long it may take to arrive.
const DEADLINE: Duration = Duration::from_secs(5);

/// Reads the body, as it is on the wire.
pub(super) async fn read(
    request: &HttpRequest,
    mut payload: web::Payload,
) -> Result<BytesMut, Stop> {
    let mut encodings = request.headers().get_all(header::CONTENT_ENCODING);
    if encodings.any(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(Problem::Encoded.into());
    }
    let reading = async {
        let mut body = BytesMut::new();
        while let Some(piece) = payload.next().await {
            let piece = piece.map_err(|_| Problem::BodyBroken)?;
            if body.len() + piece.len() > LIMIT {
                return Err(Problem::TooLarge { limit: LIMIT }.into());
            }
            body.extend_from_slice(&piece);
        }
        Ok(body)
    };
    tokio::time::timeout(DEADLINE, reading).await.unwrap_or(Err(Problem::BodyTimeout.into()))
}
