// Kontent.ai: @kontent-ai/webhook-helper signs (getHashFromString) and verifies (isValidSignatureFromString).
import { signatureHelper } from '@kontent-ai/webhook-helper';

export default {
  package: '@kontent-ai/webhook-helper',
  signs: 'vendor',
  secret: 'kontent-ai-webhook-secret-for-tests-17',
  contentType: 'application/json',
  body: JSON.stringify({
    notifications: [
      {
        data: { system: { id: '00000000-0000-4000-8000-000000000017', name: 'Zoë & co', codename: 'zoe', type: 'article' } },
        message: {
          environment_id: '00000000-0000-4000-8000-000000000018',
          object_type: 'content_item',
          action: 'published',
          delivery_slot: 'published',
        },
      },
    ],
  }),
  async sign({ body, secret, headers }) {
    const signature = signatureHelper.getHashFromString(String(body), secret);
    return { headers: { 'content-type': 'application/json', ...headers, 'x-kontent-ai-signature': signature } };
  },
  async verify({ headers, body, secret }) {
    return signatureHelper.isValidSignatureFromString(body.toString(), secret, headers['x-kontent-ai-signature']);
  },
};
