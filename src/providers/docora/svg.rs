//! SVG images. They are text and may contain scripts, so they are stored but never trusted: a
//! server must not let a browser open one as a page.

use super::images::{Image, bounded};

/// The maximum offset of the root element, in bytes.
const MAX_HEAD: usize = 64 * 1024;

/// Finds the root element and its size.
///
/// # Errors
/// Why it is not an accepted SVG.
pub(super) fn inspect(content: &[u8]) -> Result<Image, String> {
    bounded(content)?;
    let head = content.get(..content.len().min(MAX_HEAD)).unwrap_or_default();
    let head = String::from_utf8_lossy(head);
    let root = root(head.strip_prefix('\u{feff}').unwrap_or(&head))?;
    let size = length(root, "width").zip(length(root, "height"));
    let size = size.or_else(|| view_box(root));
    Ok(Image { media_type: "image/svg+xml", size, resizable: false })
}

/// The inside of the root element's tag.
fn root(text: &str) -> Result<&str, String> {
    let no_svg = || "the content is not an SVG image".to_owned();
    let mut rest = text.trim_ascii_start();
    loop {
        let (begin, end) = if rest.starts_with("<?") {
            ("<?", "?>")
        } else if rest.starts_with("<!--") {
            ("<!--", "-->")
        } else if rest.get(..9).is_some_and(|tag| tag.eq_ignore_ascii_case("<!DOCTYPE")) {
            // An internal subset may declare entities that expand exponentially.
            if rest.split('>').next().is_some_and(|tag| tag.contains('[')) {
                return Err("the SVG declares entities of its own".to_owned());
            }
            ("<!", ">")
        } else {
            break;
        };
        let inside = rest.strip_prefix(begin).and_then(|inside| inside.split_once(end));
        rest = inside.ok_or_else(no_svg)?.1.trim_ascii_start();
    }
    let tag = rest.strip_prefix('<').ok_or_else(no_svg)?;
    // With or without a namespace prefix.
    let end = tag.find(|c: char| c.is_ascii_whitespace() || matches!(c, '>' | '/'));
    let (name, inside) = tag.split_at_checked(end.ok_or_else(no_svg)?).ok_or_else(no_svg)?;
    if name != "svg" && !name.ends_with(":svg") {
        return Err(no_svg());
    }
    inside.split_once('>').map(|(inside, _)| inside).ok_or_else(no_svg)
}

/// The value of an attribute.
fn attribute<'t>(tag: &'t str, name: &str) -> Option<&'t str> {
    let mut rest = tag;
    while let Some((key, value)) = rest.split_once('=') {
        let value = value.trim_ascii_start();
        let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        let (inside, after) = value.strip_prefix(quote)?.split_once(quote)?;
        if key.trim_ascii().trim_start_matches('/') == name {
            return Some(inside.trim_ascii());
        }
        rest = after;
    }
    None
}

/// A length in pixels.
fn length(tag: &str, name: &str) -> Option<u32> {
    let value = attribute(tag, name)?;
    pixels(value.strip_suffix("px").unwrap_or(value))
}

/// The size of the view box, if the element has no size.
fn view_box(tag: &str) -> Option<(u32, u32)> {
    let numbers = attribute(tag, "viewBox")?;
    let numbers = numbers.split(|c: char| c.is_ascii_whitespace() || c == ',');
    let mut size = numbers.filter(|number| !number.is_empty()).skip(2);
    Some((pixels(size.next()?)?, pixels(size.next()?)?))
}

fn pixels(number: &str) -> Option<u32> {
    let number: f64 = number.parse().ok()?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the range was checked"
    )]
    (0.5..1e6).contains(&number).then(|| number.round() as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_element_is_found_after_any_prolog() {
        for (text, size) in [
            ("<svg/>", None),
            ("<svg width=\"10\" height='20px'>", Some((10, 20))),
            (" \n<svg\nviewBox='0 0 12.4, 7.5'>", Some((12, 8))),
            ("<svg width='100%' height='100%' viewBox=\"0 0 3 4\"/>", Some((3, 4))),
            ("<svg width='1e9' height='-1'>", None),
            (
                "\u{feff}<?xml version='1.0'?>\n<!-- <b> -->\n<!DOCTYPE svg PUBLIC \"-//W3C\" \"x\">\n<svg:svg xmlns:svg='x' width='1' height='2'>",
                Some((1, 2)),
            ),
        ] {
            let image = inspect(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!((image.media_type, image.size), ("image/svg+xml", size), "{text}");
        }
    }

    #[test]
    fn svg_look_alike_is_rejected() {
        for text in [
            "",
            "<svg",
            "<svgx>",
            "text <svg/>",
            "<?xml version='1.0'?><html/>",
            "<!-- <svg/> -->",
            "<!-- <svg/>",
            "<html><svg/></html>",
            "<!DOCTYPE svg [<!ENTITY a \"b\">]><svg/>",
        ] {
            assert!(inspect(text.as_bytes()).is_err(), "{text}");
        }
    }
}
