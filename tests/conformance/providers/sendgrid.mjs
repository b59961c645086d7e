// SendGrid Event Webhook: @sendgrid/eventwebhook verifies (EventWebhook.verifySignature); node:crypto signs.
import { generateKeyPairSync, sign } from 'node:crypto';
import { EventWebhook } from '@sendgrid/eventwebhook';

const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });

export default {
  package: '@sendgrid/eventwebhook',
  signs: 'ours',
  // The verification key, as the settings page shows it: an SPKI key in base64.
  secret: publicKey.export({ type: 'spki', format: 'der' }).toString('base64'),
  contentType: 'application/json',
  body:
    JSON.stringify([
      {
        email: 'zoe@example.com',
        timestamp: 1700000000,
        'smtp-id': '<quarry-1@example.com>',
        event: 'delivered',
        category: ['Zoë & co'],
        sg_event_id: 'c2ctcXVhcnJ5LTAwMDE',
        sg_message_id: 'quarry-1.filter0001',
      },
      {
        email: 'zoe@example.com',
        timestamp: 1700000005,
        event: 'open',
        ip: '192.0.2.1',
        sg_event_id: 'c2ctcXVhcnJ5LTAwMDI',
        sg_message_id: 'quarry-1.filter0001',
      },
    ]) + '\r\n',
  async sign({ body, now, headers }) {
    const signature = sign('sha256', Buffer.concat([Buffer.from(String(now)), Buffer.from(body)]), privateKey);
    return {
      headers: {
        'content-type': 'application/json',
        ...headers,
        'x-twilio-email-event-webhook-timestamp': String(now),
        'x-twilio-email-event-webhook-signature': signature.toString('base64'),
      },
    };
  },
  async verify({ headers, body, secret }) {
    const webhook = new EventWebhook();
    const signature = headers['x-twilio-email-event-webhook-signature'];
    const timestamp = headers['x-twilio-email-event-webhook-timestamp'];
    return webhook.verifySignature(webhook.convertPublicKeyToECDSA(secret), body, signature, timestamp);
  },
};
