//! One item of a run's results, in the same form for every platform.
//!
//! An invalid item does not affect the others: its problem is a [`Flag`], and its text is kept.

use serde_json::Value;
use sha2::{Digest, Sha256};
use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

use super::count::{self, Count};
use super::shapes::{ADDRESSES, ERRORS, OBSERVED_AT, SHAPES, Shape};
use crate::providers::apify::Platform;

/// The maximum length of a handle or id, in characters.
const MAX_NAME: usize = 200;
/// The maximum length of a URL, in bytes.
const MAX_URL: usize = 2048;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Metric {
    /// The deduplication key.
    pub(crate) key: [u8; 32],
    pub(crate) platform: Option<Platform>,
    pub(crate) handle: Option<String>,
    pub(crate) post: Option<String>,
    pub(crate) url: Option<String>,
    pub(crate) posted_at: Option<OffsetDateTime>,
    pub(crate) observed_at: OffsetDateTime,
    pub(crate) views: Option<i64>,
    pub(crate) likes: Option<i64>,
    pub(crate) comments: Option<i64>,
    pub(crate) shares: Option<i64>,
    pub(crate) flag: Option<Flag>,
    /// The text of a flagged item.
    pub(crate) item: Option<Vec<u8>>,
}

/// The problem of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flag {
    NotAnObject,
    /// Not valid JSON.
    Unreadable,
    /// An error reported by the scraper.
    ErrorItem,
    /// Its platform is unknown.
    NoPlatform,
    /// It names neither an account nor a post.
    NoName,
    /// It has no counts.
    NoCounts,
    /// One of its counts is unreadable; the others are kept.
    BadCount,
    /// It exceeds the page size.
    TooLarge,
}

impl Flag {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::NotAnObject => "not_an_object",
            Self::Unreadable => "unreadable",
            Self::ErrorItem => "error_item",
            Self::NoPlatform => "no_platform",
            Self::NoName => "no_name",
            Self::NoCounts => "no_counts",
            Self::BadCount => "bad_count",
            Self::TooLarge => "too_large",
        }
    }
}

/// A profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Profile {
    /// The account's name, in lower case.
    pub(crate) handle: String,
    /// The description; `None` if the item has none, which differs from an empty one.
    pub(crate) bio: Option<String>,
}

impl Metric {
    /// Reads an item. `fallback` is its platform if the item does not name one, `at` the time of
    /// its counts if the item does not contain one.
    pub(crate) fn read(text: &[u8], fallback: Option<Platform>, at: OffsetDateTime) -> Self {
        let value: Value = match serde_json::from_slice(text) {
            Ok(value) => value,
            Err(_) => return Self::flagged(Flag::Unreadable, text, at),
        };
        if !value.is_object() {
            return Self::flagged(Flag::NotAnObject, text, at);
        }
        let Some(shape) = shape_of(&value, fallback) else {
            let flag = if is_error(&value) { Flag::ErrorItem } else { Flag::NoPlatform };
            return Self::flagged(flag, text, at);
        };
        let mut bad = false;
        let mut count = |paths| match first_count(&value, paths) {
            Count::Known(count) => Some(count),
            Count::Absent => None,
            Count::Unreadable => {
                bad = true;
                None
            }
        };
        let (views, likes) = (count(shape.views), count(shape.likes));
        let (comments, shares) = (count(shape.comments), count(shape.shares));
        let counted = [views, likes, comments, shares].iter().any(Option::is_some);
        let is_profile = matches!(
            value.get("type").and_then(Value::as_str),
            Some("user" | "profile" | "channel")
        );
        let mut metric = Self {
            key: [0; 32],
            platform: Some(shape.platform),
            handle: first(&value, shape.handle, handle),
            post: if is_profile { None } else { first(&value, shape.post, name) },
            url: first(&value, shape.url, address),
            posted_at: first(&value, shape.posted_at, time),
            // A time in the future is ignored.
            observed_at: first(&value, OBSERVED_AT, time).filter(|time| *time <= at).unwrap_or(at),
            views,
            likes,
            comments,
            shares,
            flag: None,
            item: None,
        };
        metric.flag = if !counted && is_error(&value) {
            Some(Flag::ErrorItem)
        } else if metric.handle.is_none() && metric.post.is_none() {
            Some(Flag::NoName)
        } else if bad {
            Some(Flag::BadCount)
        } else {
            (!counted).then_some(Flag::NoCounts)
        };
        metric.item = metric.flag.map(|_| text.to_vec());
        metric.key = metric.key(text);
        metric
    }

