// ImageKit: @imagekit/nodejs verifies (webhooks.unwrap). The whole secret is the key, whsec_ too.
import ImageKit from '@imagekit/nodejs';

export default {
  package: '@imagekit/nodejs',
  secret: 'whsec_imagekit-webhook-secret-17',
  contentType: 'application/json',
  body: JSON.stringify({
    type: 'file.created',
    id: 'event_17',
    created_at: '2026-03-01T09:30:00.000Z',
    data: { fileId: 'file_17', name: 'Zoë & co.jpg', filePath: '/yard/crane.jpg', size: 1700 },
  }),
  async verify({ headers, body, secret }) {
    new ImageKit({ privateKey: 'not-a-key' }).webhooks.unwrap(body.toString(), { headers, key: secret });
    return true;
  },
};
