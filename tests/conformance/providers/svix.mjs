// Svix: svix signs (Webhook.sign) and verifies (Webhook.verify).
import { Webhook } from 'svix';

export default {
  package: 'svix',
  signs: 'vendor',
  secret: 'whsec_c3ZpeC1lbmRwb2ludC10ZXN0LWtleS0xNw==',
  contentType: 'application/json',
  body: JSON.stringify({
    type: 'shipment.delivered',
    shipment: { id: 'shp_17', to: 'Zoë & co', parcels: 2 },
  }),
  async sign({ body, secret, now }) {
    const id = 'msg_svix17';
    const signature = new Webhook(secret).sign(id, new Date(now * 1000), body);
    return { headers: { 'svix-id': id, 'svix-timestamp': String(now), 'svix-signature': signature } };
  },
  async verify({ headers, body, secret }) {
    new Webhook(secret).verify(body, headers);
    return true;
  },
};
