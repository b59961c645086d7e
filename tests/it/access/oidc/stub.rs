//! A stub issuer: an HTTP server on the loopback. It redeems the codes that it issued, and checks
//! the client secret and the PKCE verifier.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use url::{Url, form_urlencoded};

use super::keys::{self, Sign};
use super::{CLIENT_ID, CLIENT_SECRET};

/// A faulty response at a path.
#[derive(Debug, Clone)]
pub(super) enum Fault {
    /// This status and an empty object.
    Status(u16),
    Body(Value),
    /// An endless body.
    Endless,
    /// No response.
    Silent,
}

/// A running issuer; it stops with its runtime.
#[derive(Clone)]
pub(crate) struct Stub {
    pub(crate) url: String,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    faults: HashMap<&'static str, Fault>,
    /// Additional metadata.
    extra_metadata: Value,
    edwards: bool,
    requests: Vec<String>,
    codes: HashMap<String, Grant>,
    /// For a sign-in in a browser: the claims, and the time of the token.
    expected: Option<(Value, i64)>,
}

struct Grant {
    challenge: String,
    redirect: String,
    token: String,
}

/// A request's target, headers and body.
struct Request {
    target: String,
    head: String,
    body: Vec<u8>,
}

impl Stub {
    pub(crate) async fn start() -> Self {
        Self::called("127.0.0.1").await
    }

