// Sends like Stripe (signed by its library), Docora, the relay of Apify and the bot.
// Usage: node send.cjs URL
const { createHash, createHmac, randomBytes, randomUUID } = require("node:crypto");
const Stripe = require("stripe");

const url = process.argv[2];
const now = Math.floor(Date.now() / 1000);
const { BILLING_SECRET, CARDS_SECRET, APIFY_SECRET, BOT_SECRET, BOT_TOKEN } = process.env;

const hmac = (secret, ...parts) => {
  const mac = createHmac("sha256", secret);
  for (const part of parts) mac.update(part);
  return mac.digest("hex");
};
const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");

async function post(path, headers, body) {
  const response = await fetch(url + path, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body,
    redirect: "manual",
  });
  await response.arrayBuffer();
  return response.status;
}

async function both(name, path, headers, text) {
  const body = Buffer.from(text);
  console.log(`${name} ${await post(path, headers, body)}`);
  const flipped = Buffer.from(body);
  flipped[Math.floor(flipped.length / 2)] ^= 1;
  console.log(`${name} flipped ${await post(path, headers, flipped)}`);
}

async function stripe() {
  const payload = JSON.stringify(
    {
      id: "evt_node",
      object: "event",
      type: "checkout.session.completed",
      created: now,
      livemode: false,
      data: {
        object: {
          id: "cs_test_node",
          object: "checkout.session",
          payment_status: "paid",
          customer_details: { name: "Zoë 🏋️" },
          metadata: { invoice_id: "inv_node" },
        },
      },
    },
    null,
    2,
  );
  const library = new Stripe("sk_test_unused");
  const header = library.webhooks.generateTestHeaderString({ payload, secret: BILLING_SECRET });
  await both("stripe", "/hooks/billing", { "stripe-signature": header }, payload);
}

function docoraHeaders(text) {
  return {
    "x-docora-app-id": "app_0123456789abcdef01234567",
    "x-docora-timestamp": String(now),
    "x-docora-signature": `sha256=${hmac(CARDS_SECRET, `${now}.`, text)}`,
  };
}

function docoraBody(file) {
  return JSON.stringify({
    repository: {
      repository_id: "repo_0123456789abcdef01234567",
      github_url: "https://github.com/o/r",
      owner: "o",
      name: "r",
    },
    file,
    commit_sha: "0123456789abcdef0123456789abcdef01234567",
    timestamp: new Date(now * 1000).toISOString(),
  });
}

async function docora() {
  const content = "---\ntitle: Squat è\n---\nBody 🏋️ \"q\" \\ </x>\u2028\u0001\n";
  const bytes = Buffer.from(content);
  const text = docoraBody({ path: "node.md", sha: sha256(bytes), size: bytes.length, content });
  await both("docora create", "/hooks/cards/create", docoraHeaders(text), text);

  // The sender splits the base64 text, not the bytes. All chunks but the last are checked here.
  const binary = randomBytes(1_200_000);
  const base64 = binary.toString("base64");
  const total = Math.ceil(base64.length / 524_288);
  const id = randomUUID();
  for (let index = 0; index < total; index += 1) {
    const chunk = docoraBody({
      path: "node.bin",
      sha: sha256(binary),
      size: binary.length,
      content: base64.slice(index * 524_288, (index + 1) * 524_288),
      content_encoding: "base64",
      chunk: { id, index, total },
    });
    if (index === total - 1) {
      await both("docora chunks", "/hooks/cards/create", docoraHeaders(chunk), chunk);
    } else {
      const status = await post("/hooks/cards/create", docoraHeaders(chunk), chunk);
      if (status !== 202) throw new Error(`chunk ${index} was answered ${status}`);
    }
  }
}

async function apify() {
  const text = JSON.stringify({
    eventType: "ACTOR.RUN.SUCCEEDED",
    eventData: { actorId: "fW4MyDhgwtMLrB987", actorRunId: "runNode" },
    resource: { id: "runNode", status: "SUCCEEDED" },
  });
  const header = `t=${now},v1=${hmac(APIFY_SECRET, `${now}.`, text)}`;
  await both("apify body", "/hooks/apify-runs", { "x-apify-webhook-signature": header }, text);
}

async function bot() {
  const text = JSON.stringify({ event: "post.submitted", id: "node" });
  const nonce = randomBytes(16).toString("base64url");
  const guild = "123456789012345678";
  const headers = {
    "x-service-name": "api",
    "x-timestamp": String(now),
    "x-nonce": nonce,
    "x-guild-id": guild,
    "x-signature": hmac(BOT_SECRET, `${now}:${nonce}:${guild}:`, text),
    authorization: `Bearer ${BOT_TOKEN}`,
  };
  await both("bot compat", "/hooks/bot", headers, text);
}

(async () => {
  await stripe();
  await docora();
  await apify();
  await bot();
})().catch((error) => {
  console.error(error);
  process.exit(1);
});
