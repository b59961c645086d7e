//! The stylesheet, the script and the icon. They are compiled in and named by their content hash,
//! so that browsers can cache them forever.

use std::sync::LazyLock;

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use sha2::{Digest, Sha256};

pub(in crate::web) const PATH: &str = "/assets/{name}";

pub(super) struct Asset {
    name: String,
    kind: &'static str,
    content: &'static str,
}

pub(super) static STYLE: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("console", "css", "text/css; charset=utf-8", include_str!("assets/console.css"))
});
pub(super) static SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("console", "js", "text/javascript; charset=utf-8", include_str!("assets/console.js"))
});

pub(super) static ICON: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("icon", "svg", "image/svg+xml", include_str!("assets/icon.svg")));

impl Asset {
    fn new(name: &str, end: &str, kind: &'static str, content: &'static str) -> Self {
        let digest = hex::encode(Sha256::digest(content.as_bytes()));
        let short = digest.get(..12).unwrap_or(&digest);
        Self { name: format!("{name}.{short}.{end}"), kind, content }
    }

    pub(super) fn href(&self) -> String {
        format!("/assets/{}", self.name)
    }
}

pub(in crate::web) async fn asset(name: web::Path<String>) -> HttpResponse {
    let mut all = [&*STYLE, &*SCRIPT, &*ICON].into_iter();
    let Some(asset) = all.find(|asset| asset.name == *name) else {
        return HttpResponse::NotFound()
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .finish();
    };
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, asset.kind))
        .insert_header((header::CACHE_CONTROL, "public, max-age=31536000, immutable"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header(("cross-origin-resource-policy", "same-origin"))
        .body(asset.content)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A colour of the stylesheet in both themes.
    fn colours(name: &str) -> [[f64; 3]; 2] {
        let rule = format!("--{name}: light-dark(");
        let (_, rest) = STYLE.content.split_once(&rule).unwrap_or_else(|| panic!("no --{name}"));
        let (pair, _) = rest.split_once(')').unwrap();
        let (light, dark) = pair.split_once(", ").unwrap();
        [light, dark].map(|colour| {
            let bytes = hex::decode(colour.trim_start_matches('#')).unwrap();
            [0, 1, 2].map(|at| {
                let part = f64::from(bytes[at]) / 255.0;
                if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
            })
        })
    }

    /// The contrast ratio according to WCAG 2.
    fn contrast(one: [f64; 3], other: [f64; 3]) -> f64 {
        let luminance = |[r, g, b]: [f64; 3]| 0.2126 * r + 0.7152 * g + 0.0722 * b;
        let (one, other) = (luminance(one) + 0.05, luminance(other) + 0.05);
        one.max(other) / one.min(other)
    }

    #[test]
    fn text_contrast_is_sufficient_in_both_themes() {
        let grounds = ["ground", "surface", "sunken"];
        let mut pairs: Vec<(&str, &str)> = Vec::new();
        for ground in grounds {
            pairs.extend(["text", "muted", "accent", "good", "warn", "bad"].map(|on| (on, ground)));
        }
        pairs.extend([("accent", "accent-ground"), ("text", "accent-ground")]);
        pairs.extend([("muted", "accent-ground"), ("on-accent", "accent")]);
        pairs.extend([("good", "good-ground"), ("warn", "warn-ground"), ("bad", "bad-ground")]);
        for (text, ground) in pairs {
            let (text_colours, ground_colours) = (colours(text), colours(ground));
            for theme in [0, 1] {
                let contrast = contrast(text_colours[theme], ground_colours[theme]);
                assert!(contrast >= 4.5, "{text} on {ground}, theme {theme}: {contrast:.2}");
            }
        }
    }

    #[test]
    fn field_border_contrast_is_sufficient_in_both_themes() {
        for ground in ["ground", "surface"] {
            let (edge, ground_colours) = (colours("edge"), colours(ground));
            for theme in [0, 1] {
                let contrast = contrast(edge[theme], ground_colours[theme]);
                assert!(contrast >= 3.0, "edge on {ground}, theme {theme}: {contrast:.2}");
            }
        }
    }

    #[test]
    fn name_changes_with_the_content() {
        let (one, other) = (Asset::new("a", "css", "", "x"), Asset::new("a", "css", "", "y"));
        assert_ne!(one.name, other.name);
        assert_eq!(one.name, Asset::new("a", "css", "", "x").name);
    }
}
