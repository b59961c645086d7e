// Clerk: @clerk/backend verifies (verifyWebhook).
import { verifyWebhook } from '@clerk/backend/webhooks';

export default {
  package: '@clerk/backend',
  secret: 'whsec_Y2xlcmstZW5kcG9pbnQtdGVzdC1rZXktMTc=',
  contentType: 'application/json',
  body: JSON.stringify({
    data: { id: 'user_17', object: 'user', first_name: 'Zoë', last_name: 'of Zoë & co' },
    event_attributes: { http_request: { client_ip: '192.0.2.17', user_agent: 'Firefox' } },
    instance_id: 'ins_17',
    object: 'event',
    timestamp: 1772357400000,
    type: 'user.created',
  }),
  async verify({ method, url, headers, body, secret }) {
    await verifyWebhook(new Request(url, { method, headers, body }), { signingSecret: secret });
    return true;
  },
};
