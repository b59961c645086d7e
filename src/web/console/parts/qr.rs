//! A text as squares that a phone reads.

use std::fmt::Write as _;

use maud::{Markup, html};
use qrcode::{Color, QrCode};

/// Room around it, in squares.
const MARGIN: usize = 4;

/// The picture; nothing where the text is too long for one.
pub(in crate::web::console) fn qr(text: &str) -> Markup {
    let Ok(code) = QrCode::new(text.as_bytes()) else { return html! {} };
    let (width, colors) = (code.width(), code.to_colors());
    let side = width + 2 * MARGIN;
    let mut path = String::new();
    for (place, _) in colors.iter().enumerate().filter(|(_, color)| **color == Color::Dark) {
        let (x, y) = (place % width + MARGIN, place / width + MARGIN);
        // Writing to a string does not fail.
        let _written = write!(path, "M{x} {y}h1v1h-1z");
    }
    html! {
        svg .qr viewBox={ "0 0 " (side) " " (side) } role="img" shape-rendering="crispEdges"
            aria-label="The second factor's secret, for an authenticator app to read" {
            path d=(path) {}
        }
    }
}
