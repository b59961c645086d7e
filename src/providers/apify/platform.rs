//! The platforms that runs look at.

use serde::Deserialize;
use url::Url;
use utoipa::ToSchema;

/// A platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Platform {
    /// `TikTok`.
    Tiktok,
    /// Instagram.
    Instagram,
    /// X, once Twitter.
    X,
    /// `YouTube`.
    Youtube,
    /// Facebook.
    Facebook,
}

impl Platform {
    pub const ALL: [Self; 5] =
        [Self::Tiktok, Self::Instagram, Self::X, Self::Youtube, Self::Facebook];

    /// The name in calls and tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tiktok => "tiktok",
            Self::Instagram => "instagram",
            Self::X => "x",
            Self::Youtube => "youtube",
            Self::Facebook => "facebook",
        }
    }

    /// The platform with this name; X also accepts its old name.
    pub fn read(word: &str) -> Option<Self> {
        let word = word.to_ascii_lowercase();
        match word.as_str() {
            "twitter" => Some(Self::X),
            word => Self::ALL.into_iter().find(|platform| platform.as_str() == word),
        }
    }

    /// The platform whose site a URL is on.
    pub(super) fn of_url(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        let host = url.host_str()?;
        let is_on = |domain: &&str| -> bool {
            host.strip_suffix(*domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        Self::ALL.into_iter().find(|platform| platform.domains().iter().any(is_on))
    }

    fn domains(self) -> &'static [&'static str] {
        match self {
            Self::Tiktok => &["tiktok.com"],
            Self::Instagram => &["instagram.com"],
            Self::X => &["x.com", "twitter.com"],
            Self::Youtube => &["youtube.com", "youtu.be"],
            Self::Facebook => &["facebook.com", "fb.watch", "fb.com"],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn url_identifies_its_platform_by_host_only() {
        for (url, platform) in [
            ("https://www.tiktok.com/@a/video/1", Some(Platform::Tiktok)),
            ("https://x.com/a/status/1", Some(Platform::X)),
            ("https://mobile.twitter.com/a", Some(Platform::X)),
            ("https://youtu.be/abc", Some(Platform::Youtube)),
            ("https://netflix.com/a", None),
            ("https://instagram.com.example/a", None),
            ("https://example.com/?u=https://instagram.com/", None),
            ("instagram.com/a", None),
        ] {
            assert_eq!(Platform::of_url(url), platform, "{url}");
        }
    }

    #[test]
    fn every_name_is_read_back() {
        for platform in Platform::ALL {
            assert_eq!(Platform::read(platform.as_str()), Some(platform));
        }
        assert_eq!(Platform::read("Twitter"), Some(Platform::X));
        assert_eq!(Platform::read("myspace"), None);
    }
}
