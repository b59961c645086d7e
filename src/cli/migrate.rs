//! `sealpost migrate`: migrate the database schema.

use super::{Exit, block_on, database};
use crate::config::Config;

pub(super) fn run(config: &Config) -> anyhow::Result<Exit> {
    let database = database::open_shared(config)?;
    block_on(async {
        database::prepare(config, &database.target).await?;
        database.target.migrate().await?;
        Ok(Exit::Ok)
    })
}
