// Coinbase Commerce: coinbase-commerce-node signs (Webhook.computeSignature) and verifies (Webhook.verifySigHeader).
import commerce from 'coinbase-commerce-node';

const { Webhook } = commerce;

export default {
  package: 'coinbase-commerce-node',
  signs: 'vendor',
  secret: '7b1f0a52-9c0e-4d63-8f4e-0c5a1d2e3f40',
  contentType: 'application/json',
  body: JSON.stringify({
    id: '00000000-0000-4000-8000-000000000017',
    scheduled_for: '2023-11-14T22:13:20Z',
    attempt_number: 1,
    event: {
      id: '00000000-0000-4000-8000-000000000018',
      resource: 'event',
      type: 'charge:confirmed',
      api_version: '2018-03-22',
      created_at: '2023-11-14T22:13:20Z',
      data: { code: 'QUARRY17', name: 'Zoë & co', pricing_type: 'no_price' },
    },
  }),
  async sign({ body, secret, headers }) {
    const signature = Webhook.computeSignature(String(body), secret);
    return { headers: { 'content-type': 'application/json', ...headers, 'x-cc-webhook-signature': signature } };
  },
  async verify({ headers, body, secret }) {
    return Webhook.verifySigHeader(body.toString(), headers['x-cc-webhook-signature'], secret);
  },
};
