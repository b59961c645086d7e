// MessageBird: messagebird verifies (webhookSignatureJwt.verify, from its own file); node:crypto signs.
import { createHash, createHmac, createSecretKey, randomUUID } from 'node:crypto';
import { verify } from 'messagebird/lib/webhook-signature-jwt.js';

const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
const sha256 = (data) => createHash('sha256').update(data).digest('hex');

export default {
  package: 'messagebird',
  signs: 'ours',
  secret: 'messagebird-signing-key-for-tests',
  contentType: 'application/json',
  body: JSON.stringify({
    type: 'message.created',
    conversation: { id: 'conv-quarry-0001', contactId: 'contact-zoe-0001', status: 'active' },
    message: {
      id: 'msg-quarry-0001',
      type: 'text',
      direction: 'received',
      content: { text: 'Zoë & co' },
      createdDatetime: '2023-11-14T22:13:20Z',
    },
  }),
  async sign({ url, body, secret, now, headers }) {
    const text = [
      part({ alg: 'HS256', typ: 'JWT' }),
      part({
        iss: 'MessageBird',
        nbf: now,
        iat: now,
        exp: now + 60,
        jti: randomUUID(),
        url_hash: sha256(url),
        payload_hash: sha256(body),
      }),
    ].join('.');
    const signature = createHmac('sha256', secret).update(text).digest('base64url');
    return { headers: { 'content-type': 'application/json', ...headers, 'messagebird-signature-jwt': `${text}.${signature}` } };
  },
  async verify({ url, headers, body, secret }) {
    return verify(url, body, headers['messagebird-signature-jwt'], createSecretKey(Buffer.from(secret)));
  },
};
