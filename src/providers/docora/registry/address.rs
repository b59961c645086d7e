//! The URL and the token of a repository, as Docora accepts them.

use std::str::FromStr;

use crate::verify::{Secret, WeakSecret};

/// The maximum length of a URL.
const MAX_ADDRESS: usize = 2048;
/// The maximum length of a token.
const MAX_TOKEN: usize = 255;

/// `https://github.com/{owner}/{name}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    url: String,
    owner: String,
    name: String,
}

/// Docora would reject the URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadAddress {
    #[error("the repository URL must be https://github.com/OWNER/NAME")]
    Form,
    #[error("docora does not support repository names with a dot")]
    Dot,
}

/// A GitHub token, for private repositories.
#[derive(Debug, Clone)]
pub struct GithubToken(Secret);

/// Docora would reject the token. The message does not contain it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadToken {
    #[error(
        "a GitHub token must begin with ghp_ or github_pat_ and have at most {MAX_TOKEN} characters"
    )]
    Form,
    #[error("the GitHub token {0}")]
    Weak(WeakSecret),
}

impl Address {
    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn owner(&self) -> &str {
        &self.owner
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Owner and name, for display.
    pub fn short(&self) -> String {
        format!("{}/{}", self.owner, self.name)
    }

    /// The name of the repository's stored token. GitHub ignores case.
    pub(super) fn credential(&self) -> String {
        format!("github_token:{}", self.url.to_lowercase())
    }
}

impl FromStr for Address {
    type Err = BadAddress;

    /// Accepts a pasted URL, also with a trailing slash or `.git`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim_end_matches('/');
        let text = text.strip_suffix(".git").unwrap_or(text);
        let path = text.strip_prefix("https://github.com/").ok_or(BadAddress::Form)?;
        let (owner, name) = path.split_once('/').ok_or(BadAddress::Form)?;
        let fits = |part: &str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        };
        if text.len() > MAX_ADDRESS || !fits(owner) || !fits(name) || owner.contains('.') {
            return Err(BadAddress::Form);
        }
        if name.contains('.') {
            return Err(BadAddress::Dot);
        }
        Ok(Self { url: text.to_owned(), owner: owner.to_owned(), name: name.to_owned() })
    }
}

impl GithubToken {
    pub fn new(bytes: &[u8]) -> Result<Self, BadToken> {
        let begins = [&b"ghp_"[..], b"github_pat_"].iter().any(|start| bytes.starts_with(start));
        if !begins || bytes.len() > MAX_TOKEN || !bytes.iter().all(u8::is_ascii_graphic) {
            return Err(BadToken::Form);
        }
        Secret::new(bytes).map(Self).map_err(BadToken::Weak)
    }

    /// The token itself, to send or seal it. Never log it.
    pub fn expose(&self) -> &str {
        std::str::from_utf8(self.0.expose()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pasted_url_is_accepted() {
        for text in [
            "https://github.com/Owner/my_repo-1",
            "https://github.com/Owner/my_repo-1/",
            "https://github.com/Owner/my_repo-1.git",
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!(address.url(), "https://github.com/Owner/my_repo-1");
            assert_eq!((address.owner(), address.name()), ("Owner", "my_repo-1"));
            assert_eq!(address.credential(), "github_token:https://github.com/owner/my_repo-1");
        }
        assert_eq!("https://github.com/o/a.b".parse::<Address>(), Err(BadAddress::Dot));
        for text in [
            "",
            "o/n",
            "http://github.com/o/n",
            "https://gitlab.com/o/n",
            "https://github.com/o",
            "https://github.com//n",
            "https://github.com/o/n/tree",
            "https://github.com/o/n?x",
            "https://t@github.com/o/n",
            "https://github.com/o/n ",
            &format!("https://github.com/o/{}", "n".repeat(2048)),
        ] {
            assert_eq!(text.parse::<Address>(), Err(BadAddress::Form), "{text}");
        }
    }

    #[test]
    fn token_must_be_a_github_token_and_is_not_shown() {
        let token = GithubToken::new(b"ghp_0123456789abcdef").unwrap();
        assert_eq!(token.expose(), "ghp_0123456789abcdef");
        assert!(!format!("{token:?}").contains("ghp_"));
        assert!(GithubToken::new(b"github_pat_0123456789").is_ok());
        for bytes in
            [&b"gho_0123456789abcdef"[..], b"ghp_01234567 9abcdef", b"ghp_0123456789abcdef\n"]
        {
            assert_eq!(GithubToken::new(bytes).unwrap_err(), BadToken::Form);
        }
        let long = format!("ghp_{}", "x1".repeat(200));
        assert_eq!(GithubToken::new(long.as_bytes()).unwrap_err(), BadToken::Form);
        assert_eq!(GithubToken::new(b"ghp_short").unwrap_err(), BadToken::Weak(WeakSecret::Short));
    }
}
