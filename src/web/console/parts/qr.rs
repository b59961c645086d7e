//! QR codes.

use std::fmt::Write as _;

use maud::{Markup, html};
use qrcode::{Color, QrCode};

/// The quiet zone, in modules.
const MARGIN: usize = 4;

/// Empty if the text is too long.
pub(in crate::web::console) fn qr(text: &str) -> Markup {
    let Ok(code) = QrCode::new(text.as_bytes()) else { return html! {} };
    let (width, colors) = (code.width(), code.to_colors());
    let side = width + 2 * MARGIN;
    let mut path = String::new();
    for (place, _) in colors.iter().enumerate().filter(|(_, color)| **color == Color::Dark) {
        let (x, y) = (place % width + MARGIN, place / width + MARGIN);
        // Writing to a string never fails.
        let _written = write!(path, "M{x} {y}h1v1h-1z");
    }
    html! {
        svg .qr viewBox={ "0 0 " (side) " " (side) } role="img" shape-rendering="crispEdges"
            aria-label="QR code with the two-factor secret, for an authenticator app" {
            path d=(path) {}
        }
    }
}
