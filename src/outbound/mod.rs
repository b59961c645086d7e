//! Requests that the gateway sends: to the providers' own interfaces, to the applications, to the
//! users who want to be told. One client for all of them, and one guard over where they may go:
//! only public addresses over https, unless a network is listed.

mod address;
mod guard;
mod reach;
mod retry_after;

use std::error::Error;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use ipnet::IpNet;
use reqwest::header::{HeaderName, HeaderValue};
use reqwest::redirect;
use time::OffsetDateTime;
use tokio::time::Instant;
use url::Url;

pub use guard::Refusal;
use guard::{Guard, Lookup, Need, Vetted};

/// Headers that belong to the connection or are made from the request itself.
const RESERVED: &[&str] = &[
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// How long a connection is kept without a request on it. Many servers close theirs after five
/// seconds; a request that is on its way just then is lost.
const KEPT_IDLE: Duration = Duration::from_secs(4);

/// The client. Cheap to clone; every clone shares its connections.
#[derive(Debug, Clone)]
pub struct Outbound {
    guard: Guard,
    /// For https on a usual port: its addresses are public or listed.
    public: Clients,
    /// For everything else: its addresses are listed.
    listed: Clients,
}

#[derive(Debug, Clone)]
struct Clients {
    /// Keeps its connections.
    keeping: reqwest::Client,
    /// Opens a connection for each request.
    fresh: reqwest::Client,
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
    #[error("cannot create the HTTP client")]
    Client(#[source] reqwest::Error),
    /// It may not go there. Nothing was sent.
    #[error("request to {host} blocked")]
    Refused {
        /// The host and port.
        host: String,
        /// Why not.
        #[source]
        refusal: Refusal,
    },
    /// A header cannot be sent: it holds bytes that may not be, or belongs to the connection.
    #[error("invalid header `{0}`")]
    Header(String),
    /// The request was not sent, or not answered.
    #[error("no response from {host}")]
    NoAnswer {
        /// The host and port.
        host: String,
        /// The cause.
        #[source]
        error: reqwest::Error,
    },
    /// No connection could be made.
    #[error("cannot reach {host}")]
    Unreachable {
        /// The host and port.
        host: String,
        /// The cause.
        #[source]
        error: std::io::Error,
    },
    /// The answer is larger than what is read.
    #[error("the response from {host} is larger than {limit} bytes")]
    AnswerTooLarge {
        /// The host and port.
        host: String,
        /// The limit, in bytes.
        limit: usize,
        /// The answer's status.
        status: u16,
    },
}

impl Outbound {
    /// Makes the client.
    ///
    /// # Errors
    /// [`OutboundError::Client`].
    pub fn new(policy: &Policy) -> Result<Self, OutboundError> {
        Self::with_lookup(policy, &guard::system())
    }

    fn with_lookup(policy: &Policy, lookup: &Lookup) -> Result<Self, OutboundError> {
        let guard = Guard::new(&policy.allow);
        let client = |need, idle: usize| {
            let vetted = Vetted { guard: guard.clone(), need, lookup: Lookup::clone(lookup) };
            crate::tls::client()
                .user_agent(concat!("sealpost/", env!("CARGO_PKG_VERSION")))
                .redirect(redirect::Policy::none())
                .no_proxy()
                .no_gzip()
                .no_brotli()
                .no_deflate()
                .no_zstd()
                .http1_only()
                .https_only(need == Need::Public)
                .pool_idle_timeout(KEPT_IDLE)
                .pool_max_idle_per_host(idle)
                .dns_resolver(vetted)
                .build()
                .map_err(OutboundError::Client)
        };
        let clients = |need| -> Result<Clients, OutboundError> {
            Ok(Clients { keeping: client(need, usize::MAX)?, fresh: client(need, 0)? })
        };
        Ok(Self { public: clients(Need::Public)?, listed: clients(Need::Listed)?, guard })
    }

    /// Judges what can be told from the URL alone, for configurations: scheme, port, and the
    /// address where one is written. What a name resolves to is judged when it is connected to.
    ///
    /// # Errors
    /// [`OutboundError::Refused`].
    pub fn check(&self, url: &Url) -> Result<(), OutboundError> {
        self.clients(url).map(|_| ())
    }

    /// Judges a header, for configurations.
    ///
    /// # Errors
    /// [`OutboundError::Header`].
    pub fn check_header(name: &str, value: &str) -> Result<(), OutboundError> {
        header(name, value).map(|_| ())
    }

    /// Sends a request and reads the answer.
    ///
    /// # Errors
    /// [`OutboundError`], where there is no answer; every answer is `Ok`, whatever its status.
    pub async fn send(&self, call: Call) -> Result<Answer, OutboundError> {
        if call.method == "GET" {
            return self.send_repeatable(call).await;
        }
        Self::send_by(&self.clients(&call.url)?.keeping, call).await
    }

    /// As [`Outbound::send`], for a request that does no harm when it arrives twice. Where its
    /// connection ends before the answer has begun, it is sent once more at once, on a connection
    /// of its own: a server may close one that is kept at any time between two requests, and that
    /// is no failure.
    ///
    /// # Errors
    /// As [`Outbound::send`].
    pub async fn send_repeatable(&self, call: Call) -> Result<Answer, OutboundError> {
        let clients = self.clients(&call.url)?;
        let began = Instant::now();
        match Self::send_by(&clients.keeping, call.clone()).await {
            Err(OutboundError::NoAnswer { error, .. }) if is_cut_off(&error) => {
                let deadline = call.deadline.saturating_sub(began.elapsed());
                Self::send_by(&clients.fresh, Call { deadline, ..call }).await
            }
            result => result,
        }
    }

    async fn send_by(client: &reqwest::Client, call: Call) -> Result<Answer, OutboundError> {
        let host = host(&call.url);
        let method = reqwest::Method::from_bytes(call.method.as_bytes())
            .map_err(|_| OutboundError::Header(":method".to_owned()))?;
        let mut request = client.request(method, call.url).timeout(call.deadline).body(call.body);
        for (name, value) in call.headers {
            let (name, value) = header(&name, &value)?;
            request = request.header(name, value);
        }
        let no_answer = |error: reqwest::Error| match refusal(&error) {
            Some(refusal) => OutboundError::Refused { host: host.clone(), refusal },
            None => OutboundError::NoAnswer { host: host.clone(), error: error.without_url() },
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
                let limit = call.max_answer;
                return Err(OutboundError::AnswerTooLarge { host, limit, status });
            }
            body.extend_from_slice(&piece);
        }
        Ok(Answer { status, headers, body: body.freeze() })
    }

    fn clients(&self, url: &Url) -> Result<&Clients, OutboundError> {
        match self.guard.check(url) {
            Ok(Need::Public) => Ok(&self.public),
            Ok(Need::Listed) => Ok(&self.listed),
            Err(refusal) => Err(OutboundError::Refused { host: host(url), refusal }),
        }
    }
}

impl Answer {
    /// The first header of this lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// How long the answer asks to wait before the next request: `Retry-After` in seconds or as an
    /// HTTP date, at most 24 hours. `None` where it does not say.
    pub fn retry_after(&self, now: OffsetDateTime) -> Option<Duration> {
        retry_after::parse(self.header("retry-after")?, now)
    }
}

fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), OutboundError> {
    match (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value)) {
        (Ok(known), Ok(value)) if !RESERVED.contains(&known.as_str()) => Ok((known, value)),
        _ => Err(OutboundError::Header(name.to_owned())),
    }
}

/// Whether a connection that was there ended before the answer had begun.
fn is_cut_off(error: &reqwest::Error) -> bool {
    error.is_request() && !error.is_connect() && !error.is_timeout()
}

/// The judge's word, where it was the cause.
fn refusal(error: &reqwest::Error) -> Option<Refusal> {
    let mut cause: Option<&(dyn Error + 'static)> = error.source();
    while let Some(error) = cause {
        if let Some(refusal) = error.downcast_ref::<Refusal>() {
            return Some(refusal.clone());
        }
        cause = error.source();
    }
    None
}

fn host(url: &Url) -> String {
    let port = url.port_or_known_default().unwrap_or_default();
    format!("{}:{port}", url.host_str().unwrap_or_default())
}

#[cfg(test)]
mod tests;
