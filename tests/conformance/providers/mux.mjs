// Mux: `@mux/mux-node` verifies with webhooks.verifySignature.
import Mux from '@mux/mux-node';

const { webhooks } = new Mux({ tokenId: 'unused', tokenSecret: 'unused' });

export default {
  package: '@mux/mux-node',
  secret: 'q4u7m2k9s1v8x3z6b5n0d7f4h2j9l1p8',
  contentType: 'application/json',
  body: '{"type":"video.asset.ready","id":"2f6d9c3e-8b41-4c7a-a5d0-9e1f7b3c2d64","created_at":"2026-11-20T10:00:00.000000Z","object":{"type":"asset","id":"Kz02conformance"},"environment":{"name":"Producción","id":"env1"},"data":{"status":"ready","duration":23.872,"id":"Kz02conformance"}}',
  async verify({ headers, body, secret }) {
    await webhooks.verifySignature(String(body), headers, secret);
    return true;
  },
};
