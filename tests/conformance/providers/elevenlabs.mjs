// ElevenLabs: `@elevenlabs/elevenlabs-js` verifies with webhooks.constructEvent.
import webhooks from '@elevenlabs/elevenlabs-js/wrapper/webhooks.js';

const client = new webhooks.WebhooksClient({ apiKey: 'unused' });

export default {
  package: '@elevenlabs/elevenlabs-js',
  secret: 'wsec_4c9e2b7f1a6d8305e4c9b2f7a1d6e830',
  contentType: 'application/json',
  body: '{"type":"post_call_transcription","event_timestamp":1790000000,"data":{"agent_id":"agent_1","conversation_id":"conv_1","status":"done","transcript":[{"role":"agent","message":"Hallo Zoë","time_in_call_secs":0}]}}',
  async verify({ headers, body, secret }) {
    await client.constructEvent(String(body), headers['elevenlabs-signature'], secret);
    return true;
  },
};
