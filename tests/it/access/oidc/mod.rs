//! Signing in at an issuer, over real HTTP on both sides.

mod arriving;
mod keys;
mod refused;
mod stub;

use reqwest::header::{ACCEPT, COOKIE, LOCATION, SET_COOKIE};
use sealpost::admin::{Caller, NewUser, Scope};
use serde_json::{Value, json};
use url::{Url, form_urlencoded};

use self::keys::{Sign, token};
pub(crate) use self::stub::Stub;
use self::stub::{Mood, param};
use crate::harness::{Answer, Builder, Gateway};

const CLIENT_ID: &str = "sealpost";
const CLIENT_SECRET: &str = "a client secret: of-the-gateway";
const DISCOVERY: &str = "/.well-known/openid-configuration";

/// A browser that was sent to the issuer.
struct Sent {
    cookie: String,
    to: Url,
}

/// A gateway whose people may sign in at an issuer.
fn gateway(issuer: &str) -> Builder {
    gateway_at(issuer, "http://127.0.0.1:1")
}

/// As [`gateway`], where browsers reach it at `public_url`.
pub(crate) fn gateway_at(issuer: &str, public_url: &str) -> Builder {
    let text = format!(
        "\n[outbound]\nallow = [\"127.0.0.0/8\", \"::1/128\"]\n[operator.oidc]\nissuer = \"{issuer}\"\n\
         client_id = \"{CLIENT_ID}\"\nclient_secret = {{ env = \"OIDC_SECRET\" }}\n\
         public_url = \"{public_url}\"\nlabel = \"the company\"\n"
    );
    Gateway::builder().more_config(&text).variable("OIDC_SECRET", CLIENT_SECRET)
}

/// Invites somebody.
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

/// Sends a browser to the issuer.
async fn leave(gateway: &Gateway, next: &str) -> Sent {
    let answer = get(gateway, &format!("/oidc/start?next={next}"), "").await;
    assert_eq!(answer.status, 303, "{}", answer.text);
    let set = answer.headers[SET_COOKIE].to_str().unwrap();
    for part in ["__Host-sealpost-oidc=", "Path=/", "Secure", "HttpOnly", "SameSite=Lax"] {
        assert!(set.contains(part), "{part} of {set}");
    }
    let to = Url::parse(answer.headers[LOCATION].to_str().unwrap()).unwrap();
    Sent { cookie: set.split(';').next().unwrap().to_owned(), to }
}

/// Comes back with these parameters.
async fn back(gateway: &Gateway, cookie: &str, query: &[(&str, &str)]) -> Answer {
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
    get(gateway, &format!("/oidc/callback?{query}"), cookie).await
}

/// Signs in with a token that is as it should be but for this.
async fn with_token(gateway: &Gateway, stub: &Stub, other: &Value, sign: Sign) -> Answer {
    let sent = leave(gateway, "/").await;
    let claims = stub.claims(&sent.to, gateway.clock_seconds(), other);
    let code = stub.grant(&sent.to, token(&claims, sign));
    let state = param(&sent.to, "state");
    back(gateway, &sent.cookie, &[("code", &code), ("state", &state)]).await
}

/// Signs in as it should be.
async fn come_in(gateway: &Gateway, stub: &Stub) -> Answer {
    with_token(gateway, stub, &json!({}), Sign::Rsa).await
}

/// The cookie of the session that an answer begins, as a browser sends it back.
fn session(answer: &Answer) -> Option<String> {
    let mut set = answer.headers.get_all(SET_COOKIE).iter().map(|set| set.to_str().unwrap());
    let set = set.find(|set| set.starts_with("__Host-sealpost="))?;
    for part in ["Path=/", "Secure", "HttpOnly", "SameSite=Strict"] {
        assert!(set.contains(part), "{part} of {set}");
    }
    Some(set.split(';').next().unwrap().to_owned())
}
