// Shopify Events (the second set of header names): @shopify/shopify-api verifies (webhooks.validate).
import '@shopify/shopify-api/adapters/node';
import { LogSeverity, shopifyApi } from '@shopify/shopify-api';

export default {
  package: '@shopify/shopify-api',
  secret: 'shopify-client-secret-for-tests',
  contentType: 'application/json',
  body: JSON.stringify({
    topic: 'Product',
    action: 'update',
    handle: 'gravel-prices',
    fields_changed: { added: [], updated: ["product[id: 'gid://shopify/Product/17'].title"], removed: [] },
    query_variables: { productId: 'gid://shopify/Product/17' },
    data: { product: { id: 'gid://shopify/Product/17', title: 'Zoë & co gravel' } },
  }),
  headers: {
    'shopify-topic': 'Product',
    'shopify-action': 'update',
    'shopify-handle': 'gravel-prices',
    'shopify-shop-domain': 'quarry.myshopify.com',
    'shopify-api-version': '2026-10',
    'shopify-webhook-id': 'b54557e4-0000-4000-8000-000000000001',
    'shopify-event-id': '98880550-0000-4000-8000-000000000001',
    'shopify-resource-id': 'gid://shopify/Product/17',
    'shopify-triggered-at': '2023-11-14T22:13:20.000000000Z',
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
