// Finch: @tryfinch/finch-api signs (webhooks.signPayload) and verifies (webhooks.verifySignature).
import Finch from '@tryfinch/finch-api';

const { webhooks } = new Finch({ clientID: 'not-an-id', clientSecret: 'not-a-key' });

export default {
  package: '@tryfinch/finch-api',
  signs: 'vendor',
  secret: 'ZmluY2gtd2ViaG9vay10ZXN0LWtleS0xNy0xNw==',
  contentType: 'application/json',
  body: JSON.stringify({
    company_id: '00000000-0000-4000-8000-000000000017',
    connection_id: '00000000-0000-4000-8000-000000000018',
    event_type: 'individual.updated',
    data: { individual_id: '00000000-0000-4000-8000-000000000019', note: 'Zoë & co' },
  }),
  async sign({ body, secret, now }) {
    const eventId = 'event_finch17';
    const timestamp = new Date(now * 1000);
    const signature = webhooks.signPayload(body, { eventId, timestamp, secret: webhooks.parseSecret(secret) });
    return { headers: { 'finch-event-id': eventId, 'finch-timestamp': String(now), 'finch-signature': signature } };
  },
  async verify({ headers, body, secret }) {
    webhooks.verifySignature(body.toString(), headers, secret);
    return true;
  },
};
