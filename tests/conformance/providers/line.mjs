// LINE: @line/bot-sdk verifies (validateSignature).
import { validateSignature } from '@line/bot-sdk';

export default {
  package: '@line/bot-sdk',
  secret: 'line-channel-secret-for-tests',
  contentType: 'application/json',
  body: JSON.stringify({
    destination: 'U0000000000000000000000000000quarry',
    events: [
      {
        type: 'message',
        message: { type: 'text', id: '440000000000000001', text: 'Zoë & co' },
        webhookEventId: '01HF7YAT00QUARRY0000000001',
        deliveryContext: { isRedelivery: false },
        timestamp: 1700000000000,
        source: { type: 'user', userId: 'U000000000000000000000000000000zoe' },
        mode: 'active',
      },
      {
        type: 'follow',
        webhookEventId: '01HF7YAT00QUARRY0000000002',
        deliveryContext: { isRedelivery: false },
        timestamp: 1700000000500,
        source: { type: 'user', userId: 'U000000000000000000000000000000zoe' },
        mode: 'active',
      },
    ],
  }),
  async verify({ headers, body, secret }) {
    return validateSignature(body, secret, headers['x-line-signature']);
  },
};
