//! Connected accounts.

use sqlx::PgConnection;

use super::super::lifecycle::Place;
use super::Stamp;

/// The state of a connected account after an event.
pub(crate) struct AccountRow<'a> {
    pub(crate) account: &'a str,
    pub(crate) status: &'a str,
    pub(crate) details_submitted: bool,
    pub(crate) payouts_enabled: bool,
    pub(crate) charges_enabled: bool,
    pub(crate) place: &'a Place,
}

/// Writes the account's state unless a newer event is known; false if nothing changed.
pub(crate) async fn record_account(
    connection: &mut PgConnection,
    stamp: &Stamp,
    account: &AccountRow<'_>,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query!(
        r#"INSERT INTO stripe_accounts AS known
            (source, account, status, details_submitted, payouts_enabled, charges_enabled,
             livemode, as_of, as_of_rank, as_of_event)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
         ON CONFLICT (source, account) DO UPDATE SET
            status = excluded.status,
            details_submitted = excluded.details_submitted,
            payouts_enabled = excluded.payouts_enabled,
            charges_enabled = excluded.charges_enabled,
            as_of = excluded.as_of,
            as_of_rank = excluded.as_of_rank,
            as_of_event = excluded.as_of_event
         WHERE (excluded.as_of, excluded.as_of_rank, excluded.as_of_event COLLATE "C")
             > (known.as_of, known.as_of_rank, known.as_of_event COLLATE "C")"#,
        stamp.source,
        account.account,
        account.status,
        account.details_submitted,
        account.payouts_enabled,
        account.charges_enabled,
        stamp.livemode,
        account.place.at,
        account.place.rank,
        account.place.event,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() > 0)
}
