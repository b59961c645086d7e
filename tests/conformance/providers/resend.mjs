// Resend: resend verifies (Resend.webhooks.verify).
import { Resend } from 'resend';

export default {
  package: 'resend',
  secret: 'whsec_cmVzZW5kLXdlYmhvb2stdGVzdC1rZXktMTc=',
  contentType: 'application/json',
  body: JSON.stringify({
    type: 'email.delivered',
    created_at: '2026-03-01T09:30:00.000Z',
    data: {
      email_id: '00000000-0000-4000-8000-000000000017',
      from: 'Yard <yard@example.com>',
      to: ['zoe@example.com'],
      subject: 'Zoë & co: the crane is free',
      created_at: '2026-03-01T09:29:58.000Z',
    },
  }),
  async verify({ headers, body, secret }) {
    new Resend('re_not_a_key').webhooks.verify({
      payload: body.toString(),
      headers: { id: headers['svix-id'], timestamp: headers['svix-timestamp'], signature: headers['svix-signature'] },
      webhookSecret: secret,
    });
    return true;
  },
};
