// Linear: @linear/sdk verifies (LinearWebhookClient.verify), with the time in the body (within a minute).
import { createHmac } from 'node:crypto';
import { LinearWebhookClient } from '@linear/sdk/webhooks';

const event = (webhookTimestamp) =>
  JSON.stringify({
    action: 'create',
    type: 'Issue',
    createdAt: '2023-11-14T22:13:20.000Z',
    data: { id: '00000000-0000-4000-8000-000000000017', title: 'Zoë & co' },
    organizationId: '00000000-0000-4000-8000-000000000018',
    webhookId: '00000000-0000-4000-8000-000000000019',
    webhookTimestamp,
  });

export default {
  package: '@linear/sdk',
  signs: 'ours',
  secret: 'lin_wh_ForTestsOnly0000000000000017',
  contentType: 'application/json',
  get body() {
    return event(Date.now());
  },
  headers: { 'linear-event': 'Issue', 'linear-delivery': '00000000-0000-4000-8000-000000000020' },
  async sign({ body, secret, now, headers }) {
    const timed = JSON.stringify({ ...JSON.parse(body), webhookTimestamp: now * 1000 });
    const signature = createHmac('sha256', secret).update(timed).digest('hex');
    return { headers: { 'content-type': 'application/json', ...headers, 'linear-signature': signature }, body: timed };
  },
  async verify({ headers, body, secret }) {
    return new LinearWebhookClient(secret).verify(body, headers['linear-signature']);
  },
};
