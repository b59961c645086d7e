//! The fields of each platform's scrapers. Data: the first path that is present counts, even if it
//! is zero. A dot leads into an object, or is part of the name in a flattened dataset.
//!
//! The first path of each list is that of the newest version of the named actor; the others are of
//! its older versions, of other actors for the same platform, or of the platform's own API, which
//! some pass through.

use crate::providers::apify::Platform;

/// The paths of one platform's items.
pub(super) struct Shape {
    pub(super) platform: Platform,
    /// Fields that only this platform's items have.
    pub(super) marks: &'static [&'static str],
    /// The account's name.
    pub(super) handle: &'static [&'static str],
    /// The post's id.
    pub(super) post: &'static [&'static str],
    /// The post's URL.
    pub(super) url: &'static [&'static str],
    /// The time of publication.
    pub(super) posted_at: &'static [&'static str],
    pub(super) views: &'static [&'static str],
    pub(super) likes: &'static [&'static str],
    /// Comments or replies.
    pub(super) comments: &'static [&'static str],
    /// Shares or reposts.
    pub(super) shares: &'static [&'static str],
    /// The account's description of itself.
    pub(super) bio: &'static [&'static str],
}

/// URL fields that identify an item's platform, in this order.
pub(super) static ADDRESSES: &[&str] = &[
    "url",
    "webVideoUrl",
    "postUrl",
    "twitterUrl",
    "facebookUrl",
    "videoUrl",
    "profileUrl",
    "channelUrl",
    "inputUrl",
];

/// The time of the counts, for scrapers that report it.
pub(super) static OBSERVED_AT: &[&str] = &["scrapedAt", "scraped_at", "collectedAt", "fetchedAt"];

/// Fields that mark an item as an error report.
pub(super) static ERRORS: &[&str] = &["error", "errorDescription", "errorMessage", "noResults"];

pub(super) static SHAPES: [Shape; 5] = [TIKTOK, INSTAGRAM, X, YOUTUBE, FACEBOOK];

/// `clockworks/tiktok-scraper` and its profile scraper.
const TIKTOK: Shape = Shape {
    platform: Platform::Tiktok,
    marks: &["authorMeta", "diggCount", "webVideoUrl", "authorMeta.name"],
    handle: &[
        "authorMeta.name",
        "authorMeta.uniqueId",
        "author.uniqueId",
        "author.unique_id",
        "channel.username",
        "uniqueId",
        "username",
    ],
    post: &["id", "videoId", "aweme_id", "video.id"],
    url: &["webVideoUrl", "postPage", "videoUrl", "url"],
    posted_at: &["createTimeISO", "createTime", "uploadedAtFormatted", "uploadedAt", "create_time"],
    views: &["playCount", "stats.playCount", "statsV2.playCount", "statistics.play_count", "views"],
    likes: &["diggCount", "stats.diggCount", "statsV2.diggCount", "statistics.digg_count", "likes"],
    comments: &[
        "commentCount",
        "stats.commentCount",
        "statsV2.commentCount",
        "statistics.comment_count",
        "comments",
    ],
    shares: &[
        "shareCount",
        "stats.shareCount",
        "statsV2.shareCount",
        "statistics.share_count",
        "shares",
    ],
    bio: &["authorMeta.signature", "author.signature", "signature", "bio"],
};

/// `apify/instagram-scraper`, and its post, reel and profile scrapers. The short code identifies
/// the post, as in its URL: the `id` of a profile's item is the account's.
const INSTAGRAM: Shape = Shape {
    platform: Platform::Instagram,
    marks: &["shortCode", "ownerUsername", "biography", "igPlayCount"],
    handle: &["ownerUsername", "owner.username", "user.username", "username"],
    post: &["shortCode", "shortcode", "code"],
    url: &["url", "postUrl"],
    posted_at: &["timestamp", "takenAtTimestamp", "taken_at", "taken_at_timestamp"],
    views: &[
        "videoPlayCount",
        "igPlayCount",
        "videoViewCount",
        "playCount",
        "play_count",
        "video_view_count",
    ],
    likes: &["likesCount", "likes", "like_count", "edge_media_preview_like.count"],
    comments: &["commentsCount", "comments", "comment_count", "edge_media_to_comment.count"],
    shares: &["sharesCount", "reshareCount", "reshare_count"],
    bio: &["biography", "bio"],
};

/// `apidojo/twitter-scraper-lite` and `apidojo/twitter-user-scraper`. Shares are reposts: quotes
/// are posts of their own.
const X: Shape = Shape {
    platform: Platform::X,
    marks: &["retweetCount", "twitterUrl", "retweet_count", "isRetweet"],
    handle: &[
        "author.userName",
        "author.username",
        "author.screen_name",
        "user.screen_name",
        "user.username",
        "userName",
        "username",
        "screen_name",
    ],
    post: &["id", "tweetId", "id_str", "rest_id"],
    url: &["url", "twitterUrl", "tweetUrl"],
    posted_at: &["createdAt", "created_at", "date"],
    views: &["viewCount", "views.count", "views", "view_count", "impressionCount"],
    likes: &["likeCount", "favoriteCount", "favorite_count", "likes"],
    comments: &["replyCount", "reply_count", "replies"],
    shares: &["retweetCount", "retweet_count", "retweets"],
    bio: &["author.description", "user.description", "description", "bio"],
};

/// `streamers/youtube-scraper` and its channel scraper. Shares are not public.
const YOUTUBE: Shape = Shape {
    platform: Platform::Youtube,
    marks: &["channelName", "channelUsername", "numberOfSubscribers", "channelUrl"],
    handle: &["channelUsername", "channelHandle", "author.handle", "channelName", "channelTitle"],
    post: &["id", "videoId", "video_id"],
    url: &["url", "videoUrl"],
    posted_at: &["date", "uploadDate", "publishedAt", "datePublished"],
    views: &["viewCount", "views", "statistics.viewCount", "view_count"],
    likes: &["likes", "likeCount", "statistics.likeCount", "like_count"],
    comments: &["commentsCount", "commentCount", "statistics.commentCount", "comments"],
    shares: &["shareCount", "shares"],
    bio: &["channelDescription", "aboutChannelInfo.channelDescription", "channel.description"],
};

/// `apify/facebook-posts-scraper`, and its pages and reels scrapers.
const FACEBOOK: Shape = Shape {
    platform: Platform::Facebook,
    marks: &["pageName", "facebookUrl", "facebookId", "pageUrl", "reactionLikeCount"],
    handle: &["pageName", "user.profileName", "pageProfileName", "user.name", "author.name"],
    post: &["postId", "post_id", "videoId", "legacyId"],
    url: &["url", "postUrl", "topLevelUrl", "facebookUrl"],
    posted_at: &["time", "timestamp", "publishedAt", "date"],
    views: &["viewsCount", "viewCount", "playCount", "videoViewCount", "views"],
    likes: &["likes", "likesCount", "reactionLikeCount", "reactionsCount", "reactions_count"],
    comments: &["comments", "commentsCount", "comments_count"],
    shares: &["shares", "sharesCount", "shareCount", "reshare_count"],
    bio: &["intro", "about", "info", "bio"],
};
