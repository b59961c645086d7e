// Kinde: @kinde/webhooks verifies (decodeWebhook); the JWKS it fetches has a test key.
import { createSign, generateKeyPairSync } from 'node:crypto';
import { decodeWebhook } from '@kinde/webhooks';

const domain = 'quarry-17.kinde.com';
const jwksUrl = `https://${domain}/.well-known/jwks.json`;
const kid = 'quarry-17';
const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const jwks = { keys: [{ ...publicKey.export({ format: 'jwk' }), kid, alg: 'RS256', use: 'sig' }] };

const realFetch = globalThis.fetch;
globalThis.fetch = async (url, ...rest) => (String(url) === jwksUrl ? Response.json(jwks) : realFetch(url, ...rest));

const segment = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

function token(event) {
  const text = `${segment({ alg: 'RS256', typ: 'JWT', kid })}.${segment(event)}`;
  return `${text}.${createSign('RSA-SHA256').update(text).sign(privateKey, 'base64url')}`;
}

const event = {
  type: 'user.created',
  event_id: 'event_quarry0000000000000017',
  event_timestamp: '2023-11-14T22:13:20.000000+00:00',
  source: 'admin',
  data: { user: { id: 'kp_quarry17', first_name: 'Zoë & co' } },
};

export default {
  package: '@kinde/webhooks',
  signs: 'ours',
  secret: null,
  options: { domain },
  contentType: 'application/jwt',
  body: token(event),
  // The vendor's page names the address without .json; its package fetches the one with it.
  keys: { [jwksUrl]: JSON.stringify(jwks), [jwksUrl.replace('.json', '')]: JSON.stringify(jwks) },
  async sign({ now, headers }) {
    return { headers: { 'content-type': 'application/jwt', ...headers }, body: token({ ...event, iat: now }) };
  },
  async verify({ body }) {
    return (await decodeWebhook(body.toString(), `https://${domain}`)) !== null;
  },
};
