// Anthropic: @anthropic-ai/sdk verifies (beta.webhooks.unwrap).
import Anthropic from '@anthropic-ai/sdk';

export default {
  package: '@anthropic-ai/sdk',
  secret: 'whsec_YW50aHJvcGljLXdlYmhvb2stdGVzdC1rZXk=',
  contentType: 'application/json',
  body: JSON.stringify({
    id: 'event_17',
    type: 'event',
    created_at: '2026-03-01T09:30:00Z',
    data: { id: 'agent_17', organization_id: 'Zoë & co', type: 'agent.created', workspace_id: 'wrkspc_17' },
  }),
  async verify({ headers, body, secret }) {
    new Anthropic({ apiKey: 'not-a-key' }).beta.webhooks.unwrap(body.toString(), { headers, key: secret });
    return true;
  },
};
