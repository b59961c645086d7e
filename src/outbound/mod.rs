//! Outbound HTTP requests: to the APIs of providers, to destinations and to the alert channel. They
//! share one client and one policy: only public addresses over HTTPS, unless a network is listed.

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

/// Headers that belong to the connection or are derived from the request.
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

/// The idle timeout of a connection. Many servers close theirs after five seconds; a request sent
/// at that moment would be lost.
const IDLE_TIMEOUT: Duration = Duration::from_secs(4);

/// The client. Cheap to clone; clones share their connections.
#[derive(Debug, Clone)]
pub struct Outbound {
    guard: Guard,
    /// For HTTPS on a usual port: public or listed addresses.
    public: Clients,
    /// For everything else: listed addresses only.
    listed: Clients,
}

#[derive(Debug, Clone)]
struct Clients {
    /// Reuses connections.
    keeping: reqwest::Client,
    /// Opens a connection for each request.
    fresh: reqwest::Client,
}

#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// Networks that are allowed although they are not public.
    pub allow: Vec<IpNet>,
}

#[derive(Debug, Clone)]
pub struct Call {
    /// In upper case.
    pub method: &'static str,
    pub url: Url,
    pub headers: Vec<(String, String)>,
    /// The body, sent unchanged.
    pub body: Bytes,
    /// The timeout for resolving, connecting, sending and receiving the complete response.
    pub deadline: Duration,
    /// The maximum size of the response, in bytes.
    pub max_answer: usize,
}

/// A response with any status.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    /// With lower-case names.
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
}

/// Why there is no response.
#[derive(Debug, thiserror::Error)]
pub enum OutboundError {
    #[error("cannot create the HTTP client")]
    Client(#[source] reqwest::Error),
    /// The policy rejects it. Nothing was sent.
    #[error("request to {host} blocked")]
    Refused {
        /// The host and port.
        host: String,
        #[source]
        refusal: Refusal,
    },
    /// A header has invalid bytes, or is reserved.
    #[error("invalid header `{0}`")]
    Header(String),
    /// The request failed.
    #[error("no response from {host}")]
    NoAnswer {
        host: String,
        #[source]
        error: reqwest::Error,
    },
    /// The connection failed.
    #[error("cannot reach {host}")]
    Unreachable {
        host: String,
        #[source]
        error: std::io::Error,
    },
    /// The response exceeds the limit.
    #[error("the response from {host} is larger than {limit} bytes")]
    AnswerTooLarge {
        host: String,
        /// The limit, in bytes.
        limit: usize,
        status: u16,
    },
}

impl Outbound {
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
                .pool_idle_timeout(IDLE_TIMEOUT)
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

    /// Checks the scheme, the port and a literal address of a URL, for configurations. The
    /// addresses of a name are checked when connecting.
    pub fn check(&self, url: &Url) -> Result<(), OutboundError> {
        self.clients(url).map(|_| ())
    }

    /// Checks a header, for configurations.
    pub fn check_header(name: &str, value: &str) -> Result<(), OutboundError> {
        header(name, value).map(|_| ())
    }

    /// Sends a request and reads the response; a response with any status is `Ok`.
    pub async fn send(&self, call: Call) -> Result<Answer, OutboundError> {
        if call.method == "GET" {
            return self.send_repeatable(call).await;
        }
        Self::send_by(&self.clients(&call.url)?.keeping, call).await
    }

    /// As [`Outbound::send`], for an idempotent request. If the connection closes before the
    /// response begins, the request is sent again at once, on a new connection: a server may close
    /// an idle connection at any time.
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
    /// The first header with this lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The requested delay before the next request: `Retry-After` in seconds or as an HTTP date, at
    /// most 24 hours.
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

/// Whether a reused connection was closed before the response began.
fn is_cut_off(error: &reqwest::Error) -> bool {
    error.is_request() && !error.is_connect() && !error.is_timeout()
}

/// The policy's decision, if it was the cause.
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
