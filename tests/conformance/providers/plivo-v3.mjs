// Plivo, V3 signature: plivo verifies (validateV3Signature).
import { parse } from 'node:querystring';
import { validateV3Signature } from 'plivo';

export default {
  package: 'plivo',
  secret: 'plivo-auth-token-for-tests',
  contentType: 'application/x-www-form-urlencoded',
  body: new URLSearchParams({
    CallUUID: 'dddddddd-0000-4000-8000-000000000001',
    From: '447700900001',
    To: '447700900002',
    CallerName: 'Zoë & co',
    Event: 'Hangup',
    Duration: '17',
  }).toString(),
  headers: { 'x-plivo-signature-v3-nonce': '12345678901234567890' },
  async verify({ method = 'POST', url, headers, body, secret }) {
    const nonce = headers['x-plivo-signature-v3-nonce'];
    const signature = headers['x-plivo-signature-v3'];
    return validateV3Signature(method, url, nonce, secret, signature, { ...parse(body.toString()) });
  },
};
