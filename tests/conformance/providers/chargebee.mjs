// Chargebee: chargebee verifies (basicAuthValidator); basic authentication, the body is not covered.
import { basicAuthValidator } from 'chargebee';

export default {
  package: 'chargebee',
  signs: 'ours',
  secret: 'quarry-hooks:chargebee-password-for-tests', // user name and password
  contentType: 'application/json',
  body: JSON.stringify({
    id: 'ev_quarry000000001',
    occurred_at: 1700000000,
    source: 'admin_console',
    object: 'event',
    api_version: 'v2',
    content: {
      subscription: { id: 'sub_quarry0001', status: 'active', object: 'subscription' },
      customer: { id: 'zoe', company: 'Zoë & co', object: 'customer' },
    },
    event_type: 'subscription_created',
    webhook_status: 'scheduled',
  }),
  async sign({ secret, headers }) {
    const credentials = Buffer.from(secret).toString('base64');
    return { headers: { 'content-type': 'application/json', ...headers, authorization: `Basic ${credentials}` } };
  },
  async verify({ headers, secret }) {
    await basicAuthValidator((user, password) => `${user}:${password}` === secret)(headers);
    return true;
  },
};
