// Hygraph: @hygraph/utils signs (generateWebhookSignature, with the clock's time) and verifies (verifyWebhookSignature).
import { generateWebhookSignature, verifyWebhookSignature } from '@hygraph/utils';

export default {
  package: '@hygraph/utils',
  signs: 'vendor',
  secret: 'hygraph-webhook-secret-for-tests-17',
  contentType: 'application/json',
  body: JSON.stringify({
    operation: 'publish',
    data: { __typename: 'Post', id: 'quarry17', stage: 'PUBLISHED', title: 'Zoë "& co" \\ \u2028\n\t17' },
  }),
  async sign({ body, secret, headers }) {
    const signature = generateWebhookSignature({ rawPayload: String(body), environmentName: 'master', secret });
    return { headers: { 'content-type': 'application/json', ...headers, 'gcms-signature': signature } };
  },
  async verify({ headers, body, secret }) {
    return verifyWebhookSignature({ rawPayload: body.toString(), signature: headers['gcms-signature'], secret });
  },
};