    /// An item of which only the text is known.
    pub(crate) fn flagged(flag: Flag, text: &[u8], at: OffsetDateTime) -> Self {
        Self {
            key: Sha256::digest(text).into(),
            platform: None,
            handle: None,
            post: None,
            url: None,
            posted_at: None,
            observed_at: at,
            views: None,
            likes: None,
            comments: None,
            shares: None,
            flag: Some(flag),
            item: Some(text.to_vec()),
        }
    }

    fn key(&self, text: &[u8]) -> [u8; 32] {
        if self.handle.is_none() && self.post.is_none() {
            return Sha256::digest(text).into();
        }
        let platform = self.platform.map_or("", Platform::as_str);
        let at = self.observed_at.unix_timestamp_nanos().to_string();
        let [handle, post] = [&self.handle, &self.post].map(|name| name.as_deref().unwrap_or(""));
        // None of them contains a control character, so they cannot run into each other.
        Sha256::digest([platform, handle, post, &at].join("\n")).into()
    }
}

impl Profile {
    /// Reads the profile in an item, or of the author of a post; `None` if the item is of another
    /// platform or names no account.
    pub(crate) fn read(text: &str, platform: Platform) -> Option<Self> {
        let value: Value = serde_json::from_str(text).ok()?;
        let shape = shape_of(&value, Some(platform)).filter(|shape| shape.platform == platform)?;
        let handle = first(&value, shape.handle, handle)?.to_lowercase();
        let bio = first(&value, shape.bio, |value| value.as_str().map(str::to_owned));
        Some(Self { handle, bio })
    }
}

/// The paths that apply: by the item's stated platform, by the site of its URL, by characteristic
/// fields, otherwise by `fallback`.
fn shape_of(item: &Value, fallback: Option<Platform>) -> Option<&'static Shape> {
    let stated = item.get("platform").and_then(Value::as_str).and_then(Platform::read);
    let by_address = || first(item, ADDRESSES, |value| value.as_str().and_then(Platform::of_url));
    let marked = |shape: &&Shape| shape.marks.iter().any(|mark| at(item, mark).is_some());
    let by_mark = || SHAPES.iter().find(marked).map(|shape| shape.platform);
    let platform = stated.or_else(by_address).or_else(by_mark).or(fallback)?;
    SHAPES.iter().find(|shape| shape.platform == platform)
}

fn is_error(item: &Value) -> bool {
    let says = |name: &&str| !matches!(at(item, name), None | Some(Value::Bool(false)));
    ERRORS.iter().any(says)
}

/// The value at a path, unless it is null.
fn at<'v>(item: &'v Value, path: &str) -> Option<&'v Value> {
    let nested = path.split('.').try_fold(item, |value, name| value.get(name));
    nested.or_else(|| item.get(path)).filter(|value| !value.is_null())
}

/// The first readable value among the paths.
fn first<T>(item: &Value, paths: &[&str], read: impl Fn(&Value) -> Option<T>) -> Option<T> {
    paths.iter().find_map(|path| at(item, path).and_then(&read))
}

/// The first count among the paths, even if it is unreadable.
fn first_count(item: &Value, paths: &[&str]) -> Count {
    let mut counts = paths.iter().filter_map(|path| at(item, path)).map(count::read);
    counts.find(|count| *count != Count::Absent).unwrap_or(Count::Absent)
}

/// A handle or an id: short, and without control characters.
fn name(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let shaped = (1..=MAX_NAME).contains(&text.chars().count()) && !text.contains(char::is_control);
    shaped.then_some(text)
}

/// An account's name, without a leading `@`.
fn handle(value: &Value) -> Option<String> {
    let name = name(value)?;
    let bare = name.strip_prefix('@').unwrap_or(&name);
    (!bare.is_empty()).then(|| bare.to_owned())
}

fn address(value: &Value) -> Option<String> {
    let url = value.as_str().filter(|url| url.len() <= MAX_URL)?;
    url::Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https")).then_some(())?;
    (!url.contains(char::is_control)).then(|| url.to_owned())
}

/// A time in RFC 3339, in Unix seconds or milliseconds, or in X's format.
fn time(value: &Value) -> Option<OffsetDateTime> {
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    if let (10 | 13, Ok(number)) = (text.len(), text.parse::<i128>()) {
        let unit = if text.len() == 13 { 1_000_000 } else { 1_000_000_000 };
        return OffsetDateTime::from_unix_timestamp_nanos(number * unit).ok();
    }
    let of_x = time::macros::format_description!(
        "[weekday repr:short] [month repr:short] [day] [hour]:[minute]:[second] [offset_hour sign:mandatory][offset_minute] [year]"
    );
    let time =
        OffsetDateTime::parse(&text, &Rfc3339).or_else(|_| OffsetDateTime::parse(&text, of_x));
    // At the end of the last year a time may be out of range in UTC.
    time.ok()?.checked_to_offset(UtcOffset::UTC)
}
