// Standard Webhooks: standardwebhooks signs (Webhook.sign) and verifies (Webhook.verify).
import { Webhook } from 'standardwebhooks';

export default {
  package: 'standardwebhooks',
  signs: 'vendor',
  secret: 'whsec_c3RhbmRhcmQtd2ViaG9va3MtdGVzdC1rZXk=',
  contentType: 'application/json',
  body: JSON.stringify({
    type: 'invoice.paid',
    timestamp: '2026-03-01T09:30:00.000000Z',
    data: { id: 'in_17', customer: 'Zoë & co', total: 1700 },
  }),
  async sign({ body, secret, now }) {
    const id = 'msg_standard17';
    const signature = new Webhook(secret).sign(id, new Date(now * 1000), body);
    return { headers: { 'webhook-id': id, 'webhook-timestamp': String(now), 'webhook-signature': signature } };
  },
  async verify({ headers, body, secret }) {
    new Webhook(secret).verify(body, headers);
    return true;
  },
};
