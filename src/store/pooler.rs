//! Detects a connection pooler that assigns sessions to other clients after every transaction.
//! Prepared statements, session settings and notifications fail through it, but seem to work while
//! there is only one client.

use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, Row};

use super::{ErrorKind, OpenError};

/// The timeout of the check: a pooler with a single connection has none left for the second client.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Checks that a session is not shared: a setting made on one connection is not visible on another,
/// and still is on the first one after the other has begun a transaction.
///
/// It uses simple statements, since prepared ones may fail.
///
/// # Errors
/// [`OpenError::Pooler`] if it is shared.
pub(super) async fn check(options: &PgConnectOptions) -> Result<(), OpenError> {
    let options = options.clone().extra_float_digits(None);
    let mut ours = options.connect().await.map_err(OpenError::connect)?;
    let mut other = options.connect().await.map_err(OpenError::connect)?;
    let mark = format!("{:016x}", rand::random::<u64>());
    let set = format!("SELECT set_config('sealpost.session', '{mark}', false)");
    let found = async {
        ask(&mut ours, &set).await?;
        sqlx::raw_sql("BEGIN").execute(&mut other).await?;
        let other_mark = ask(&mut other, READ_MARK).await?;
        let own = ask(&mut ours, READ_MARK).await?;
        sqlx::raw_sql("ROLLBACK").execute(&mut other).await?;
        Ok::<_, sqlx::Error>((other_mark, own))
    };
    let (other_mark, own) = match tokio::time::timeout(TIMEOUT, found).await {
        Ok(Ok(found)) => found,
        // No server rejects these statements, but a pooler in statement mode does.
        Ok(Err(error)) if ErrorKind::of(&error) == ErrorKind::Unreachable => {
            return match error {
                sqlx::Error::Database(_) => Err(OpenError::Pooler),
                _ => Err(OpenError::connect(error)),
            };
        }
        Ok(Err(error)) => return Err(OpenError::connect(error)),
        Err(_) => return Err(OpenError::Pooler),
    };
    for connection in [ours, other] {
        drop(tokio::time::timeout(TIMEOUT, connection.close()).await);
    }
    let mark = Some(mark);
    if other_mark == mark || own != mark { Err(OpenError::Pooler) } else { Ok(()) }
}

const READ_MARK: &str = "SELECT current_setting('sealpost.session', true)";

async fn ask(connection: &mut PgConnection, query: &str) -> Result<Option<String>, sqlx::Error> {
    let row = sqlx::raw_sql(AssertSqlSafe(query.to_owned())).fetch_one(connection).await?;
    row.try_get(0)
}
