// WorkOS: @workos-inc/node signs (webhooks.computeSignature) and verifies (webhooks.verifyHeader), both of the parsed body.
import { WorkOS } from '@workos-inc/node';

const { webhooks } = new WorkOS('not-used');

export default {
  package: '@workos-inc/node',
  signs: 'vendor',
  secret: 'workos-webhook-secret-for-tests-17',
  contentType: 'application/json',
  body: JSON.stringify({
    id: 'event_QUARRY00000000000000000017',
    event: 'dsync.user.created',
    data: { id: 'directory_user_QUARRY17', object: 'directory_user', first_name: 'Zoë & co', state: 'active' },
    created_at: '2023-11-14T22:13:20.000Z',
  }),
  async sign({ body, secret, now, headers }) {
    const timestamp = now * 1000;
    const signature = await webhooks.computeSignature(timestamp, JSON.parse(body), secret);
    return { headers: { 'content-type': 'application/json', ...headers, 'workos-signature': `t=${timestamp}, v1=${signature}` } };
  },
  async verify({ headers, body, secret }) {
    return webhooks.verifyHeader({ payload: JSON.parse(body), sigHeader: headers['workos-signature'], secret });
  },
};
