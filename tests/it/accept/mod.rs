//! Nothing authentic is lost or stuck: what is accepted, how it is named, and what is shown of it.

mod apify;
mod configured;
mod keys;
mod oversize;
mod shown;
mod spelling;
mod stripe;
