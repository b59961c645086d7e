// Vonage: @vonage/jwt verifies (verifySignature; it leaves payload_hash to its caller); node:crypto signs.
import { createHash, createHmac, randomUUID } from 'node:crypto';
import { verifySignature } from '@vonage/jwt';

const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

export default {
  package: '@vonage/jwt',
  signs: 'ours',
  secret: 'vonage-signature-secret-for-tests-0001',
  contentType: 'application/json',
  body: JSON.stringify({
    message_uuid: 'aaaaaaaa-0000-4000-8000-000000000001',
    to: '447700900001',
    from: '447700900002',
    timestamp: '2023-11-14T22:13:20Z',
    status: 'delivered',
    channel: 'sms',
    client_ref: 'Zoë & co',
  }),
  async sign({ body, secret, now, headers }) {
    const text = [
      part({ alg: 'HS256', typ: 'JWT' }),
      part({
        iat: now,
        jti: randomUUID(),
        iss: 'Vonage',
        payload_hash: createHash('sha256').update(body).digest('hex'),
        api_key: 'quarry01',
        application_id: 'aaaaaaaa-0000-4000-8000-0000000000aa',
      }),
    ].join('.');
    const signature = createHmac('sha256', secret).update(text).digest('base64url');
    return { headers: { 'content-type': 'application/json', ...headers, authorization: `Bearer ${text}.${signature}` } };
  },
  async verify({ headers, secret }) {
    return verifySignature(headers.authorization.replace(/^Bearer /, ''), secret);
  },
};
