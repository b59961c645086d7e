// Stream: stream-chat verifies (StreamChat.verifyWebhook).
import { StreamChat } from 'stream-chat';

export default {
  package: 'stream-chat',
  secret: 'stream-api-secret-for-tests',
  contentType: 'application/json',
  body: JSON.stringify({
    type: 'message.new',
    cid: 'messaging:yard',
    channel_id: 'yard',
    channel_type: 'messaging',
    message: { id: 'msg-quarry-0001', text: 'Zoë & co', type: 'regular', user: { id: 'zoe' } },
    user: { id: 'zoe', role: 'user' },
    created_at: '2023-11-14T22:13:20.000000Z',
    request_info: { type: 'client' },
  }),
  headers: { 'x-api-key': 'stream-api-key', 'x-webhook-id': 'b9d6a3f2-0000-4000-8000-000000000001', 'x-webhook-attempt': '1' },
  async verify({ headers, body, secret }) {
    return new StreamChat('stream-api-key', secret).verifyWebhook(body, headers['x-signature']);
  },
};
