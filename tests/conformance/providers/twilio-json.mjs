// Twilio (JSON body): twilio signs (getExpectedBodyHash, getExpectedTwilioSignature) and verifies (validateRequestWithBody).
import twilio from 'twilio';

export default {
  package: 'twilio',
  signs: 'vendor',
  secret: 'twilio-auth-token-for-tests',
  contentType: 'application/json',
  body: JSON.stringify({
    AccountSid: 'AC-quarry-0001',
    ConversationSid: 'CH-quarry-0001',
    EventType: 'onMessageAdded',
    Author: 'zoë',
    Body: 'is the crane free?',
  }),
  headers: { 'i-twilio-idempotency-token': '6a1e3c5e-0000-4000-8000-000000000002' },
  async sign({ url, body, secret, headers }) {
    // The body's hash travels in the query, and the signature covers the URL.
    const signed = `${url}${url.includes('?') ? '&' : '?'}bodySHA256=${twilio.getExpectedBodyHash(body)}`;
    const signature = twilio.getExpectedTwilioSignature(secret, signed, {});
    return { url: signed, headers: { 'content-type': 'application/json', ...headers, 'x-twilio-signature': signature } };
  },
  async verify({ url, headers, body, secret }) {
    return twilio.validateRequestWithBody(secret, headers['x-twilio-signature'], url, body.toString());
  },
};
