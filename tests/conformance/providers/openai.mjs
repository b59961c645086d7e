// OpenAI: openai verifies (webhooks.verifySignature).
import OpenAI from 'openai';

export default {
  package: 'openai',
  secret: 'whsec_b3BlbmFpLXdlYmhvb2stdGVzdC1rZXktMTc=',
  contentType: 'application/json',
  body: JSON.stringify({
    id: 'evt_17',
    object: 'event',
    created_at: 1772357400,
    type: 'response.completed',
    data: { id: 'resp_17', note: 'Zoë & co' },
  }),
  async verify({ headers, body, secret }) {
    await new OpenAI({ apiKey: 'not-a-key' }).webhooks.verifySignature(body.toString(), headers, secret);
    return true;
  },
};
