// Modern Treasury: modern-treasury signs (webhooks.getSignature) and verifies (webhooks.validateSignature).
import ModernTreasury from 'modern-treasury';

const { webhooks } = new ModernTreasury({ apiKey: 'not-used', organizationID: 'not-used' });

export default {
  package: 'modern-treasury',
  signs: 'vendor',
  secret: 'modern-treasury-webhook-key-17',
  contentType: 'application/json',
  body: JSON.stringify({
    event: 'completed',
    data: {
      id: '00000000-0000-4000-8000-000000000017',
      object: 'payment_order',
      amount: 1700,
      currency: 'USD',
      description: 'Zoë & co',
      status: 'completed',
    },
  }),
  headers: { 'x-topic': 'payment_order', 'x-event-id': '00000000-0000-4000-8000-000000000018' },
  async sign({ body, secret, headers }) {
    const signature = webhooks.getSignature(String(body), { key: secret });
    return { headers: { 'content-type': 'application/json', ...headers, 'x-signature': signature } };
  },
  async verify({ headers, body, secret }) {
    return webhooks.validateSignature(body.toString(), headers, { key: secret });
  },
};
