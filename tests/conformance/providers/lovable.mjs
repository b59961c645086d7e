// Lovable: `@lovable.dev/webhooks-js` verifies with verifyWebhookRequest.
import { verifyWebhookRequest } from '@lovable.dev/webhooks-js';

export default {
  package: '@lovable.dev/webhooks-js',
  secret: 'lvbl_7d2f9a4c6e1b8035d7f2a9c4',
  contentType: 'application/json',
  body: '{"version":"1","type":"auth","run_id":"run_1","data":{"action_type":"signup","email":"zoe@example.com","token":"482913","name":"Zoë"}}',
  async verify({ method, url, headers, body, secret }) {
    await verifyWebhookRequest({ req: new Request(url, { method, headers, body }), secret });
    return true;
  },
};