    /// Starts a stub with this host name: browsers treat each name as another site.
    pub(crate) async fn called(host: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{host}:{}", listener.local_addr().unwrap().port());
        let stub = Self { url, state: Arc::default() };
        stub.state().extra_metadata = json!({});
        let serving = stub.clone();
        tokio::task::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::task::spawn(serving.clone().serve(stream));
            }
        });
        stub
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Sets the fault at a path; `None` for valid responses.
    pub(super) fn fault(&self, path: &'static str, fault: Option<Fault>) {
        let mut state = self.state();
        match fault {
            Some(fault) => state.faults.insert(path, fault),
            None => state.faults.remove(path),
        };
    }

    /// Sets additional metadata.
    pub(super) fn set_metadata(&self, extra_metadata: Value) {
        self.state().extra_metadata = extra_metadata;
    }

    /// Publishes the second key.
    pub(super) fn publish_edwards(&self) {
        self.state().edwards = true;
    }

    /// The number of requests to a path.
    pub(crate) fn requests(&self, path: &str) -> usize {
        self.state().requests.iter().filter(|request| *request == path).count()
    }

    /// Signs in the next browser automatically, with these claims and at this time.
    pub(crate) fn expect(&self, claims: Value, now: i64) {
        self.state().expected = Some((claims, now));
    }

    /// The claims for a browser that was redirected to `to`. `other` replaces some of them; `null`
    /// removes one.
    pub(super) fn claims(&self, to: &Url, now: i64, other: &Value) -> Value {
        let mut claims = json!({
            "iss": self.url, "sub": "subject-1", "aud": CLIENT_ID, "iat": now, "exp": now + 300,
            "nonce": param(to, "nonce"), "email": "ada@example.org", "email_verified": true,
        });
        let all = claims.as_object_mut().unwrap();
        for (name, value) in other.as_object().unwrap() {
            all.insert(name.clone(), value.clone());
        }
        all.retain(|_, value| !value.is_null());
        claims
    }

    /// Issues a code for this token to a browser that was redirected to `to`.
    pub(super) fn grant(&self, to: &Url, token: String) -> String {
        let (challenge, redirect) = (param(to, "code_challenge"), param(to, "redirect_uri"));
        let mut state = self.state();
        let code = format!("code {}", state.codes.len());
        state.codes.insert(code.clone(), Grant { challenge, redirect, token });
        code
    }

    async fn serve(self, mut stream: TcpStream) {
        let Some(request) = read(&mut stream).await else { return };
        let path = request.target.split('?').next().unwrap().to_owned();
        let fault = {
            let mut state = self.state();
            state.requests.push(path.clone());
            state.faults.get(&*path).cloned()
        };
        let (status, header, body) = match fault {
            Some(Fault::Silent) => return std::future::pending().await,
            Some(Fault::Endless) => {
                let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{\"a\":\"";
                drop(stream.write_all(head.as_bytes()).await);
                while stream.write_all(&[b'a'; 8192]).await.is_ok() {}
                return;
            }
            Some(Fault::Status(status)) => (status, String::new(), json!({})),
            Some(Fault::Body(body)) => (200, String::new(), body),
            None => self.answer(&path, &request),
        };
        let body = body.to_string();
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 {status} Stub\r\ncontent-type: application/json\r\n{header}\
             content-length: {length}\r\nconnection: close\r\n\r\n{body}"
        );
        drop(stream.write_all(answer.as_bytes()).await);
        drop(stream.shutdown().await);
    }

    fn answer(&self, path: &str, request: &Request) -> (u16, String, Value) {
        match path {
            "/.well-known/openid-configuration" => (200, String::new(), self.metadata()),
            "/jwks" => (200, String::new(), keys::published(self.state().edwards)),
            "/authorize" => {
                let to = Url::parse(&format!("{}{}", self.url, request.target)).unwrap();
                let (other, now) = self.state().expected.clone().expect("an expected sign-in");
                let token = keys::token(&self.claims(&to, now, &other), Sign::Rsa);
                let mut back = Url::parse(&param(&to, "redirect_uri")).unwrap();
                let code = self.grant(&to, token);
                back.query_pairs_mut()
                    .append_pair("code", &code)
                    .append_pair("state", &param(&to, "state"));
                (302, format!("location: {back}\r\n"), json!({}))
            }
            "/token" => match self.redeem(request) {
                Some(token) => (
                    200,
                    String::new(),
                    json!({ "access_token": "a", "token_type": "Bearer", "id_token": token }),
                ),
                None => (400, String::new(), json!({ "error": "invalid_grant" })),
            },
            _ => (404, String::new(), json!({})),
        }
    }

    fn metadata(&self) -> Value {
        let mut metadata = json!({
            "issuer": self.url,
            "authorization_endpoint": format!("{}/authorize", self.url),
            "token_endpoint": format!("{}/token", self.url),
            "jwks_uri": format!("{}/jwks", self.url),
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256", "EdDSA", "HS256", "none"],
        });
        let extra_metadata = self.state().extra_metadata.clone();
        metadata.as_object_mut().unwrap().extend(extra_metadata.as_object().unwrap().clone());
        metadata
    }

    /// Redeems a code, once.
    fn redeem(&self, request: &Request) -> Option<String> {
        let fields: HashMap<String, String> =
            form_urlencoded::parse(&request.body).into_owned().collect();
        // Each part is form-encoded, so that it may contain a colon.
        let coded =
            |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let pair = format!("{}:{}", coded(CLIENT_ID), coded(CLIENT_SECRET));
        let basic = format!("Basic {}", STANDARD.encode(pair));
        let in_head = request.head.lines().any(|line| line == format!("authorization: {basic}"));
        let in_body = fields.get("client_secret").is_some_and(|secret| secret == CLIENT_SECRET);
        assert!(in_head != in_body, "the client authenticates in exactly one way");
        let grant = self.state().codes.remove(fields.get("code")?)?;
        let verifier = Sha256::digest(fields.get("code_verifier")?);
        let proven = URL_SAFE_NO_PAD.encode(verifier) == grant.challenge;
        let same = *fields.get("redirect_uri")? == grant.redirect;
        (proven && same && fields.get("grant_type")? == "authorization_code").then_some(grant.token)
    }
}

/// A query parameter of a URL.
pub(super) fn param(url: &Url, name: &str) -> String {
    let mut pairs = url.query_pairs();
    pairs.find(|(known, _)| known == name).unwrap_or_else(|| panic!("{name} of {url}")).1.into()
}

async fn read(stream: &mut TcpStream) -> Option<Request> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut body).await.ok()?;
    Some(Request { target: head.split(' ').nth(1).unwrap().to_owned(), head, body })
}
