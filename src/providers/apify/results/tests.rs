//! Items of the usual scrapers, valid and invalid.

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::macros::datetime;

use super::{Flag, Metric, Profile};
use crate::providers::apify::Platform;

const ENDED: OffsetDateTime = datetime!(2026-11-20 12:00:00 UTC);

fn read(item: &Value) -> Metric {
    Metric::read(item.to_string().as_bytes(), None, ENDED)
}

/// Platform, handle, post, and views, likes, comments, shares.
type Row<'r> = (Platform, Option<&'r str>, Option<&'r str>, [Option<i64>; 4]);

fn row(metric: &Metric) -> Row<'_> {
    let counts = [metric.views, metric.likes, metric.comments, metric.shares];
    (metric.platform.unwrap(), metric.handle.as_deref(), metric.post.as_deref(), counts)
}

#[test]
fn items_of_every_platform_become_the_same_row() {
    for (item, expected) in [
        (
            json!({
                "id": "7312345678901234567", "text": "hi", "createTimeISO": "2026-11-01T10:00:00.000Z",
                "authorMeta": { "id": "1", "name": "ada", "nickName": "Ada", "fans": 10, "signature": "bio" },
                "webVideoUrl": "https://www.tiktok.com/@ada/video/7312345678901234567",
                "diggCount": 120, "shareCount": 3, "playCount": 4500, "commentCount": 0, "collectCount": 9,
            }),
            (
                Platform::Tiktok,
                Some("ada"),
                Some("7312345678901234567"),
                [Some(4500), Some(120), Some(0), Some(3)],
            ),
        ),
        (
            json!({
                "id": "3310000000000000000", "type": "Video", "shortCode": "DAbCdEfGhIj",
                "url": "https://www.instagram.com/p/DAbCdEfGhIj/", "ownerUsername": "ada",
                "likesCount": -1, "commentsCount": 12, "videoViewCount": 900, "videoPlayCount": 2100,
                "timestamp": "2026-11-01T10:00:00.000Z",
            }),
            (
                Platform::Instagram,
                Some("ada"),
                Some("DAbCdEfGhIj"),
                [Some(2100), None, Some(12), None],
            ),
        ),
        (
            json!({
                "type": "tweet", "id": "1850000000000000000",
                "url": "https://x.com/ada/status/1850000000000000000",
                "twitterUrl": "https://twitter.com/ada/status/1850000000000000000",
                "retweetCount": 7, "replyCount": 2, "likeCount": 55, "quoteCount": 1, "viewCount": 1234,
                "createdAt": "Sun Nov 01 10:00:00 +0000 2026",
                "author": { "type": "user", "userName": "ada", "description": "bio" },
            }),
            (
                Platform::X,
                Some("ada"),
                Some("1850000000000000000"),
                [Some(1234), Some(55), Some(2), Some(7)],
            ),
        ),
        (
            json!({
                "title": "t", "id": "dQw4w9WgXcQ", "url": "https://www.youtube.com/watch?v=dQw4w9WgXcQ",
                "viewCount": "1.2M", "date": "2026-11-01T10:00:00.000Z", "likes": "12,345",
                "commentsCount": null, "channelName": "Ada's", "channelUsername": "@ada",
            }),
            (
                Platform::Youtube,
                Some("ada"),
                Some("dQw4w9WgXcQ"),
                [Some(1_200_000), Some(12_345), None, None],
            ),
        ),
        (
            json!({
                "facebookUrl": "https://www.facebook.com/ada", "postId": "987654321", "pageName": "ada",
                "url": "https://www.facebook.com/ada/posts/987654321", "time": "2026-11-01T10:00:00.000Z",
                "likes": 10, "comments": 4, "shares": 2,
            }),
            (
                Platform::Facebook,
                Some("ada"),
                Some("987654321"),
                [None, Some(10), Some(4), Some(2)],
            ),
        ),
    ] {
        let metric = read(&item);
        assert_eq!(row(&metric), expected, "{item}");
        assert_eq!((metric.flag, metric.item.as_ref()), (None, None), "{item}");
        assert_eq!(metric.posted_at, Some(datetime!(2026-11-01 10:00:00 UTC)), "{item}");
        assert_eq!(metric.observed_at, ENDED);
    }
}

#[test]
fn alternative_field_names_give_the_same_counts() {
    let flat = json!({
        "authorMeta.name": "ada", "stats.playCount": 5, "stats.diggCount": "3", "id": "1",
        "platform": "tiktok",
    });
    assert_eq!(row(&read(&flat)).3, [Some(5), Some(3), None, None]);
    let passed_through = json!({
        "url": "https://www.instagram.com/reel/Abc/", "code": "Abc", "user": { "username": "ada" },
        "play_count": 8, "like_count": 0, "comment_count": 1, "reshare_count": 2,
    });
    let expected =
        (Platform::Instagram, Some("ada"), Some("Abc"), [Some(8), Some(0), Some(1), Some(2)]);
    assert_eq!(row(&read(&passed_through)), expected);
    let old = json!({
        "platform": "Twitter", "id_str": "1", "user": { "screen_name": "ada" },
        "favorite_count": 4, "retweet_count": 2, "created_at": "1793527200",
    });
    let old = read(&old);
    assert_eq!(row(&old), (Platform::X, Some("ada"), Some("1"), [None, Some(4), None, Some(2)]));
    assert_eq!(old.posted_at, Some(datetime!(2026-11-01 10:00:00 UTC)));
}

