//! What stands in for an issuer: a real HTTP server on the loopback. It gives a token for a code
//! that it has given out, to whoever proves that they are its client and began the sign-in.

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

/// What it answers at a path, where that is not as it should be.
#[derive(Debug, Clone)]
pub(super) enum Mood {
    /// With this status and an empty object.
    Status(u16),
    /// With this.
    Says(Value),
    /// With more than anybody wants to read.
    Endless,
    /// Never.
    Silent,
}

/// An issuer that is running; it ends with its runtime.
#[derive(Clone)]
pub(crate) struct Stub {
    pub(crate) url: String,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    moods: HashMap<&'static str, Mood>,
    /// What it says of itself beside what it has to.
    further: Value,
    edwards: bool,
    asked: Vec<String>,
    codes: HashMap<String, Grant>,
    /// For who comes with a browser: their claims, and the time of their token.
    visitor: Option<(Value, i64)>,
}

struct Grant {
    challenge: String,
    redirect: String,
    token: String,
}

/// A request's target, headers and body.
struct Asked {
    target: String,
    head: String,
    body: Vec<u8>,
}

impl Stub {
    pub(crate) async fn start() -> Self {
        Self::called("127.0.0.1").await
    }

    /// Starts one under this name of the loopback: for browsers each name is another site.
    pub(crate) async fn called(host: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{host}:{}", listener.local_addr().unwrap().port());
        let stub = Self { url, state: Arc::default() };
        stub.state().further = json!({});
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

    /// Answers otherwise at a path from now on; `None` for as it should.
    pub(super) fn mood(&self, path: &'static str, mood: Option<Mood>) {
        let mut state = self.state();
        match mood {
            Some(mood) => state.moods.insert(path, mood),
            None => state.moods.remove(path),
        };
    }

    /// Says more of itself from now on.
    pub(super) fn says(&self, further: Value) {
        self.state().further = further;
    }

    /// Shows its second key from now on.
    pub(super) fn show_edwards(&self) {
        self.state().edwards = true;
    }

    /// How often a path was asked for.
    pub(crate) fn asked(&self, path: &str) -> usize {
        self.state().asked.iter().filter(|asked| *asked == path).count()
    }

    /// Lets a browser that is sent here sign in by itself, at this time.
    pub(crate) fn expect(&self, claims: Value, now: i64) {
        self.state().visitor = Some((claims, now));
    }

    /// What it says of somebody who was sent to `to`, with these claims in the place of the usual
    /// ones; `null` for none.
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

    /// Gives out a code for such a token to who was sent to `to`.
    pub(super) fn grant(&self, to: &Url, token: String) -> String {
        let (challenge, redirect) = (param(to, "code_challenge"), param(to, "redirect_uri"));
        let mut state = self.state();
        let code = format!("code {}", state.codes.len());
        state.codes.insert(code.clone(), Grant { challenge, redirect, token });
        code
    }

    async fn serve(self, mut stream: TcpStream) {
        let Some(asked) = read(&mut stream).await else { return };
        let path = asked.target.split('?').next().unwrap().to_owned();
        let mood = {
            let mut state = self.state();
            state.asked.push(path.clone());
            state.moods.get(&*path).cloned()
        };
        let (status, header, body) = match mood {
            Some(Mood::Silent) => return std::future::pending().await,
            Some(Mood::Endless) => {
                let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{\"a\":\"";
                drop(stream.write_all(head.as_bytes()).await);
                while stream.write_all(&[b'a'; 8192]).await.is_ok() {}
                return;
            }
            Some(Mood::Status(status)) => (status, String::new(), json!({})),
            Some(Mood::Says(body)) => (200, String::new(), body),
            None => self.answer(&path, &asked),
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

    fn answer(&self, path: &str, asked: &Asked) -> (u16, String, Value) {
        match path {
            "/.well-known/openid-configuration" => (200, String::new(), self.about()),
            "/jwks" => (200, String::new(), keys::shown(self.state().edwards)),
            "/authorize" => {
                let to = Url::parse(&format!("{}{}", self.url, asked.target)).unwrap();
                let (other, now) = self.state().visitor.clone().expect("nobody was to come");
                let token = keys::token(&self.claims(&to, now, &other), Sign::Rsa);
                let mut back = Url::parse(&param(&to, "redirect_uri")).unwrap();
                let code = self.grant(&to, token);
                back.query_pairs_mut()
                    .append_pair("code", &code)
                    .append_pair("state", &param(&to, "state"));
                (302, format!("location: {back}\r\n"), json!({}))
            }
            "/token" => match self.redeem(asked) {
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

    fn about(&self) -> Value {
        let mut about = json!({
            "issuer": self.url,
            "authorization_endpoint": format!("{}/authorize", self.url),
            "token_endpoint": format!("{}/token", self.url),
            "jwks_uri": format!("{}/jwks", self.url),
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256", "EdDSA", "HS256", "none"],
        });
        let further = self.state().further.clone();
        about.as_object_mut().unwrap().extend(further.as_object().unwrap().clone());
        about
    }

    /// The token for a code, once.
    fn redeem(&self, asked: &Asked) -> Option<String> {
        let fields: HashMap<String, String> =
            form_urlencoded::parse(&asked.body).into_owned().collect();
        // Each is encoded as in a form, so that a colon may stand in it.
        let coded =
            |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let pair = format!("{}:{}", coded(CLIENT_ID), coded(CLIENT_SECRET));
        let basic = format!("Basic {}", STANDARD.encode(pair));
        let in_head = asked.head.lines().any(|line| line == format!("authorization: {basic}"));
        let in_body = fields.get("client_secret").is_some_and(|secret| secret == CLIENT_SECRET);
        assert!(in_head != in_body, "a client proves once who it is");
        let grant = self.state().codes.remove(fields.get("code")?)?;
        let verifier = Sha256::digest(fields.get("code_verifier")?);
        let proven = URL_SAFE_NO_PAD.encode(verifier) == grant.challenge;
        let same = *fields.get("redirect_uri")? == grant.redirect;
        (proven && same && fields.get("grant_type")? == "authorization_code").then_some(grant.token)
    }
}

/// A parameter of an address.
pub(super) fn param(url: &Url, name: &str) -> String {
    let mut pairs = url.query_pairs();
    pairs.find(|(known, _)| known == name).unwrap_or_else(|| panic!("{name} of {url}")).1.into()
}

async fn read(stream: &mut TcpStream) -> Option<Asked> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut body).await.ok()?;
    Some(Asked { target: head.split(' ').nth(1).unwrap().to_owned(), head, body })
}
