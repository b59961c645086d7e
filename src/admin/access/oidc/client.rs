//! Requests to the issuer: through the one client that all requests of the gateway go through.

use std::error::Error;
use std::pin::Pin;
use std::time::Duration;

use openidconnect::http::{self, Method};
use openidconnect::{HttpRequest, HttpResponse};
use url::Url;

use crate::outbound::{Call, Outbound, OutboundError};

/// How long an answer may take.
const DEADLINE: Duration = Duration::from_secs(5);
/// The largest answer, in bytes.
const LARGEST: usize = 256 * 1024;
/// The longest account of an error, in characters.
const LONGEST: usize = 500;

/// The way there.
pub(super) struct Wire {
    outbound: Outbound,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum WireError {
    /// It is not a request that we send.
    #[error("invalid request")]
    Request,
    /// It was not sent, or not answered.
    #[error(transparent)]
    Outbound(#[from] OutboundError),
    /// The answer is none.
    #[error("invalid response")]
    Answer(#[from] http::Error),
}

impl Wire {
    pub(super) fn new(outbound: Outbound) -> Self {
        Self { outbound }
    }

    /// As the protocol's library wants it.
    pub(super) fn http<'w>(&'w self) -> impl Fn(HttpRequest) -> Sent<'w> {
        |request| Box::pin(self.send(request))
    }

    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, WireError> {
        let method = match *request.method() {
            Method::GET => "GET",
            Method::POST => "POST",
            _ => return Err(WireError::Request),
        };
        let url = Url::parse(&request.uri().to_string()).map_err(|_| WireError::Request)?;
        let mut headers = Vec::new();
        for (name, value) in request.headers() {
            let value = value.to_str().map_err(|_| WireError::Request)?;
            headers.push((name.as_str().to_owned(), value.to_owned()));
        }
        let body = request.into_body().into();
        let call = Call { method, url, headers, body, deadline: DEADLINE, max_answer: LARGEST };
        let answer = self.outbound.send(call).await?;
        let mut response = http::Response::builder().status(answer.status);
        for (name, value) in answer.headers {
            response = response.header(name, value);
        }
        Ok(response.body(answer.body.into())?)
    }
}

/// An answer that is on its way.
pub(super) type Sent<'w> =
    Pin<Box<dyn Future<Output = Result<HttpResponse, WireError>> + Send + 'w>>;

/// An error and all its causes, in a line that is not too long.
pub(super) fn whole(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    short(&text)
}

/// The beginning of untrusted text, as it may stand in a line of the log.
pub(super) fn short(text: &str) -> String {
    text.chars().take(LONGEST).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_strangers_write_is_one_short_line() {
        assert_eq!(short("a\r\nb\u{1b}[31m"), "a  b [31m");
        assert_eq!(short(&"x".repeat(LONGEST + 1)).len(), LONGEST);
    }
}
