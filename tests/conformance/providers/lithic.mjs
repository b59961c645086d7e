// Lithic: lithic verifies (webhooks.verifySignature).
import Lithic from 'lithic';

export default {
  package: 'lithic',
  secret: 'whsec_bGl0aGljLXdlYmhvb2stdGVzdC1rZXktMTc=',
  contentType: 'application/json',
  body: JSON.stringify({
    event_type: 'card.created',
    card_token: '00000000-0000-4000-8000-000000000017',
    replacement_for: null,
    memo: 'Zoë & co',
  }),
  async verify({ headers, body, secret }) {
    new Lithic({ apiKey: 'not-a-key' }).webhooks.verifySignature(body.toString(), headers, secret);
    return true;
  },
};
