//! The client of the API.

use std::time::Duration;

use reqwest::header::{self, HeaderMap};
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::{Host, Url};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{ApiError, Problem, Query, cause};
use crate::admin::{Identity, Page};

/// Connect timeout.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Timeout of a response or of the next part of it. The change stream sends heartbeats.
const READ_TIMEOUT: Duration = Duration::from_secs(90);
/// How often a request is sent, if its response was lost or it has to wait.
const MAX_ATTEMPTS: u32 = 3;
/// The longest wait that a gateway may ask for, in seconds.
const LONGEST_WAIT: u64 = 30;
/// The largest page of a list.
const MAX_PAGE: u32 = 200;
/// The name of this client.
const USER_AGENT: &str = concat!("sealpost/", env!("CARGO_PKG_VERSION"));

/// The API of a gateway, with a key.
pub(in crate::cli) struct ApiClient {
    client: Client,
    base: Url,
    key: Zeroizing<String>,
}

impl ApiClient {
    /// Checks the URL, and prepares a client.
    pub(in crate::cli) fn new(base: &str, key: Zeroizing<String>) -> Result<Self, ApiError> {
        let base = parse_base_url(base)?;
        // The guard against private addresses is for requests of the gateway. An admin listener
        // usually is at a private address.
        let client = crate::tls::client()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .user_agent(USER_AGENT)
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .build();
        let client = client.map_err(|error| ApiError::usage(cause(&error)))?;
        Ok(Self { client, base, key })
    }

    /// The URL of the gateway, without a slash at the end.
    pub(in crate::cli) fn base(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// Whose key it is.
    pub(in crate::cli) async fn me(&self) -> Result<Identity, ApiError> {
        let me = self.get(&["me"], &Query::default()).await;
        me.map_err(|error| if error.is_missing() { self.no_api() } else { error })
    }

    /// Reads an item.
    pub(in crate::cli) async fn get<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &Query,
    ) -> Result<T, ApiError> {
        let response = self.send(|| self.request_to(path, query)).await?;
        self.read(response).await
    }

    /// Reads a list that has one page.
    pub(in crate::cli) async fn all<T: DeserializeOwned>(
        &self,
        path: &[&str],
    ) -> Result<Vec<T>, ApiError> {
        Ok(self.get::<Page<T>>(path, &Query::default()).await?.items)
    }

    /// Reads up to `limit` items of a list, from a cursor on.
    pub(in crate::cli) async fn list<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &Query,
        mut cursor: Option<String>,
        limit: u32,
    ) -> Result<Page<T>, ApiError> {
        let (mut items, mut left) = (Vec::new(), limit);
        loop {
            let asked = left.min(MAX_PAGE);
            let query = query.clone().with("cursor", cursor.take()).with("limit", Some(asked));
            let page: Page<T> = self.get(path, &query).await?;
            let count = u32::try_from(page.items.len()).unwrap_or(u32::MAX);
            items.extend(page.items);
            left = left.saturating_sub(count);
            // A page with room left ends the list, or a search that is continued on demand.
            if left == 0 || count < asked || page.next.is_none() {
                return Ok(Page { items, next: page.next });
            }
            cursor = page.next;
        }
    }

    /// Sends a change. A change whose response was lost is sent again with the same idempotency
    /// key, so it is made once.
    pub(in crate::cli) async fn post<T: DeserializeOwned>(
        &self,
        path: &[&str],
        body: Option<&impl Serialize>,
    ) -> Result<T, ApiError> {
        let body = body.map(serde_json::to_vec).transpose();
        let body = body.map_err(|error| ApiError::usage(error.to_string()))?;
        let idempotency_key = Uuid::new_v4().to_string();
        let request = || {
            let request = self.client.post(self.url(path, &Query::default()));
            let request =
                request.bearer_auth(&*self.key).header("idempotency-key", &idempotency_key);
            match &body {
                Some(body) => {
                    request.header(header::CONTENT_TYPE, "application/json").body(body.clone())
                }
                None => request,
            }
        };
        let response = self.send(request).await?;
        self.read(response).await
    }

    /// Begins a download.
    pub(in crate::cli) async fn download(&self, path: &[&str]) -> Result<Response, ApiError> {
        self.send(|| self.request_to(path, &Query::default())).await
    }

    /// The next part of a download; `None` at its end.
    pub(in crate::cli) async fn next_chunk(
        &self,
        response: &mut Response,
    ) -> Result<Option<bytes::Bytes>, ApiError> {
        response.chunk().await.map_err(|error| self.unreachable(&error))
    }

    /// A request to read, with the key.
    pub(in crate::cli) fn request_to(&self, path: &[&str], query: &Query) -> RequestBuilder {
        self.client.get(self.url(path, query)).bearer_auth(&*self.key)
    }

    fn url(&self, path: &[&str], query: &Query) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(["api", "v1"]).extend(path);
        }
        if !query.pairs().is_empty() {
            url.query_pairs_mut().extend_pairs(query.pairs());
        }
        url
    }

    /// Sends a request, again if its response was lost or the gateway asks to wait.
    async fn send(&self, request: impl Fn() -> RequestBuilder) -> Result<Response, ApiError> {
        let mut tries = 1;
        loop {
            let last = tries >= MAX_ATTEMPTS;
            match request().send().await {
                Ok(response) => match wait(&response).filter(|_| !last) {
                    Some(wait) => tokio::time::sleep(wait).await,
                    None => return self.accepted(response).await,
                },
                Err(error) if last || error.is_connect() || error.is_timeout() => {
                    return Err(self.unreachable(&error));
                }
                Err(_) => {}
            }
            tries += 1;
        }
    }

    /// The response, if it is a success.
    async fn accepted(&self, response: Response) -> Result<Response, ApiError> {
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        if status.is_redirection() {
            let why = format!("it redirects ({}); use the URL it redirects to", status.as_u16());
            return Err(self.unexpected(why));
        }
        let body = response.bytes().await.unwrap_or_default();
        let problem = Problem::read(status.as_u16(), &body);
        if status == StatusCode::NOT_FOUND && problem.title().is_empty() {
            return Err(self.no_api());
        }
        Err(problem.into())
    }

    async fn read<T: DeserializeOwned>(&self, response: Response) -> Result<T, ApiError> {
        let body = response.bytes().await.map_err(|error| self.unreachable(&error))?;
        serde_json::from_slice(&body).map_err(|error| {
            if error.is_data() { self.unexpected(error.to_string()) } else { self.no_api() }
        })
    }

    fn unreachable(&self, error: &reqwest::Error) -> ApiError {
        ApiError::Unreachable { url: self.base().to_owned(), why: cause(error) }
    }

    fn no_api(&self) -> ApiError {
        ApiError::NoApi { url: self.base().to_owned() }
    }

    fn unexpected(&self, why: String) -> ApiError {
        ApiError::Unexpected { url: self.base().to_owned(), why }
    }
}

