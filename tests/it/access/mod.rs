//! Who may call the operator listener, over real HTTP.

mod audit;
mod browser;
mod keys;
pub(crate) mod oidc;
mod open;
mod people;
mod program;
mod stream;

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
