//! Reads forms before they are handled, bounded in size and time.

use std::time::Duration;

use actix_http::BoxedPayloadStream;
use actix_web::HttpMessage;
use actix_web::dev::{Payload, ServiceRequest};
use actix_web::http::header;
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream};

use super::denial::Denial;

/// The maximum size of an unauthenticated form, in bytes.
const OPEN: usize = 8 * 1024;
/// The maximum size of an ordinary form, in bytes.
const ORDINARY: usize = 64 * 1024;
/// The maximum size of a form with a payload, in bytes, including overhead.
pub(super) const LARGEST: usize = 4 * 1024 * 1024;
const DEADLINE: Duration = Duration::from_secs(10);

/// The size limit of a path; `open` for unauthenticated paths.
pub(super) fn limit(path: &str, open: bool) -> usize {
    if open {
        return OPEN;
    }
    let edit = path.strip_prefix("/deliveries/").and_then(|rest| rest.split('/').nth(1));
    if edit == Some("edit") || path == "/explain" { LARGEST } else { ORDINARY }
}

/// Reads the body of a request and puts it back for the handler.
pub(super) async fn take(request: &mut ServiceRequest, limit: usize) -> Result<Bytes, Denial> {
    let declared = request.headers().get(header::CONTENT_LENGTH);
    let declared = declared.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if declared.is_some_and(|declared| declared > limit) {
        return Err(Denial::TooLarge { limit });
    }
    let form = tokio::time::timeout(DEADLINE, read(request.take_payload(), limit));
    let form = form.await.unwrap_or(Err(Denial::BodyTimeout))?;
    let whole: BoxedPayloadStream = Box::pin(stream::iter([Ok(form.clone())]));
    request.set_payload(Payload::from(whole));
    Ok(form)
}

async fn read(mut payload: Payload, limit: usize) -> Result<Bytes, Denial> {
    let mut form = BytesMut::new();
    while let Some(piece) = payload.next().await {
        let piece = piece?;
        if form.len() + piece.len() > limit {
            return Err(Denial::TooLarge { limit });
        }
        form.extend_from_slice(&piece);
    }
    Ok(form.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_forms_with_a_payload_may_be_large() {
        for (path, open, most) in [
            ("/sign-in", true, OPEN),
            ("/deliveries/7/edit", true, OPEN),
            ("/deliveries/7/edit", false, LARGEST),
            ("/deliveries/7/edit/check", false, LARGEST),
            ("/explain", false, LARGEST),
            ("/deliveries/7/replay", false, ORDINARY),
            ("/deliveries/edit", false, ORDINARY),
            ("/keys", false, ORDINARY),
        ] {
            assert_eq!(limit(path, open), most, "{path} {open}");
        }
    }
}
