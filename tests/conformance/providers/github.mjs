// GitHub: @octokit/webhooks-methods signs (sign) and verifies (verify).
import { sign, verify } from '@octokit/webhooks-methods';

export default {
  package: '@octokit/webhooks-methods',
  signs: 'vendor',
  secret: 'github-webhook-secret-for-tests',
  contentType: 'application/json',
  body: JSON.stringify({
    action: 'opened',
    issue: { number: 17, title: 'Zoë & co: the crane squeaks', state: 'open' },
    repository: { id: 1717, name: 'crane', full_name: 'quarry/crane', private: true },
    sender: { id: 17, login: 'zoe', type: 'User' },
  }),
  headers: {
    'user-agent': 'GitHub-Hookshot/0000017',
    'x-github-delivery': '00000000-0000-4000-8000-000000000017',
    'x-github-event': 'issues',
    'x-github-hook-id': '17',
  },
  async sign({ body, secret, headers }) {
    return { headers: { ...headers, 'x-hub-signature-256': await sign(secret, body) } };
  },
  async verify({ headers, body, secret }) {
    return verify(secret, body.toString(), headers['x-hub-signature-256']);
  },
};
