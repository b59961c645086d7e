// Google Pub/Sub push: google-auth-library verifies (OAuth2Client.verifyIdToken); the keys it fetches are a test one.
import { createSign, generateKeyPairSync } from 'node:crypto';
import { OAuth2Client } from 'google-auth-library';

const kid = 'quarry-17';
const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const pem = publicKey.export({ type: 'spki', format: 'pem' });
const jwk = { ...publicKey.export({ format: 'jwk' }), kid, alg: 'RS256', use: 'sig' };
const options = { audience: 'https://hooks.example.com/pubsub', service_account: 'push@quarry-17.iam.gserviceaccount.com' };

const client = new OAuth2Client();
client.transporter.request = async () => ({ data: { [kid]: pem }, headers: new Headers() });

const segment = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

export default {
  package: 'google-auth-library',
  signs: 'ours',
  secret: null,
  options,
  contentType: 'application/json',
  body: JSON.stringify({
    message: {
      attributes: { eventType: 'OBJECT_FINALIZE' },
      data: Buffer.from('Zoë & co').toString('base64'),
      messageId: '1717171717171717',
      publishTime: '2023-11-14T22:13:20.000Z',
    },
    subscription: 'projects/quarry-17/subscriptions/push',
  }),
  keys: { 'https://www.googleapis.com/oauth2/v3/certs': JSON.stringify({ keys: [jwk] }) },
  async sign({ now, headers }) {
    const claims = {
      iss: 'https://accounts.google.com',
      aud: options.audience,
      azp: '117171717171717171717',
      sub: '117171717171717171717',
      email: options.service_account,
      email_verified: true,
      iat: now,
      exp: now + 3600,
    };
    const text = `${segment({ alg: 'RS256', typ: 'JWT', kid })}.${segment(claims)}`;
    const token = `${text}.${createSign('RSA-SHA256').update(text).sign(privateKey, 'base64url')}`;
    return { headers: { 'content-type': 'application/json', ...headers, authorization: `Bearer ${token}` } };
  },
  async verify({ headers }) {
    const idToken = headers.authorization.replace(/^Bearer /, '');
    const ticket = await client.verifyIdToken({ idToken, audience: options.audience });
    return ticket.getPayload().email === options.service_account;
  },
};
