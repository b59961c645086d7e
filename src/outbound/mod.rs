//! Requests that the gateway sends: to the providers' own interfaces, to the applications, to the
//! people who want to be told. One client for all of them.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use ipnet::IpNet;
use url::Url;

/// The client. Cheap to clone; every clone shares its connections.
#[derive(Debug, Clone)]
pub struct Outbound {
    client: reqwest::Client,
}

/// Where requests may go.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// Networks that may be reached although they are not public.
    pub allow: Vec<IpNet>,
}

/// One request.
#[derive(Debug, Clone)]
pub struct Call {
    /// The method, in upper case.
    pub method: &'static str,
    /// To where.
    pub url: Url,
    /// The headers, in order.
    pub headers: Vec<(String, String)>,
    /// The exact body.
    pub body: Bytes,
    /// The longest time for all of it: resolving, connecting, sending, and the answer's last byte.
    pub deadline: Duration,
    /// The largest answer that is read, in bytes.
    pub max_answer: usize,
}

/// What came back, whatever its status.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers, by lower-case name.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum OutboundError {
    /// The client cannot be made.
    #[error("the HTTP client cannot be made")]
    Client(#[source] reqwest::Error),
    /// A header cannot be sent.
    #[error("the header `{0}` cannot be sent")]
    Header(String),
    /// The request was not sent, or not answered.
    #[error("no answer from {host}")]
    NoAnswer {
        /// The host and port.
        host: String,
        /// The cause.
        #[source]
        error: reqwest::Error,
    },
    /// The answer is larger than what is read.
    #[error("the answer of {host} is larger than {limit} bytes")]
    AnswerTooLarge {
        /// The host and port.
        host: String,
        /// The limit, in bytes.
        limit: usize,
    },
}

impl Outbound {
    /// Makes the client.
    ///
    /// # Errors
    /// [`OutboundError::Client`].
    pub fn new(_policy: &Policy) -> Result<Self, OutboundError> {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(OutboundError::Client)?;
        Ok(Self { client })
    }

    /// Sends a request and reads the answer.
    ///
    /// # Errors
    /// [`OutboundError`], where there is no answer; every answer is `Ok`, whatever its status.
    pub async fn send(&self, call: Call) -> Result<Answer, OutboundError> {
        let host = host(&call.url);
        let method = reqwest::Method::from_bytes(call.method.as_bytes())
            .map_err(|_| OutboundError::Header(":method".to_owned()))?;
        let mut request =
            self.client.request(method, call.url).timeout(call.deadline).body(call.body);
        for (name, value) in call.headers {
            let header = reqwest::header::HeaderName::from_bytes(name.as_bytes());
            let value = reqwest::header::HeaderValue::from_str(&value);
            let (Ok(header), Ok(value)) = (header, value) else {
                return Err(OutboundError::Header(name));
            };
            request = request.header(header, value);
        }
        let no_answer = |error: reqwest::Error| OutboundError::NoAnswer {
            host: host.clone(),
            error: error.without_url(),
        };
        let mut response = request.send().await.map_err(no_answer)?;
        let status = response.status().as_u16();
        let headers = response.headers().iter();
        let headers = headers
            .map(|(name, value)| {
                (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
            })
            .collect();
        let mut body = BytesMut::new();
        while let Some(piece) = response.chunk().await.map_err(no_answer)? {
            if body.len() + piece.len() > call.max_answer {
                return Err(OutboundError::AnswerTooLarge { host, limit: call.max_answer });
            }
            body.extend_from_slice(&piece);
        }
        Ok(Answer { status, headers, body: body.freeze() })
    }
}

impl Answer {
    /// The first header of this lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

fn host(url: &Url) -> String {
    let port = url.port_or_known_default().unwrap_or_default();
    format!("{}:{port}", url.host_str().unwrap_or_default())
}
