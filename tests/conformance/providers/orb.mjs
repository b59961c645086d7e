// Orb: orb-billing signs (webhooks.signPayload) and verifies (webhooks.verifySignature).
import Orb from 'orb-billing';

const { webhooks } = new Orb({ apiKey: 'not-used' });

export default {
  package: 'orb-billing',
  signs: 'vendor',
  secret: 'orb-webhook-secret-for-tests-17',
  contentType: 'application/json',
  body: JSON.stringify({
    id: 'quarryEvent0017',
    created_at: '2023-11-14T22:13:20.000000+00:00',
    type: 'customer.created',
    details: {},
    customer: { id: 'quarryCustomer17', name: 'Zoë & co', currency: 'USD' },
  }),
  async sign({ body, secret, now, headers }) {
    const timestamp = new Date(now * 1000).toISOString().replace('Z', '000'); // microseconds, without a zone
    return {
      headers: {
        'content-type': 'application/json',
        ...headers,
        'x-orb-timestamp': timestamp,
        'x-orb-signature': webhooks.signPayload(String(body), { timestamp, secret }),
      },
    };
  },
  async verify({ headers, body, secret }) {
    webhooks.verifySignature(body.toString(), headers, secret);
    return true;
  },
};
