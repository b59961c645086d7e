// An application that verifies with the library of Standard Webhooks. It responds 500 to the first
// attempt of each event. Prints its port, then a line of JSON for each request.
const { createHash } = require("node:crypto");
const { createServer } = require("node:http");
const { Webhook, WebhookVerificationError } = require("standardwebhooks");

const webhook = new Webhook(process.env.APP_SECRET);
const known = new Set();
const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");

function verify(body, headers) {
  try {
    return webhook.verify(body, headers);
  } catch (error) {
    if (error instanceof WebhookVerificationError) return undefined;
    throw error;
  }
}

// Variants with one byte changed.
function* altered(body, headers) {
  for (const place of [0, body.length >> 1, body.length - 1]) {
    const flipped = Buffer.from(body);
    flipped[place] ^= 1;
    yield [`body at ${place}`, flipped, headers];
  }
  const swap = (name, place, one, other) => {
    const text = headers[name];
    const by = text[place] === one ? other : one;
    return { ...headers, [name]: text.slice(0, place) + by + text.slice(place + 1) };
  };
  yield ["id", body, swap("webhook-id", 0, "0", "1")];
  yield ["timestamp", body, swap("webhook-timestamp", headers["webhook-timestamp"].length - 1, "0", "1")];
  yield ["signature", body, swap("webhook-signature", 10, "A", "B")];
}

const server = createServer(async (request, response) => {
  const parts = [];
  for await (const part of request) parts.push(part);
  const body = Buffer.concat(parts);
  const headers = request.headers;
  const event = verify(body, headers);
  const taken = [...altered(body, headers)].filter(([, b, h]) => verify(b, h) !== undefined);
  const content = event?.file?.content;
  const encoding = event?.file?.content_encoding ?? "utf8";
  console.log(
    JSON.stringify({
      id: headers["webhook-id"],
      timestamp: Number(headers["webhook-timestamp"]),
      source: headers["sealpost-source"],
      type: headers["sealpost-type"],
      accepted: event !== undefined,
      taken: taken.map(([what]) => what),
      body: sha256(body),
      file: content === undefined ? null : sha256(Buffer.from(content, encoding)),
    }),
  );
  const again = known.has(headers["webhook-id"]);
  known.add(headers["webhook-id"]);
  response.writeHead(again ? 204 : 500).end();
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
