// LiveKit: livekit-server-sdk signs (AccessToken with the body's hash) and verifies (WebhookReceiver.receive).
import { createHash } from 'node:crypto';
import { AccessToken, WebhookReceiver } from 'livekit-server-sdk';

const apiKey = 'APIquarry00001';

export default {
  package: 'livekit-server-sdk',
  signs: 'vendor',
  secret: 'livekit-api-secret-for-tests-000001',
  options: { api_key: apiKey },
  contentType: 'application/webhook+json',
  body: JSON.stringify({
    event: 'room_started',
    room: { sid: 'RM_quarry0001', name: 'Zoë & co', emptyTimeout: 300, creationTime: '1700000000' },
    id: 'EV_quarry0001',
    createdAt: '1700000000',
  }),
  async sign({ body, secret, headers }) {
    const token = new AccessToken(apiKey, secret, { ttl: '5m' });
    token.sha256 = createHash('sha256').update(body).digest('base64');
    return { headers: { 'content-type': 'application/webhook+json', ...headers, authorization: await token.toJwt() } };
  },
  async verify({ headers, body, secret }) {
    await new WebhookReceiver(apiKey, secret).receive(body.toString(), headers.authorization);
    return true;
  },
};
