// Retell AI: `retell-sdk` signs with symmetric.sign and verifies with verify.
import { symmetric, verify } from 'retell-sdk/lib/webhook_auth.js';

export default {
  package: 'retell-sdk',
  secret: 'key_3f7a9c1e5b8d2046f1a3c5e7b9d0',
  contentType: 'application/json',
  body: '{"event":"call_ended","call":{"call_type":"phone_call","call_id":"9f1c3e5a7b2d4f60","agent_id":"agent_1","direction":"inbound","start_timestamp":1790000000123,"end_timestamp":1790000060456,"disconnection_reason":"user_hangup","transcript":"Agent: Grüß Gott, Zoë"}}',
  signs: 'vendor',
  async sign({ headers, body, secret, now }) {
    const signature = await symmetric.sign(String(body), secret, now * 1000);
    return { headers: { ...headers, 'content-type': 'application/json', 'x-retell-signature': signature } };
  },
  async verify({ headers, body, secret }) {
    return verify(String(body), secret, headers['x-retell-signature']);
  },
};
