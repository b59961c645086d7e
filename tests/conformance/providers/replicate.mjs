// Replicate: replicate verifies (validateWebhook). It does not look at the time.
import { validateWebhook } from 'replicate';

export default {
  package: 'replicate',
  secret: 'whsec_cmVwbGljYXRlLXdlYmhvb2stdGVzdC1rZXk=',
  contentType: 'application/json',
  body: JSON.stringify({
    id: 'prediction17',
    model: 'quarry/crane',
    input: { prompt: 'a crane by Zoë & co' },
    output: ['https://files.example.com/crane.png'],
    status: 'succeeded',
    error: null,
    created_at: '2026-03-01T09:29:50.000Z',
    completed_at: '2026-03-01T09:30:00.000Z',
  }),
  async verify({ headers, body, secret }) {
    return validateWebhook({ headers, body: body.toString() }, secret);
  },
};
