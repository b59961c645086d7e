//! Building blocks of pages: functions from plain values to markup. Untrusted text comes in as
//! strings and is written as text nodes; no part accepts untrusted markup.

mod bytes;
mod chart;
mod diff;
mod form;
mod list;
mod qr;
mod table;
mod values;

pub(super) use bytes::{BodyQuery, Bytes, Tab, bytes, command};
pub(super) use chart::{Bar, Curve, bars, curves, sparkline};
pub(super) use diff::diff;
pub(super) use form::{Choice, button, confirm, field, plain_lines, post, search, select};
pub(super) use list::{
    Facet, FacetValue, Pager, Step, empty, facets, pager, panel, terms, timeline,
};
pub(super) use qr::qr;
pub(super) use table::{NUMBER, TEXT, WIDE, table};
pub(super) use values::{
    BadgeTone, age, badge, count, id, link_path, name, number, short, size, stamp, took, typed,
    utc, visible, when,
};
