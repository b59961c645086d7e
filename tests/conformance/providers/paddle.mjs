// Paddle Billing: @paddle/paddle-node-sdk verifies (webhooks.isSignatureValid; it allows five seconds).
import { Paddle } from '@paddle/paddle-node-sdk';

export default {
  package: '@paddle/paddle-node-sdk',
  secret: 'pdl_ntfset_secret-for-tests',
  contentType: 'application/json',
  body: JSON.stringify({
    event_id: 'evt_01hf7yat00quarry00000000001',
    event_type: 'transaction.completed',
    occurred_at: '2023-11-14T22:13:20.000000Z',
    notification_id: 'ntf_01hf7yat00quarry00000000001',
    data: {
      id: 'txn_01hf7yat00quarry00000000001',
      status: 'completed',
      currency_code: 'GBP',
      custom_data: { customer: 'Zoë & co' },
    },
  }),
  async verify({ headers, body, secret }) {
    return new Paddle('unused').webhooks.isSignatureValid(body.toString(), secret, headers['paddle-signature']);
  },
};
