// Box (V2 webhooks): box-node-sdk signs (computeWebhookSignature) and verifies (WebhooksManager.validateMessage).
import { computeWebhookSignature } from 'box-node-sdk/lib/internal/utils';
import { WebhooksManager } from 'box-node-sdk/lib/managers/webhooks';

export default {
  package: 'box-node-sdk',
  signs: 'vendor',
  secret: 'box-primary-key-for-tests-17', // the primary key
  contentType: 'application/json',
  body: JSON.stringify({
    type: 'webhook_event',
    id: '00000000-0000-4000-8000-000000000017',
    created_at: '2023-11-14T22:13:20-08:00',
    trigger: 'FILE.UPLOADED',
    webhook: { id: '17', type: 'webhook' },
    source: { id: '1717171717', type: 'file', name: 'Zoë & co.pdf' },
  }),
  headers: { 'box-signature-version': '1', 'box-signature-algorithm': 'HmacSHA256', 'box-delivery-id': '00000000-0000-4000-8000-000000000018' },
  async sign({ body, secret, now, headers }) {
    const signed = {
      'content-type': 'application/json',
      ...headers,
      'box-delivery-timestamp': new Date(Math.floor(now) * 1000).toISOString().replace('.000Z', 'Z'),
    };
    signed['box-signature-primary'] = await computeWebhookSignature(String(body), signed, secret);
    return { headers: signed };
  },
  async verify({ headers, body, secret }) {
    return WebhooksManager.validateMessage(body.toString(), headers, secret);
  },
};
