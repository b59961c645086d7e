// Turnkey: `@turnkey/crypto` verifies with verifyTurnkeyWebhookSignature; node:crypto signs.
import { generateKeyPairSync, sign } from 'node:crypto';
import { verifyTurnkeyWebhookSignature } from '@turnkey/crypto';

const { publicKey, privateKey } = generateKeyPairSync('ed25519');
const jwk = publicKey.export({ format: 'jwk' });
const keyId = 'webhook-key-1';
const deliveryHeaders = {
  'x-turnkey-event-id': 'evt-01930000-7000-8000',
  'x-turnkey-event-type': 'ACTIVITY_UPDATES',
  'x-turnkey-organization-id': '3f6d9c3e-8b41-4c7a-a5d0-9e1f7b3c2d64',
  'x-turnkey-signature-key-id': keyId,
  'x-turnkey-signature-algorithm': 'ed25519',
  'x-turnkey-signature-version': 'v1',
};

export default {
  package: '@turnkey/crypto',
  secret: Buffer.from(jwk.x, 'base64url').toString('hex'),
  contentType: 'application/json',
  body: '{"type":"ACTIVITY_UPDATES","organizationId":"3f6d9c3e-8b41-4c7a-a5d0-9e1f7b3c2d64","activity":{"id":"01930000-0000-7000-8000-000000000001","status":"ACTIVITY_STATUS_COMPLETED","name":"Zoë"}}',
  headers: deliveryHeaders,
  keys: {
    'https://api.turnkey.com/public/v1/discovery/webhooks/jwks': JSON.stringify({
      keys: [{ ...jwk, kid: keyId, alg: 'EdDSA', use: 'sig' }],
    }),
  },
  signs: 'ours',
  async sign({ body, headers, now }) {
    const all = { ...deliveryHeaders, ...headers, 'content-type': 'application/json', 'x-turnkey-timestamp': String(now * 1000) };
    const text = `v1.ed25519.${keyId}.${all['x-turnkey-timestamp']}.${all['x-turnkey-event-id']}.${body}`;
    return { headers: { ...all, 'x-turnkey-signature': sign(null, Buffer.from(text), privateKey).toString('hex') } };
  },
  async verify({ headers, body, secret }) {
    const result = verifyTurnkeyWebhookSignature({
      headers,
      body,
      verificationKeys: [{ keyId, publicKey: secret, algorithm: 'ed25519' }],
      maxTimestampAgeMs: 300_000,
    });
    if (!result.ok) throw new Error(result.reason);
    return true;
  },
};
