// Dropbox Sign: @dropbox/sign verifies (EventCallbackHelper.isValid); it covers the event's time and type only.
import { createHmac } from 'node:crypto';
import { EventCallbackHelper, EventCallbackRequest } from '@dropbox/sign';

const contentType = 'multipart/form-data; boundary=----quarry17';

function multipart(event) {
  const json = JSON.stringify({ event, signature_request: { signature_request_id: 'quarry17', title: 'Zoë & co' } });
  return ['------quarry17', 'Content-Disposition: form-data; name="json"', '', json, '------quarry17--', ''].join('\r\n');
}

async function parse(body) {
  const form = await new Response(body, { headers: { 'content-type': contentType } }).formData();
  return JSON.parse(form.get('json'));
}

const metadata = { related_signature_id: null, reported_for_account_id: 'quarryAccount17', reported_for_app_id: null };

export default {
  package: '@dropbox/sign',
  signs: 'ours',
  secret: 'dropbox-sign-api-key-for-tests-17',
  contentType,
  body: multipart({ event_type: 'signature_request_sent', event_time: '1700000000', event_hash: '', event_metadata: metadata }),
  async sign({ body, secret, now, headers }) {
    const { event } = await parse(body);
    event.event_time = String(now);
    event.event_hash = createHmac('sha256', secret).update(event.event_time + event.event_type).digest('hex');
    return { headers: { 'content-type': contentType, ...headers }, body: multipart(event) };
  },
  async verify({ body, secret }) {
    return EventCallbackHelper.isValid(secret, EventCallbackRequest.init(await parse(body)));
  },
};
