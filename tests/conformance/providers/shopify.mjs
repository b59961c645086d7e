// Shopify: @shopify/shopify-api verifies (webhooks.validate).
import '@shopify/shopify-api/adapters/node';
import { LogSeverity, shopifyApi } from '@shopify/shopify-api';

export default {
  package: '@shopify/shopify-api',
  secret: 'shopify-client-secret-for-tests',
  contentType: 'application/json',
  body: JSON.stringify({
    id: 820982911946154500,
    email: 'zoe@example.com',
    created_at: '2023-11-14T22:13:20-00:00',
    currency: 'GBP',
    total_price: '17.00',
    note: 'Zoë & co',
    line_items: [{ id: 1, title: 'Gravel, 20 mm', quantity: 17 }],
  }),
  headers: {
    'x-shopify-topic': 'orders/create',
    'x-shopify-shop-domain': 'quarry.myshopify.com',
    'x-shopify-api-version': '2025-10',
    'x-shopify-webhook-id': 'b54557e4-0000-4000-8000-000000000001',
    'x-shopify-event-id': '98880550-0000-4000-8000-000000000001',
    'x-shopify-triggered-at': '2023-11-14T22:13:20.000000000Z',
  },
  async verify({ method, url, headers, body, secret }) {
    const shopify = shopifyApi({
      apiKey: 'shopify-client-id',
      apiSecretKey: secret,
      apiVersion: '2025-10',
      hostName: 'hooks.example.com',
      isEmbeddedApp: false,
      logger: { level: LogSeverity.Error },
    });
    const checked = await shopify.webhooks.validate({ rawBody: body.toString(), rawRequest: { method, url, headers } });
    return checked.valid;
  },
};
