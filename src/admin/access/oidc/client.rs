//! Requests to the issuer, sent by the gateway's outbound client.

use std::error::Error;
use std::pin::Pin;
use std::time::Duration;

use openidconnect::http::{self, Method};
use openidconnect::{HttpRequest, HttpResponse};
use url::Url;

use crate::outbound::{Call, Outbound, OutboundError};

const TIMEOUT: Duration = Duration::from_secs(5);
/// The maximum size of a response, in bytes.
const MAX_BYTES: usize = 256 * 1024;
/// The maximum length of an error text, in characters.
const MAX_TEXT: usize = 500;

pub(super) struct HttpClient {
    outbound: Outbound,
}

/// Why there is no valid response.
#[derive(Debug, thiserror::Error)]
pub(super) enum HttpError {
    /// The request is malformed.
    #[error("invalid request")]
    Request,
    /// The request failed.
    #[error(transparent)]
    Outbound(#[from] OutboundError),
    /// The response is malformed.
    #[error("invalid response")]
    Answer(#[from] http::Error),
}

impl HttpClient {
    pub(super) fn new(outbound: Outbound) -> Self {
        Self { outbound }
    }

    /// The client as the `openidconnect` library expects it.
    pub(super) fn http<'w>(&'w self) -> impl Fn(HttpRequest) -> Sent<'w> {
        |request| Box::pin(self.send(request))
    }

    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let method = match *request.method() {
            Method::GET => "GET",
            Method::POST => "POST",
            _ => return Err(HttpError::Request),
        };
        let url = Url::parse(&request.uri().to_string()).map_err(|_| HttpError::Request)?;
        let mut headers = Vec::new();
        for (name, value) in request.headers() {
            let value = value.to_str().map_err(|_| HttpError::Request)?;
            headers.push((name.as_str().to_owned(), value.to_owned()));
        }
        let body = request.into_body().into();
        let call = Call { method, url, headers, body, deadline: TIMEOUT, max_answer: MAX_BYTES };
        let answer = self.outbound.send(call).await?;
        let mut response = http::Response::builder().status(answer.status);
        for (name, value) in answer.headers {
            response = response.header(name, value);
        }
        Ok(response.body(answer.body.into())?)
    }
}

pub(super) type Sent<'w> =
    Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'w>>;

/// An error and its causes as one bounded line.
pub(super) fn one_line(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    short(&text)
}

/// The beginning of untrusted text, made safe for the log.
pub(super) fn short(text: &str) -> String {
    text.chars().take(MAX_TEXT).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn untrusted_text_becomes_one_short_line() {
        assert_eq!(short("a\r\nb\u{1b}[31m"), "a  b [31m");
        assert_eq!(short(&"x".repeat(MAX_TEXT + 1)).len(), MAX_TEXT);
    }
}
