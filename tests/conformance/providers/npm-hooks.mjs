// npm hooks: npm-hook-receiver verifies (its server takes the request).
import { once } from 'node:events';
import makeReceiver from 'npm-hook-receiver';

export default {
  package: 'npm-hook-receiver',
  secret: 'npm-hook-secret-for-tests-17',
  contentType: 'application/json',
  body: JSON.stringify({
    event: 'package:publish',
    name: '@quarry/crane',
    type: 'package',
    version: '1.0.17',
    hookOwner: { username: 'zoe' },
    payload: { name: '@quarry/crane', description: 'Zoë & co' },
    change: { version: '1.0.17' },
    time: 1772357400000,
  }),
  async verify({ headers, body, secret }) {
    const receiver = makeReceiver({ secret, mount: '/hook' });
    receiver.listen(0, '127.0.0.1');
    await once(receiver, 'listening');
    try {
      const { 'content-type': type, 'x-npm-signature': signature = '' } = headers;
      const url = `http://127.0.0.1:${receiver.address().port}/hook`;
      const response = await fetch(url, { method: 'POST', headers: { 'content-type': type, 'x-npm-signature': signature }, body });
      return response.status === 200;
    } finally {
      receiver.close();
      receiver.server.closeAllConnections();
    }
  },
};
