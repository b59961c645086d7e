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
use serde_json::Number;
use utoipa::ToSchema;

use super::query::CENTURY;
use crate::admin::{self, AdminError};
use crate::verify::parse;
use crate::web::denial::Denial;

/// The largest body, in bytes.
pub(super) const LIMIT: usize = 256 * 1024;
/// The largest body of a call that contains a payload, in bytes.
pub(super) const LARGEST: usize = 2 * 1024 * 1024;
/// The timeout for the body.
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

/// The reason of a change, for the audit log: 1 to 500 characters, not blank, no control
/// characters.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(try_from = "String")]
#[schema(value_type = String, min_length = 1, max_length = 500,
         pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$")]
pub(super) struct Reason(String);

/// An integer in JSON; `7.0` is accepted.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "Number")]
pub(super) struct Whole(i64);

/// A numeric id, from 1.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(try_from = "Whole")]
#[schema(minimum = 1, maximum = 9_223_372_036_854_775_807_u64)]
pub(super) struct Id(i64);

/// A count, at least 1.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(try_from = "Whole")]
#[schema(minimum = 1, maximum = 4_294_967_295_u64)]
pub(super) struct Count(u32);

/// An age in whole seconds, at most a hundred years.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(try_from = "Whole")]
#[schema(minimum = 0, maximum = 3_155_760_000_u64)]
pub(super) struct Age(u64);

/// The reason of a change.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReasonBody {
    reason: Reason,
}

impl Reason {
    /// The text as given.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Id {
    /// The number.
    pub(super) fn get(self) -> i64 {
        self.0
    }
}

impl Whole {
    /// The number.
    pub(super) fn get(self) -> i64 {
        self.0
    }
}

impl TryFrom<Number> for Whole {
    type Error = &'static str;

    fn try_from(number: Number) -> Result<Self, Self::Error> {
        let written_out = || {
            let number = number.as_f64().filter(|number| number.fract() == 0.0)?;
            format!("{number:.0}").parse().ok()
        };
        number.as_i64().or_else(written_out).map(Self).ok_or("expected an integer")
    }
}

impl TryFrom<Whole> for Id {
    type Error = &'static str;

    fn try_from(Whole(id): Whole) -> Result<Self, Self::Error> {
        if id >= 1 { Ok(Self(id)) } else { Err("invalid id: expected a number from 1") }
    }
}

impl Count {
    /// The number.
    pub(super) fn get(self) -> u32 {
        self.0
    }
}

impl TryFrom<Whole> for Count {
    type Error = &'static str;

    fn try_from(Whole(count): Whole) -> Result<Self, Self::Error> {
        let count = u32::try_from(count).ok().filter(|count| *count >= 1);
        count.map(Self).ok_or("expected a number from 1 to 4294967295")
    }
}

impl Age {
    /// The seconds.
    pub(super) fn seconds(self) -> u64 {
        self.0
    }
}

impl TryFrom<Whole> for Age {
    type Error = &'static str;

    fn try_from(Whole(seconds): Whole) -> Result<Self, Self::Error> {
        let seconds = u64::try_from(seconds).ok().filter(|seconds| *seconds <= CENTURY);
        seconds.map(Self).ok_or("invalid age: expected a number of seconds from 0 to 3155760000")
    }
}

impl ReasonBody {
    /// The reason.
    pub(super) fn reason(&self) -> &str {
        self.reason.as_str()
    }
}

impl TryFrom<String> for Reason {
    type Error = AdminError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        admin::Reason::new(&text)?;
        Ok(Self(text))
    }
}

/// Whether the content type of the request is JSON.
fn is_json(request: &HttpRequest) -> bool {
    let mut types = request.headers().get_all(header::CONTENT_TYPE);
    let (Some(value), None) = (types.next(), types.next()) else { return false };
    let essence = value.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default();
    essence.trim_ascii().eq_ignore_ascii_case(b"application/json")
}

/// Reads the body as received.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_may_have_a_zero_fraction() {
        for (text, whole) in [
            ("7", Some(7)),
            ("7.0", Some(7)),
            ("-0.0", Some(0)),
            ("1e3", Some(1000)),
            ("9223372036854775807", Some(i64::MAX)),
            ("9223372036854775808", None),
            ("1e300", None),
            ("7.5", None),
            ("\"7\"", None),
        ] {
            assert_eq!(serde_json::from_str(text).ok().map(Whole::get), whole, "{text}");
        }
    }
}
