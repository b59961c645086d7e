// Pusher Channels: pusher signs (Token.sign, not exported) and verifies (Pusher.webhook().isValid).
import Pusher from 'pusher';
import Token from 'pusher/lib/token.js';

const key = 'pusher-app-key';

export default {
  package: 'pusher',
  signs: 'vendor',
  secret: 'pusher-app-secret-for-tests',
  contentType: 'application/json',
  body: JSON.stringify({
    time_ms: 1700000000000,
    events: [
      { name: 'channel_occupied', channel: 'presence-yard' },
      { name: 'member_added', channel: 'presence-yard', user_id: 'zoë' },
    ],
  }),
  headers: { 'x-pusher-key': key },
  async sign({ body, secret, headers }) {
    const signature = new Token(key, secret).sign(body);
    return { headers: { 'content-type': 'application/json', ...headers, 'x-pusher-key': key, 'x-pusher-signature': signature } };
  },
  async verify({ headers, body, secret }) {
    const pusher = new Pusher({ appId: '1', key, secret });
    return pusher.webhook({ headers, rawBody: body.toString() }).isValid();
  },
};