#[test]
fn zero_is_a_count_and_takes_precedence_over_alternatives() {
    let item = json!({ "shortCode": "Abc", "videoPlayCount": 0, "videoViewCount": 99 });
    assert_eq!(read(&item).views, Some(0));
}

#[test]
fn invalid_item_has_a_flag_and_keeps_its_text() {
    for (text, flag) in [
        ("5", Flag::NotAnObject),
        ("null", Flag::NotAnObject),
        ("[{}]", Flag::NotAnObject),
        ("{\"a\":1e999999}", Flag::Unreadable),
        (r#"{"error":"not_found","errorDescription":"gone"}"#, Flag::ErrorItem),
        (r#"{"url":"https://www.instagram.com/ada/","error":"not_found"}"#, Flag::ErrorItem),
        (r#"{"title":"a page","likes":5}"#, Flag::NoPlatform),
        (r#"{"platform":"tiktok","diggCount":5}"#, Flag::NoName),
        (r#"{"diggCount":5,"id":"a\u0000b"}"#, Flag::NoName),
        (r#"{"shortCode":"Abc","ownerUsername":"ada"}"#, Flag::NoCounts),
        (r#"{"shortCode":"Abc","likesCount":"a lot","commentsCount":3}"#, Flag::BadCount),
        (r#"{"shortCode":"Abc","likesCount":true}"#, Flag::BadCount),
    ] {
        let metric = Metric::read(text.as_bytes(), None, ENDED);
        assert_eq!(metric.flag, Some(flag), "{text}");
        assert_eq!(metric.item.as_deref(), Some(text.as_bytes()), "{text}");
    }
    let nested = format!("{{\"a\":{}{}}}", "[".repeat(500), "]".repeat(500));
    assert_eq!(Metric::read(nested.as_bytes(), None, ENDED).flag, Some(Flag::Unreadable));
    let bad = json!({ "shortCode": "Abc", "likesCount": "a lot", "commentsCount": 3 });
    let bad = read(&bad);
    assert_eq!((bad.likes, bad.comments), (None, Some(3)), "the others are kept");
}

#[test]
fn platform_of_the_run_is_only_a_fallback() {
    let without_platform = Metric::read(br#"{"id":"1","likes":5}"#, None, ENDED);
    assert_eq!(without_platform.clone().with_platform(None).flag, Some(Flag::NoPlatform));
    let with_platform = without_platform.with_platform(Some(Platform::Youtube));
    assert_eq!(
        (with_platform.platform, with_platform.likes, with_platform.flag),
        (Some(Platform::Youtube), Some(5), None)
    );
    let own_platform = read(&json!({ "shortCode": "Abc", "likesCount": 1 }));
    assert_eq!(
        own_platform.with_platform(Some(Platform::Youtube)).platform,
        Some(Platform::Instagram)
    );
}

#[test]
fn key_depends_on_post_and_time_only() {
    let key = |item: Value| read(&item).key;
    let one = key(json!({ "shortCode": "Abc", "ownerUsername": "ada", "likesCount": 1 }));
    assert_eq!(one, key(json!({ "shortCode": "Abc", "ownerUsername": "ada", "likesCount": 2 })));
    assert_ne!(one, key(json!({ "shortCode": "Abd", "ownerUsername": "ada", "likesCount": 1 })));
    assert_ne!(one, key(json!({ "shortCode": "Abc", "ownerUsername": "eve", "likesCount": 1 })));
    let earlier = json!({
        "shortCode": "Abc", "ownerUsername": "ada", "likesCount": 1,
        "scrapedAt": "2026-11-20T11:00:00Z",
    });
    assert_ne!(one, key(earlier));
    let future = json!({
        "shortCode": "Abc", "ownerUsername": "ada", "likesCount": 1,
        "scrapedAt": "2030-01-01T00:00:00Z",
    });
    assert_eq!(one, key(future), "a time in the future is ignored");
    assert_eq!(key(json!({ "x": 1 })), key(json!({ "x": 1 })));
    assert_ne!(key(json!({ "x": 1 })), key(json!({ "x": 2 })));
}

#[test]
fn profile_is_read_from_its_own_platforms_fields() {
    let tiktok = json!({ "authorMeta": { "name": "Ada", "signature": "hello" } }).to_string();
    let profile = Profile::read(&tiktok, Platform::Tiktok).unwrap();
    assert_eq!((profile.handle.as_str(), profile.bio.as_deref()), ("ada", Some("hello")));
    assert_eq!(Profile::read(&tiktok, Platform::Instagram), None);
    let instagram = json!({ "username": "ada", "biography": "" }).to_string();
    let profile = Profile::read(&instagram, Platform::Instagram).unwrap();
    assert_eq!(profile.bio.as_deref(), Some(""));
    let post = json!({ "ownerUsername": "ada", "shortCode": "Abc" }).to_string();
    assert_eq!(Profile::read(&post, Platform::Instagram).unwrap().bio, None);
    for bad in ["5", "{}", "not json", r#"{"biography":"x"}"#] {
        assert_eq!(Profile::read(bad, Platform::Instagram), None, "{bad}");
    }
}

#[test]
fn time_out_of_range_in_utc_is_ignored() {
    let item = json!({
        "id": "7312345678901234567", "createTimeISO": "9999-12-31T23:59:59-01:00",
        "authorMeta": { "name": "ada" }, "playCount": 4500,
        "webVideoUrl": "https://www.tiktok.com/@ada/video/7312345678901234567",
    });
    let metric = read(&item);
    assert_eq!((metric.posted_at, metric.views), (None, Some(4500)));
}
