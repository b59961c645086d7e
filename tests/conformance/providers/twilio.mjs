// Twilio (form body): twilio signs (getExpectedTwilioSignature) and verifies (validateRequest).
import { parse } from 'node:querystring';
import twilio from 'twilio';

const contentType = 'application/x-www-form-urlencoded';

export default {
  package: 'twilio',
  signs: 'vendor',
  secret: 'twilio-auth-token-for-tests',
  contentType,
  body: new URLSearchParams({
    ToCountry: 'GB',
    MessageSid: 'SM-quarry-0001',
    SmsStatus: 'received',
    Body: 'Zoë & co: is the crane free?',
    From: '+447700900001',
    To: '+447700900002',
    NumMedia: '0',
    AccountSid: 'AC-quarry-0001',
    ApiVersion: '2010-04-01',
  }).toString(),
  headers: { 'i-twilio-idempotency-token': '6a1e3c5e-0000-4000-8000-000000000001' },
  async sign({ url, body, secret, headers }) {
    const signature = twilio.getExpectedTwilioSignature(secret, url, parse(String(body)));
    return { headers: { 'content-type': contentType, ...headers, 'x-twilio-signature': signature } };
  },
  async verify({ url, headers, body, secret }) {
    return twilio.validateRequest(secret, headers['x-twilio-signature'], url, parse(body.toString()));
  },
};
