// GoCardless: gocardless-nodejs verifies (webhooks.parse).
import { parse } from 'gocardless-nodejs/webhooks';

export default {
  package: 'gocardless-nodejs',
  secret: 'gocardless-endpoint-secret-for-tests',
  contentType: 'application/json',
  body: JSON.stringify({
    events: [
      {
        id: 'EVQUARRY000001',
        created_at: '2023-11-14T22:13:20.000Z',
        resource_type: 'payments',
        action: 'confirmed',
        links: { payment: 'PMQUARRY000001' },
        details: { origin: 'gocardless', cause: 'payment_confirmed', description: 'Zoë & co' },
        metadata: {},
      },
      {
        id: 'EVQUARRY000002',
        created_at: '2023-11-14T22:13:21.000Z',
        resource_type: 'mandates',
        action: 'active',
        links: { mandate: 'MDQUARRY000001' },
        details: { origin: 'gocardless', cause: 'mandate_activated' },
        metadata: {},
      },
    ],
    meta: { webhook_id: 'WBQUARRY000001' },
  }),
  async verify({ headers, body, secret }) {
    return parse(body, secret, headers['webhook-signature']).length > 0;
  },
};
