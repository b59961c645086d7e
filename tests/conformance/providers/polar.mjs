// Polar: @polar-sh/sdk verifies (validateEvent). The whole secret is the key.
import { validateEvent } from '@polar-sh/sdk/webhooks';

export default {
  package: '@polar-sh/sdk',
  secret: 'polar_whs_secret-for-tests-17',
  contentType: 'application/json',
  // The package also checks the event's members.
  body: JSON.stringify({
    type: 'member.created',
    timestamp: '2026-03-01T09:30:00Z',
    data: {
      id: '00000000-0000-4000-8000-000000000017',
      created_at: '2026-03-01T09:30:00Z',
      modified_at: null,
      customer_id: '00000000-0000-4000-8000-000000000018',
      email: 'zoe@example.com',
      name: 'Zoë & co',
      external_id: null,
      role: 'member',
    },
  }),
  async verify({ headers, body, secret }) {
    validateEvent(body, headers, secret);
    return true;
  },
};
