// Telnyx: telnyx verifies (webhooks.unwrap); node:crypto signs.
import { generateKeyPairSync, sign } from 'node:crypto';
import Telnyx from 'telnyx';

const { publicKey, privateKey } = generateKeyPairSync('ed25519');

export default {
  package: 'telnyx',
  signs: 'ours',
  // The account's public key, as the portal shows it: 32 bytes in base64.
  secret: Buffer.from(publicKey.export({ format: 'jwk' }).x, 'base64url').toString('base64'),
  contentType: 'application/json',
  body: JSON.stringify({
    data: {
      event_type: 'message.finalized',
      id: 'b301ed3f-0000-4000-8000-000000000001',
      occurred_at: '2023-11-14T22:13:20.000+00:00',
      payload: {
        id: '834f3d53-0000-4000-8000-000000000001',
        text: 'Zoë & co',
        to: [{ phone_number: '+447700900001', status: 'delivered' }],
      },
      record_type: 'event',
    },
    meta: { attempt: 1, delivered_to: 'https://hooks.example.com/telnyx' },
  }),
  async sign({ body, now, headers }) {
    const signature = sign(null, Buffer.concat([Buffer.from(`${now}|`), Buffer.from(body)]), privateKey);
    return {
      headers: {
        'content-type': 'application/json',
        ...headers,
        'telnyx-timestamp': String(now),
        'telnyx-signature-ed25519': signature.toString('base64'),
      },
    };
  },
  async verify({ headers, body, secret }) {
    await new Telnyx({ apiKey: 'unused' }).webhooks.unwrap(body.toString(), { headers, key: secret });
    return true;
  },
};
