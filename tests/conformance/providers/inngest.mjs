// Inngest (calls to the app): inngest signs (signDataWithKey) and verifies (the handler of serve).
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { Inngest } from 'inngest';
import { serve } from 'inngest/edge';

const require = createRequire(import.meta.url);
const { signDataWithKey } = require(join(dirname(require.resolve('inngest')), 'helpers', 'net.cjs')); // not exported
const quiet = { debug() {}, info() {}, warn() {}, error() {} };

export default {
  package: 'inngest',
  signs: 'vendor',
  secret: 'signkey-prod-00000000000000000000000000000017',
  contentType: 'application/json',
  // Keys in their canonical (sorted) order, as the sender writes them: the package signs the canonical JSON.
  body: JSON.stringify({
    ctx: { attempt: 0, fn_id: 'quarry-order', run_id: '01QUARRY000000000000000017' },
    event: { data: { buyer: 'Zoë & co' }, id: '01QUARRY000000000000000018', name: 'shop/order.created', ts: 1700000000000 },
    events: [],
    steps: {},
    version: 1,
  }),
  headers: { 'x-inngest-server-kind': 'cloud' },
  async sign({ body, secret, now, headers }) {
    const signature = await signDataWithKey(JSON.parse(body), secret, String(now), quiet);
    return { headers: { 'content-type': 'application/json', ...headers, 'x-inngest-signature': `t=${now}&s=${signature}` } };
  },
  async verify({ method, url, headers, body, secret }) {
    const client = new Inngest({ id: 'quarry', isDev: false, signingKey: secret, logger: quiet });
    const order = client.createFunction({ id: 'order', triggers: { event: 'shop/order.created' } }, async () => 'done');
    const target = new URL(url);
    target.search = '?fnId=quarry-order&stepId=step';
    const response = await serve({ client, functions: [order] })(new Request(target, { method, headers: { ...headers, host: target.host }, body }));
    return response.status === 200 || response.status === 206;
  },
};
