// Discord: discord-interactions verifies (verifyKey); node:crypto signs.
import { generateKeyPairSync, sign } from 'node:crypto';
import { verifyKey } from 'discord-interactions';

const { publicKey, privateKey } = generateKeyPairSync('ed25519');

export default {
  package: 'discord-interactions',
  signs: 'ours',
  // The application's public key, as the developer portal shows it: 32 bytes in hex.
  secret: Buffer.from(publicKey.export({ format: 'jwk' }).x, 'base64url').toString('hex'),
  contentType: 'application/json',
  // A webhook event: here type 1 is "event" (in an interaction, type 1 is a ping).
  body: JSON.stringify({
    version: 1,
    application_id: '1100000000000000001',
    type: 1,
    event: {
      type: 'APPLICATION_AUTHORIZED',
      timestamp: '2024-10-18T14:42:53.064834',
      data: {
        integration_type: 1,
        scopes: ['applications.commands'],
        user: { id: '1100000000000000002', username: 'zoë' },
      },
    },
  }),
  async sign({ body, now, headers }) {
    const timestamp = String(now);
    const signature = sign(null, Buffer.concat([Buffer.from(timestamp), Buffer.from(body)]), privateKey);
    return {
      headers: {
        'content-type': 'application/json',
        ...headers,
        'x-signature-timestamp': timestamp,
        'x-signature-ed25519': signature.toString('hex'),
      },
    };
  },
  async verify({ headers, body, secret }) {
    return verifyKey(body, headers['x-signature-ed25519'], headers['x-signature-timestamp'], secret);
  },
};
