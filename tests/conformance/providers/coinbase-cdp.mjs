// Coinbase CDP and Hook0: hook0-client verifies (verifyWebhookSignature).
import { verifyWebhookSignature } from 'hook0-client';

export default {
  package: 'hook0-client',
  secret: '3f6c1d9a-52b7-4e08-9d41-7a0b6c5e4f17',
  contentType: 'application/json',
  body: JSON.stringify({
    eventType: 'onchain.activity.detected',
    network: 'base-mainnet',
    contractAddress: '0x0000000000000000000000000000000000000017',
    label: 'Zoë & co',
    value: '1700',
  }),
  headers: {
    'x-event-id': '00000000-0000-4000-8000-000000000017',
    'x-event-type': 'onchain.activity.detected',
  },
  async verify({ headers, body, secret }) {
    return verifyWebhookSignature(headers['x-hook0-signature'], body.toString(), new Headers(headers), secret, 300);
  },
};
