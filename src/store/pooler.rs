//! Whether a connection pooler stands in between that gives sessions to others after every
//! transaction. Prepared statements, session settings and notifications do not work through it;
//! and while nobody else is there, they seem to.

use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, Row};

use super::{OpenError, Trouble};

/// How long each question may take: a pooler with one connection has none left for the second.
const WITHIN: Duration = Duration::from_secs(3);

/// Checks that a session is ours alone: what one connection says to it, another does not find, and
/// itself finds again, although in between the other has begun a transaction.
///
/// By plain statements: prepared ones may fail there already.
///
/// # Errors
/// [`OpenError::Pooler`] where it is not; [`OpenError::Connect`].
pub(super) async fn check(options: &PgConnectOptions) -> Result<(), OpenError> {
    let options = options.clone().extra_float_digits(None);
    let mut ours = options.connect().await.map_err(OpenError::connect)?;
    let mut other = options.connect().await.map_err(OpenError::connect)?;
    let mark = format!("{:016x}", rand::random::<u64>());
    let set = format!("SELECT set_config('sealpost.session', '{mark}', false)");
    let found = async {
        ask(&mut ours, &set).await?;
        sqlx::raw_sql("BEGIN").execute(&mut other).await?;
        let others = ask(&mut other, SEEN).await?;
        let again = ask(&mut ours, SEEN).await?;
        sqlx::raw_sql("ROLLBACK").execute(&mut other).await?;
        Ok::<_, sqlx::Error>((others, again))
    };
    let (others, again) = match tokio::time::timeout(WITHIN, found).await {
        Ok(Ok(found)) => found,
        // No server refuses these statements; a pooler does that gives each a session of its own.
        Ok(Err(error)) if Trouble::of(&error) == Trouble::Unreachable => {
            return match error {
                sqlx::Error::Database(_) => Err(OpenError::Pooler),
                _ => Err(OpenError::connect(error)),
            };
        }
        Ok(Err(error)) => return Err(OpenError::connect(error)),
        Err(_) => return Err(OpenError::Pooler),
    };
    for connection in [ours, other] {
        drop(tokio::time::timeout(WITHIN, connection.close()).await);
    }
    let mark = Some(mark);
    if others == mark || again != mark { Err(OpenError::Pooler) } else { Ok(()) }
}

const SEEN: &str = "SELECT current_setting('sealpost.session', true)";

async fn ask(connection: &mut PgConnection, query: &str) -> Result<Option<String>, sqlx::Error> {
    let row = sqlx::raw_sql(AssertSqlSafe(query.to_owned())).fetch_one(connection).await?;
    row.try_get(0)
}
