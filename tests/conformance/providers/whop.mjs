// Whop: @whop/sdk verifies (webhooks.unwrap).
import Whop from '@whop/sdk';

export default {
  package: '@whop/sdk',
  secret: 'whsec_d2hvcC13ZWJob29rLXRlc3Qta2V5LTE3LTE3',
  contentType: 'application/json',
  body: JSON.stringify({
    id: 'msg_whop17',
    api_version: 'v1',
    type: 'payment.succeeded',
    timestamp: '2026-03-01T09:30:00.000Z',
    company_id: 'biz_17',
    data: { id: 'pay_17', status: 'paid', total: 17.5, currency: 'eur', user: { name: 'Zoë & co' } },
  }),
  async verify({ headers, body, secret }) {
    new Whop({ apiKey: 'not-a-key' }).webhooks.unwrap(body.toString(), { headers, key: secret });
    return true;
  },
};
