// Plivo, V2 signature: plivo verifies (validateSignature); it covers the URL and a nonce, not the body.
import { validateSignature } from 'plivo';

export default {
  package: 'plivo',
  secret: 'plivo-auth-token-for-tests',
  contentType: 'application/x-www-form-urlencoded',
  body: new URLSearchParams({
    From: '447700900001',
    To: '447700900002',
    Text: 'Zoë & co',
    Type: 'sms',
    MessageUUID: 'ccccccccc-0000-4000-8000-000000000001',
  }).toString(),
  headers: { 'x-plivo-signature-v2-nonce': '12345678901234567890' },
  async verify({ url, headers, secret }) {
    return validateSignature(url, headers['x-plivo-signature-v2-nonce'], headers['x-plivo-signature-v2'], secret);
  },
};
