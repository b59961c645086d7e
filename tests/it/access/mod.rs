//! Authentication and authorization on the admin listener, over real HTTP.

mod account_security;
mod audit;
mod audit_entries;
mod browser;
mod cli;
mod files;
mod keys;
pub(crate) mod log;
pub(crate) mod oidc;
mod stream;
mod throttle;
pub(crate) mod users;

use reqwest::header::AUTHORIZATION;

use crate::harness::{Answer, Gateway};

const STREAM: &str = "/api/v1/stream";

async fn get(gateway: &Gateway, path: &str, authorization: &[&str]) -> Answer {
    let mut request = gateway.client().get(gateway.operator_url(path));
    for value in authorization {
        request = request.header(AUTHORIZATION, *value);
    }
    Answer::of(request.send().await.expect("an answer")).await
}

async fn get_with(gateway: &Gateway, path: &str, key: &str) -> Answer {
    get(gateway, path, &[&format!("Bearer {key}")]).await
}

/// Posts a form as a browser without a session.
async fn post_form(gateway: &Gateway, path: &str, form: &str) -> Answer {
    let request = gateway.client().post(gateway.operator_url(path));
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    Answer::of(request.body(form.to_owned()).send().await.expect("an answer")).await
}
