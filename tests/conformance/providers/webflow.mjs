// Webflow: webflow-api verifies (webhooks.verifySignature).
import { WebflowClient } from 'webflow-api';

const { webhooks } = new WebflowClient({ accessToken: 'not-used' });

export default {
  package: 'webflow-api',
  secret: 'webflow-webhook-secret-for-tests-17',
  contentType: 'application/json',
  body: JSON.stringify({
    triggerType: 'form_submission',
    payload: {
      name: 'Contact Us',
      siteId: '650000000000000000000017',
      data: { 'First Name': 'Zoë & co' },
      submittedAt: '2023-11-14T22:13:20.000Z',
      id: '650000000000000000000018',
    },
  }),
  async verify({ headers, body, secret }) {
    return webhooks.verifySignature({ headers, body: body.toString(), secret });
  },
};
