// Upstash QStash: @upstash/qstash verifies (Receiver.verify).
import { createHash, createHmac } from 'node:crypto';
import { Receiver } from '@upstash/qstash';

const segment = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

export default {
  package: '@upstash/qstash',
  signs: 'ours',
  secret: 'sig_QuarryCurrentSigningKeyForTests17',
  contentType: 'application/json',
  body: JSON.stringify({ order: 17, buyer: 'Zoë & co' }),
  headers: { 'upstash-message-id': 'msg_quarry17', 'upstash-retried': '0' },
  async sign({ url, body, secret, now, headers }) {
    const claims = {
      iss: 'Upstash',
      sub: url,
      exp: now + 300,
      nbf: now,
      iat: now,
      jti: `jwt_quarry${now}`,
      body: createHash('sha256').update(body).digest('base64url').padEnd(44, '='),
    };
    const text = `${segment({ alg: 'HS256', typ: 'JWT' })}.${segment(claims)}`;
    const token = `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
    return { headers: { 'content-type': 'application/json', ...headers, 'upstash-signature': token } };
  },
  async verify({ url, headers, body, secret }) {
    const receiver = new Receiver({ currentSigningKey: secret, nextSigningKey: secret });
    return receiver.verify({ signature: headers['upstash-signature'], body: body.toString(), url, clockTolerance: 1 });
  },
};
