//! A table that becomes a list of cards on narrow screens.

use maud::{Markup, html};

#[derive(Debug, Clone, Copy)]
struct Column {
    label: &'static str,
    /// Its class: [`TEXT`], [`NUMBER`] or [`WIDE`].
    class: &'static str,
}

/// Short text.
pub(in crate::web::console) const TEXT: &str = "";
/// Numbers, set at the end.
pub(in crate::web::console) const NUMBER: &str = "num";
/// Text that may be long.
pub(in crate::web::console) const WIDE: &str = "wide";

/// A table; the first cell is the row header. Empty cells are left out of a card.
pub(in crate::web::console) fn table(
    caption: &str,
    columns: &[(&'static str, &'static str)],
    rows: &[Vec<Markup>],
) -> Markup {
    let columns: Vec<Column> =
        columns.iter().map(|(label, class)| Column { label, class }).collect();
    html! {
        div .scroll {
            table .cards {
                caption { span .sr { (caption) } }
                thead { tr {
                    @for column in &columns { th scope="col" class=(column.class) { (column.label) } }
                } }
                tbody {
                    @for row in rows { tr data-row { (cells(&columns, row)) } }
                }
            }
        }
    }
}

fn cells(columns: &[Column], row: &[Markup]) -> Markup {
    html! {
        @for (place, (column, cell)) in columns.iter().zip(row).enumerate() {
            @if place == 0 {
                th scope="row" class=(column.class) data-label=(column.label) { (cell) }
            } @else {
                @let none = if cell.0.is_empty() { " none" } else { "" };
                td class={ (column.class) (none) } data-label=(column.label) {
                    @if !cell.0.is_empty() { div { (cell) } }
                }
            }
        }
    }
}
