// One round trip with a client whose types come from docs/openapi.json: read a list, change
// something, see the change, and be refused with a typed problem.
import createClient from "openapi-fetch";
import type { components, paths } from "./schema.js";

declare const process: { argv: string[] };

function fail(what: string, value: unknown): never {
  throw new Error(`${what}: ${JSON.stringify(value)}`);
}

const [, , baseUrl, key] = process.argv;
if (baseUrl === undefined || key === undefined) fail("usage", "round-trip.js URL KEY");

const client = createClient<paths>({ baseUrl, headers: { authorization: `Bearer ${key}` } });

const listed = await client.GET("/api/v1/dead-letters", { params: { query: { limit: 1 } } });
const page = listed.data ?? fail("the dead letters cannot be listed", listed.error);
const first = page.items[0] ?? fail("there is no dead letter", page);
const id: number = first.id;
if (typeof page.next !== "string") fail("there is a second page", page.next);

const path = { delivery: id };
const body = { reason: "the client's round trip" };
const discarded = await client.POST("/api/v1/dead-letters/{delivery}/discard", {
  params: { path, header: { "Idempotency-Key": `round-trip-${id}` } },
  body,
});
if (discarded.data === undefined) fail("the dead letter cannot be discarded", discarded.error);

const shown = await client.GET("/api/v1/deliveries/{delivery}", { params: { path } });
const delivery = shown.data?.delivery ?? fail("the delivery cannot be read", shown.error);
if (delivery.resolution !== "discarded") fail("it was not discarded", delivery);

const refused = await client.POST("/api/v1/dead-letters/{delivery}/discard", {
  params: { path: { delivery: 999_999_999 } },
  body,
});
const problem: components["schemas"]["Problem"] = refused.error ?? fail("it is refused", refused.data);
if (problem.status !== 404) fail("the problem is another one", problem);

console.log(`discarded delivery ${id} of ${delivery.source}`);
