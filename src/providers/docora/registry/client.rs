//! The client for Docora's API.

use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Address, ApiUrl, GithubToken};
use crate::outbound::{Answer, Call, Outbound, OutboundError};
use crate::verify::Secret;

/// The timeout of one call. Docora calls GitHub meanwhile.
const DEADLINE: Duration = Duration::from_secs(30);
/// The maximum size of a response, in bytes.
const MAX_ANSWER: usize = 64 * 1024;
/// The attempts of a registration: one that replaces another fails at first.
const MAX_ATTEMPTS: usize = 3;
/// The maximum length of Docora's messages, in characters.
const MAX_TEXT: usize = 300;

/// Docora's API, for one application.
#[derive(Debug, Clone)]
pub struct DocoraClient {
    outbound: Outbound,
    url: ApiUrl,
    token: Secret,
}

/// A repository that Docora watches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// Docora's id.
    pub repository_id: String,
    pub is_private: bool,
}

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// No response. The call may have succeeded.
    #[error("no response from docora: the request may have succeeded and can be retried")]
    NoAnswer(#[from] OutboundError),
    /// The source's token was rejected.
    #[error("docora rejected the source's token: {0}")]
    Unauthorized(String),
    /// Not found, or not accessible to this application or GitHub token.
    #[error("docora responded not found: {0}")]
    NotFound(String),
    #[error("docora rate limited the source: too many calls per minute")]
    TooMany,
    #[error("docora responded {status}: {text}")]
    Refused { status: u16, text: String },
    #[error("docora responded {0} with an invalid body")]
    Unreadable(u16),
}

impl DocoraClient {
    pub fn new(outbound: Outbound, url: ApiUrl, token: Secret) -> Self {
        Self { outbound, url, token }
    }

    /// Registers a repository. If the application has registered it before, its id may change.
    pub async fn register(
        &self,
        address: &Address,
        token: Option<&GithubToken>,
    ) -> Result<Registered, ApiError> {
        let mut body = json!({ "github_url": address.url() });
        if let (Some(token), Some(body)) = (token, body.as_object_mut()) {
            body.insert("github_token".to_owned(), Value::from(token.expose()));
        }
        let mut attempt = 1;
        let answer = loop {
            let answer = self.call("POST", "api/repositories", Some(&body)).await?;
            if answer.status != 500 || attempt == MAX_ATTEMPTS {
                break answer;
            }
            attempt += 1;
        };
        match answer.status {
            200 | 201 => registered(&answer).ok_or(ApiError::Unreadable(answer.status)),
            _ => Err(refusal(&answer)),
        }
    }

    /// Removes a repository's registration; returns whether there was one.
    pub async fn unregister(&self, repository_id: &str) -> Result<bool, ApiError> {
        let path = format!("api/repositories/{repository_id}");
        let answer = self.call("DELETE", &path, None).await?;
        match answer.status {
            200 | 204 => Ok(true),
            404 => Ok(false),
            _ => Err(refusal(&answer)),
        }
    }

    /// Replaces a repository's GitHub token; returns whether the repository was found.
    pub async fn update_token(
        &self,
        repository_id: &str,
        token: &GithubToken,
    ) -> Result<bool, ApiError> {
        let path = format!("api/repositories/{repository_id}/token");
        let body = json!({ "github_token": token.expose() });
        let answer = self.call("PATCH", &path, Some(&body)).await?;
        match answer.status {
            200 | 204 => Ok(true),
            404 | 422 => Ok(false),
            _ => Err(refusal(&answer)),
        }
    }

    async fn call(
        &self,
        method: &'static str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answer, ApiError> {
        // The path is ours and relative, so it stays below the base.
        let url = self.url.0.join(path).map_err(|_| ApiError::Unreadable(0))?;
        let token = String::from_utf8_lossy(self.token.expose());
        let mut headers = vec![
            ("authorization".to_owned(), format!("Bearer {token}")),
            ("accept".to_owned(), "application/json".to_owned()),
        ];
        if body.is_some() {
            headers.push(("content-type".to_owned(), "application/json".to_owned()));
        }
        let body = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
        let call = Call { method, url, headers, body, deadline: DEADLINE, max_answer: MAX_ANSWER };
        Ok(self.outbound.send(call).await?)
    }
}

fn registered(answer: &Answer) -> Option<Registered> {
    #[derive(Deserialize)]
    struct Body {
        repository_id: String,
        #[serde(default)]
        is_private: bool,
    }
    let body: Body = serde_json::from_slice(&answer.body).ok()?;
    is_repository_id(&body.repository_id)
        .then_some(Registered { repository_id: body.repository_id, is_private: body.is_private })
}

/// `repo_` and 24 hexadecimal digits: safe in a path.
pub(super) fn is_repository_id(text: &str) -> bool {
    let lower_hex = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f');
    text.strip_prefix("repo_").is_some_and(|id| id.len() == 24 && id.bytes().all(lower_hex))
}

fn refusal(answer: &Answer) -> ApiError {
    #[derive(Deserialize)]
    struct Body {
        error: String,
    }
    let text = match serde_json::from_slice::<Body>(&answer.body) {
        Ok(body) => body.error.chars().take(MAX_TEXT).collect(),
        Err(_) => "no reason given".to_owned(),
    };
    match answer.status {
        401 | 403 => ApiError::Unauthorized(text),
        404 => ApiError::NotFound(text),
        429 => ApiError::TooMany,
        status => ApiError::Refused { status, text },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_id_that_is_safe_in_a_path_is_accepted() {
        assert!(is_repository_id("repo_0123456789abcdef01234567"));
        for text in ["", "repo_", "repo_0123456789ABCDEF01234567", "repo_../../../../../../../x"] {
            assert!(!is_repository_id(text), "{text}");
        }
    }
}
