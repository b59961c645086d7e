// Cloudinary: `cloudinary` signs with utils.webhook_signature and verifies with utils.verifyNotificationSignature (SHA-1, its default).
import { v2 as cloudinary } from 'cloudinary';

export default {
  package: 'cloudinary',
  secret: 'kP3wZr8TnB5vYq1LdXs6HjCm0Fg',
  contentType: 'application/json',
  body: '{"notification_type":"upload","timestamp":"2026-11-20T10:00:00+00:00","request_id":"5f1c9e7b3a2d4c68","asset_id":"c0ffee0123456789","public_id":"café/zoë","version":1790000000,"width":640,"height":480,"format":"jpg","resource_type":"image","bytes":98304,"type":"upload"}',
  signs: 'vendor',
  async sign({ headers, body, secret, now }) {
    const signature = cloudinary.utils.webhook_signature(String(body), now, { api_secret: secret });
    return {
      headers: {
        ...headers,
        'content-type': 'application/json',
        'x-cld-timestamp': String(now),
        'x-cld-signature': signature,
      },
    };
  },
  async verify({ headers, body, secret }) {
    cloudinary.config({ api_secret: secret });
    return cloudinary.utils.verifyNotificationSignature(String(body), headers['x-cld-timestamp'], headers['x-cld-signature']);
  },
};
