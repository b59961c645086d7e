// Square: square verifies (WebhooksHelper.verifySignature).
import { WebhooksHelper } from 'square';

export default {
  package: 'square',
  secret: 'square-signature-key-for-tests',
  contentType: 'application/json',
  body: JSON.stringify({
    merchant_id: 'MQUARRY000001',
    type: 'payment.updated',
    event_id: '13b867cf-0000-4000-8000-000000000001',
    created_at: '2023-11-14T22:13:20.000Z',
    data: {
      type: 'payment',
      id: 'pay-quarry-0001',
      object: {
        payment: { id: 'pay-quarry-0001', amount_money: { amount: 1700, currency: 'GBP' }, note: 'Zoë & co', status: 'COMPLETED' },
      },
    },
  }),
  async verify({ url, headers, body, secret }) {
    return WebhooksHelper.verifySignature({
      requestBody: body.toString(),
      signatureHeader: headers['x-square-hmacsha256-signature'],
      signatureKey: secret,
      notificationUrl: url,
    });
  },
};
