// What both servers share: a pool, one table with one unique key, and two processes.
import cluster from "node:cluster";
import pg from "pg";
import Stripe from "stripe";

const { DATABASE_URL, SECRET } = process.env;
export const PORT = Number(process.env.PORT);
const PROCESSES = 2;
const CONNECTIONS = 10;

const stripe = new Stripe("sk_test_unused");

/// The event of a request that Stripe signed; throws if it did not.
export const verified = (body, signature) =>
  stripe.webhooks.constructEvent(body, signature, SECRET);

const INSERT = {
  name: "insert",
  text: `INSERT INTO webhook_events (id, type, body) VALUES ($1, $2, $3)
         ON CONFLICT (id) DO NOTHING`,
};

/// Stores an event once; true where it is new. It is committed when this returns.
export const store = async (pool, event, body) => {
  const result = await pool.query({ ...INSERT, values: [event.id, event.type, body] });
  return result.rowCount === 1;
};

/// Runs `serve` in two processes, each with a pool, after the table exists.
export const run = async (serve) => {
  if (!cluster.isPrimary) {
    await serve(new pg.Pool({ connectionString: DATABASE_URL, max: CONNECTIONS }));
    return;
  }
  const client = new pg.Client({ connectionString: DATABASE_URL });
  await client.connect();
  await client.query(`CREATE TABLE IF NOT EXISTS webhook_events (
    id text PRIMARY KEY, type text NOT NULL, received_at timestamptz NOT NULL DEFAULT now(),
    body bytea NOT NULL)`);
  await client.end();
  for (let number = 0; number < PROCESSES; number += 1) cluster.fork();
  process.on("SIGTERM", () => process.exit(0));
};
