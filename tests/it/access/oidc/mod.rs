//! Single sign-on, over real HTTP on both sides.

mod keys;
mod rejected;
mod stub;
mod successful;

use reqwest::header::{ACCEPT, COOKIE, LOCATION, SET_COOKIE};
use sealpost::admin::{Caller, NewUser, Scope};
use serde_json::{Value, json};
use url::{Url, form_urlencoded};

use self::keys::{Sign, token};
pub(crate) use self::stub::Stub;
use self::stub::{Fault, param};
use crate::harness::{Answer, Builder, Gateway};

const CLIENT_ID: &str = "sealpost";
const CLIENT_SECRET: &str = "a client secret: of-the-gateway";
const DISCOVERY: &str = "/.well-known/openid-configuration";

/// A browser that was redirected to the issuer.
struct Redirected {
    cookie: String,
    to: Url,
}

/// A gateway with single sign-on.
fn gateway(issuer: &str) -> Builder {
    gateway_at(issuer, "http://127.0.0.1:1")
}

/// As [`gateway`], with this public URL.
pub(crate) fn gateway_at(issuer: &str, public_url: &str) -> Builder {
    let text = format!(
        "\n[outbound]\nallow = [\"127.0.0.0/8\", \"::1/128\"]\n[operator.oidc]\nissuer = \"{issuer}\"\n\
         client_id = \"{CLIENT_ID}\"\nclient_secret = {{ env = \"OIDC_SECRET\" }}\n\
         public_url = \"{public_url}\"\nlabel = \"the company\"\n"
    );
    Gateway::builder().more_config(&text).variable("OIDC_SECRET", CLIENT_SECRET)
}

pub(crate) async fn invite(gateway: &Gateway, name: &str) -> String {
    let new = NewUser {
        name: name.to_owned(),
        scopes: [Scope::Admin].into_iter().collect(),
        tenant: None,
    };
    let link = gateway.access().add_user(&Caller::local("grace"), &new).await.unwrap();
    link.token().to_owned()
}

async fn get(gateway: &Gateway, path: &str, cookie: &str) -> Answer {
    let request = gateway.client().get(gateway.operator_url(path));
    let request = request.header(ACCEPT, "text/html").header(COOKIE, cookie);
    Answer::of(request.send().await.expect("an answer")).await
}

/// Starts a sign-in.
async fn begin_sign_in(gateway: &Gateway, next: &str) -> Redirected {
    let answer = get(gateway, &format!("/oidc/start?next={next}"), "").await;
    assert_eq!(answer.status, 303, "{}", answer.text);
    let set = answer.headers[SET_COOKIE].to_str().unwrap();
    for part in ["__Host-sealpost-oidc=", "Path=/", "Secure", "HttpOnly", "SameSite=Lax"] {
        assert!(set.contains(part), "{part} of {set}");
    }
    let to = Url::parse(answer.headers[LOCATION].to_str().unwrap()).unwrap();
    Redirected { cookie: set.split(';').next().unwrap().to_owned(), to }
}

/// Calls the callback with these parameters.
async fn callback(gateway: &Gateway, cookie: &str, query: &[(&str, &str)]) -> Answer {
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
    get(gateway, &format!("/oidc/callback?{query}"), cookie).await
}

/// Signs in with a token with these claims replaced.
async fn with_token(gateway: &Gateway, stub: &Stub, other: &Value, sign: Sign) -> Answer {
    let sent = begin_sign_in(gateway, "/").await;
    let claims = stub.claims(&sent.to, gateway.clock_seconds(), other);
    let code = stub.grant(&sent.to, token(&claims, sign));
    let state = param(&sent.to, "state");
    callback(gateway, &sent.cookie, &[("code", &code), ("state", &state)]).await
}

/// Signs in with a valid token.
async fn sign_in(gateway: &Gateway, stub: &Stub) -> Answer {
    with_token(gateway, stub, &json!({}), Sign::Rsa).await
}

/// The session cookie that a response sets, as a browser sends it.
fn session(answer: &Answer) -> Option<String> {
    let mut set = answer.headers.get_all(SET_COOKIE).iter().map(|set| set.to_str().unwrap());
    let set = set.find(|set| set.starts_with("__Host-sealpost="))?;
    for part in ["Path=/", "Secure", "HttpOnly", "SameSite=Strict"] {
        assert!(set.contains(part), "{part} of {set}");
    }
    Some(set.split(';').next().unwrap().to_owned())
}
