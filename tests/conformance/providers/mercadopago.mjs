// Mercado Pago: mercadopago verifies (WebhookSignatureValidator.validate); it covers data.id of the query, the request id and the time.
import { createHmac } from 'node:crypto';
import { WebhookSignatureValidator } from 'mercadopago';

export default {
  package: 'mercadopago',
  signs: 'ours',
  secret: 'mercadopago-clave-secreta-de-prueba-17',
  contentType: 'application/json',
  body: JSON.stringify({
    id: 1700000017,
    live_mode: false,
    type: 'payment',
    date_created: '2023-11-14T22:13:20.000-03:00',
    user_id: 170017,
    api_version: 'v1',
    action: 'payment.updated',
    data: { id: '1717171717' },
  }),
  headers: { 'x-request-id': '00000000-0000-4000-8000-000000000017' },
  async sign({ url, body, secret, now, headers }) {
    const target = new URL(url);
    target.searchParams.set('data.id', JSON.parse(body).data.id);
    target.searchParams.set('type', 'payment');
    const manifest = `id:${target.searchParams.get('data.id')};request-id:${headers['x-request-id']};ts:${now};`;
    const signature = createHmac('sha256', secret).update(manifest).digest('hex');
    return {
      url: target.href,
      headers: { 'content-type': 'application/json', ...headers, 'x-signature': `ts=${now},v1=${signature}` },
    };
  },
  async verify({ url, headers, secret }) {
    WebhookSignatureValidator.validate({
      xSignature: headers['x-signature'],
      xRequestId: headers['x-request-id'],
      dataId: new URL(url).searchParams.get('data.id'),
      secret,
      toleranceSeconds: 300,
    });
    return true;
  },
};
