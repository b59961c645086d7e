// Seam: @seamapi/webhook verifies (SeamWebhook.verify).
import { SeamWebhook } from '@seamapi/webhook';

export default {
  package: '@seamapi/webhook',
  secret: 'whsec_c2VhbS13ZWJob29rLXRlc3Qta2V5LTE3LTE3',
  contentType: 'application/json',
  body: JSON.stringify({
    event_id: '00000000-0000-4000-8000-000000000017',
    event_type: 'lock.unlocked',
    workspace_id: '00000000-0000-4000-8000-000000000018',
    device_id: '00000000-0000-4000-8000-000000000019',
    device_name: 'Zoë & co: gate',
    created_at: '2026-03-01T09:30:00.000Z',
    occurred_at: '2026-03-01T09:29:59.000Z',
  }),
  async verify({ headers, body, secret }) {
    new SeamWebhook(secret).verify(body.toString(), headers);
    return true;
  },
};
