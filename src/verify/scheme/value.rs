//! The values that a template can name.

use std::fmt;

use super::intern;

/// What a placeholder stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Body,
    Timestamp,
    Method,
    /// The public URL of the source, with the query of the request.
    Url,
    /// The same, with the port that the protocol implies.
    UrlWithPort,
    /// Without the query.
    UrlBase,
    Path,
    PathQuery,
    Host,
    SortedQuery,
    /// The digest of method, path and query in an Atlassian token.
    QueryHash,
    /// The secret itself, in a text that is hashed.
    Secret,
    /// The parameters of a form, sorted, each name followed by its value.
    Params,
    /// The PHP serialization of a form, without this field.
    Php(String),
    /// The query parameters, decoded and sorted, as `name=value` joined by `&`.
    QueryPairs,
    Header(&'static str),
    Query(String),
    Form(String),
    Json(String),
    /// An element of the signature header.
    Pair(String),
    /// A claim of a verified token, by JSON pointer.
    Claim(String),
    /// `Name\nValue\n` for each of these JSON members that is present.
    Lines(Vec<String>),
    /// `name:value` of the headers that this header lists, sorted, joined by `;`.
    SignedHeaders(&'static str),
    /// The values of the headers that this element of the signature header lists, joined by `.`.
    HeadersOf(String),
}

impl Value {
    /// Parses a name such as `header:x-id`.
    pub(super) fn parse(name: &str) -> Result<Self, String> {
        let (kind, argument) = name.split_once(':').unwrap_or((name, ""));
        let header = || intern(&argument.to_ascii_lowercase());
        let needs_argument = matches!(
            kind,
            "header"
                | "query"
                | "form"
                | "php"
                | "pair"
                | "lines"
                | "signed_headers"
                | "headers_of"
        );
        if needs_argument && argument.is_empty() {
            return Err(format!("`{name}`: the name after `{kind}:` is missing"));
        }
        let is_pointer = argument.is_empty() || argument.starts_with('/');
        if matches!(kind, "json" | "claim") && !is_pointer {
            return Err(format!(
                "`{name}`: a JSON pointer begins with `/`, as in `{kind}:/{argument}`"
            ));
        }
        Ok(match kind {
            "body" => Self::Body,
            "timestamp" => Self::Timestamp,
            "method" => Self::Method,
            "url" => Self::Url,
            "url_with_port" => Self::UrlWithPort,
            "url_base" => Self::UrlBase,
            "path" => Self::Path,
            "path_query" => Self::PathQuery,
            "host" => Self::Host,
            "query_sorted" => Self::SortedQuery,
            "qsh" => Self::QueryHash,
            "secret" => Self::Secret,
            "params" => Self::Params,
            "query_pairs" => Self::QueryPairs,
            "php" => Self::Php(argument.to_owned()),
            "header" => Self::Header(header()),
            "query" => Self::Query(argument.to_owned()),
            "form" => Self::Form(argument.to_owned()),
            "json" => Self::Json(argument.to_owned()),
            "pair" => Self::Pair(argument.to_owned()),
            "claim" => Self::Claim(argument.to_owned()),
            "lines" => Self::Lines(argument.split(',').map(str::to_owned).collect()),
            "signed_headers" => Self::SignedHeaders(header()),
            "headers_of" => Self::HeadersOf(argument.to_owned()),
            _ => return Err(format!("`{name}` is not a value of a request")),
        })
    }

    /// The header that it reads, if it is one.
    pub(super) fn header(&self) -> Option<&'static str> {
        match self {
            Self::Header(name) | Self::SignedHeaders(name) => Some(name),
            _ => None,
        }
    }

    /// Whether it needs method, path or query of the request.
    pub(super) fn reads_target(&self) -> bool {
        matches!(
            self,
            Self::Method
                | Self::Url
                | Self::UrlWithPort
                | Self::UrlBase
                | Self::Path
                | Self::PathQuery
                | Self::Host
                | Self::SortedQuery
                | Self::QueryPairs
                | Self::QueryHash
                | Self::Query(_)
        )
    }

    /// Whether it needs the public URL of the source.
    pub(super) fn needs_url(&self) -> bool {
        matches!(
            self,
            Self::Url
                | Self::UrlWithPort
                | Self::UrlBase
                | Self::Path
                | Self::PathQuery
                | Self::Host
                | Self::QueryHash
        )
    }
}

impl fmt::Display for Value {
    /// As in a definition, as far as an event can name it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(name) => write!(f, "header:{name}"),
            Self::Query(name) => write!(f, "query:{name}"),
            Self::Form(name) => write!(f, "form:{name}"),
            Self::Json(pointer) => write!(f, "json:{pointer}"),
            Self::Claim(pointer) => write!(f, "claim:{pointer}"),
            other => write!(f, "{other:?}"),
        }
    }
}
