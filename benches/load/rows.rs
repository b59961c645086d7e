//! What the database does at most: the same bytes in one table with one unique index, without HTTP,
//! signatures and deliveries.

use bytes::Bytes;
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use crate::database::Database;
use crate::generator::Sender;

/// About what the gateway keeps of the headers of a request.
const HEADERS_BYTES: usize = 160;

pub(crate) async fn create_table(database: &Database) {
    database
        .execute(
            "CREATE TABLE rows (key uuid NOT NULL, received_at timestamptz NOT NULL,
                                headers bytea NOT NULL, body bytea NOT NULL);
             CREATE UNIQUE INDEX ON rows (key)",
        )
        .await;
}

/// Inserts groups of rows, each in one statement and one commit.
pub(crate) struct Groups {
    connection: PgConnection,
    size: usize,
    headers: Vec<u8>,
    body: Bytes,
}

impl Groups {
    pub(crate) async fn open(url: &str, size: usize, body: Bytes) -> Self {
        let connection = PgConnection::connect(url).await.unwrap();
        Self { connection, size, headers: vec![b'h'; HEADERS_BYTES], body }
    }
}

impl Sender for Groups {
    async fn send(&mut self, _: usize) {
        let now = time::OffsetDateTime::now_utc();
        let connection = &mut self.connection;
        if self.size == 1 {
            let insert = sqlx::query("INSERT INTO rows VALUES ($1, $2, $3, $4)");
            let insert = insert.bind(Uuid::new_v4()).bind(now);
            insert.bind(&self.headers[..]).bind(&self.body[..]).execute(connection).await.unwrap();
            return;
        }
        let keys: Vec<Uuid> = (0..self.size).map(|_| Uuid::new_v4()).collect();
        let insert = sqlx::query(
            "INSERT INTO rows
             SELECT UNNEST($1::uuid[]), UNNEST($2::timestamptz[]), UNNEST($3::bytea[]),
                    UNNEST($4::bytea[])",
        );
        let insert = insert.bind(keys).bind(vec![now; self.size]);
        let headers: Vec<&[u8]> = vec![&self.headers; self.size];
        let bodies: Vec<&[u8]> = vec![&self.body; self.size];
        insert.bind(headers).bind(bodies).execute(connection).await.unwrap();
    }
}