/// How long the gateway asks to wait: for the rate limit, or for the first request with the same
/// idempotency key.
fn wait(response: &Response) -> Option<Duration> {
    let status = response.status();
    if ![StatusCode::TOO_MANY_REQUESTS, StatusCode::CONFLICT].contains(&status) {
        return None;
    }
    retry_after(response.headers()).filter(|wait| *wait <= Duration::from_secs(LONGEST_WAIT))
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// Checks the URL of a gateway: a key is sent in the clear only on this machine.
fn parse_base_url(text: &str) -> Result<Url, ApiError> {
    let wrong = |why: &str| ApiError::Usage(format!("invalid URL `{text}`: {why}"));
    let url = Url::parse(text).map_err(|error| wrong(&error.to_string()))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(ApiError::usage("invalid URL: it must not contain a user or a password"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("it must not have a query or a fragment"));
    }
    match (url.scheme(), is_loopback(&url)) {
        ("https", _) | ("http", true) => Ok(url),
        ("http", false) => Err(wrong("use https: over http, anyone on the way can read the key")),
        _ => Err(wrong("it must begin with https://")),
    }
}

/// Whether the host is this machine.
fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_sent_in_the_clear_only_on_this_machine() {
        for good in [
            "https://ops.example.com",
            "https://example.com/sealpost/",
            "http://127.0.0.1:8081",
            "http://[::1]:8081/",
            "http://localhost:8081",
        ] {
            assert!(parse_base_url(good).is_ok(), "{good}");
        }
        for wrong in [
            "http://ops.example.com",
            "http://10.0.0.1:8081",
            "http://localhost.example.com",
            "https://ada:secret@ops.example.com",
            "https://ops.example.com/?a=b",
            "ftp://ops.example.com",
            "ops.example.com",
            "",
        ] {
            let error = parse_base_url(wrong).unwrap_err();
            assert!(matches!(error, ApiError::Usage(_)), "{wrong}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }

    #[test]
    fn paths_are_below_the_url_and_encoded() {
        let url = |base: &str, path: &[&str]| {
            let query = Query::default().with("type", Some("a*&b")).with("none", None::<u8>);
            ApiClient::new(base, Zeroizing::default()).unwrap().url(path, &query).to_string()
        };
        assert_eq!(
            url("https://ops.example.com", &["users", "ada b/c", "reset"]),
            "https://ops.example.com/api/v1/users/ada%20b%2Fc/reset?type=a*%26b"
        );
        assert_eq!(
            url("https://ops.example.com/gate/", &["me"]),
            "https://ops.example.com/gate/api/v1/me?type=a*%26b"
        );
    }
}
