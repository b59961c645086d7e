// Hookdeck: @hookdeck/sdk verifies (verifyWebhookSignature).
import { verifyWebhookSignature } from '@hookdeck/sdk/webhooks/helpers.js';

export default {
  package: '@hookdeck/sdk',
  secret: 'hookdeck-signing-secret-for-tests',
  contentType: 'application/json',
  body: JSON.stringify({ order: 17, status: 'paid', customer: 'Zoë & co' }),
  headers: {
    'x-hookdeck-eventid': 'evt_17',
    'x-hookdeck-requestid': 'req_17',
    'x-hookdeck-source-name': 'yard',
  },
  async verify({ headers, body, secret }) {
    const { isValidSignature } = await verifyWebhookSignature({ headers, rawBody: body.toString(), signingSecret: secret });
    return isValidSignature;
  },
};
