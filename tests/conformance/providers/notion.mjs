// Notion: @notionhq/client signs (signWebhookPayload) and verifies (verifyWebhookSignature).
import { signWebhookPayload, verifyWebhookSignature } from '@notionhq/client';

export default {
  package: '@notionhq/client',
  signs: 'vendor',
  secret: 'secret_NotionVerificationTokenForTests17', // the verification token
  contentType: 'application/json',
  body: JSON.stringify({
    id: '00000000-0000-4000-8000-000000000017',
    timestamp: '2023-11-14T22:13:20.000Z',
    workspace_name: 'Zoë & co',
    type: 'page.created',
    entity: { id: '00000000-0000-4000-8000-000000000018', type: 'page' },
    attempt_number: 1,
  }),
  async sign({ body, secret, headers }) {
    const signature = await signWebhookPayload({ body: String(body), verificationToken: secret });
    return { headers: { 'content-type': 'application/json', ...headers, 'x-notion-signature': signature } };
  },
  async verify({ headers, body, secret }) {
    return verifyWebhookSignature({ body: body.toString(), signature: headers['x-notion-signature'], verificationToken: secret });
  },
};
