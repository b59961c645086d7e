// Apple App Store: `@apple/app-store-server-library` verifies with SignedDataVerifier.verifyAndDecodeNotification; node:crypto signs.
import { execFileSync } from 'node:child_process';
import { createPrivateKey, sign, X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Environment, SignedDataVerifier } from '@apple/app-store-server-library';

// A chain like Apple's: root and intermediate on P-384, the leaf on P-256, with the two marker extensions.
const dir = mkdtempSync(join(tmpdir(), 'apple-chain-'));
const openssl = (...args) => execFileSync('openssl', args, { cwd: dir, stdio: ['ignore', 'ignore', 'pipe'] });
const certificate = (name, curve, issuer, extensions) => {
  writeFileSync(join(dir, `${name}.cnf`), `[req]\ndistinguished_name=dn\n[dn]\n[ext]\nsubjectKeyIdentifier=hash\n${extensions}\n`);
  openssl('ecparam', '-name', curve, '-genkey', '-noout', '-out', `${name}.key`);
  openssl('req', '-new', '-key', `${name}.key`, '-subj', `/CN=Conformance ${name}`, '-config', `${name}.cnf`, '-out', `${name}.csr`);
  const by = issuer ? ['-CA', `${issuer}.pem`, '-CAkey', `${issuer}.key`, '-CAcreateserial'] : ['-signkey', `${name}.key`];
  openssl('x509', '-req', '-in', `${name}.csr`, ...by, '-sha384', '-days', '30', '-extfile', `${name}.cnf`, '-extensions', 'ext', '-out', `${name}.pem`);
  return new X509Certificate(readFileSync(join(dir, `${name}.pem`)));
};
const ca = 'basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign';
const root = certificate('root', 'secp384r1', null, ca);
const intermediate = certificate('intermediate', 'secp384r1', 'root', `${ca}\n1.2.840.113635.100.6.2.1=ASN1:NULL`);
const leaf = certificate('leaf', 'prime256v1', 'intermediate', 'basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n1.2.840.113635.100.6.11.1=ASN1:NULL');
const leafKey = createPrivateKey(readFileSync(join(dir, 'leaf.key')));
rmSync(dir, { recursive: true });

const verifier = new SignedDataVerifier([root.raw], false, Environment.SANDBOX, 'com.example.conformance');
const base64url = (value) => Buffer.from(value).toString('base64url');

export default {
  package: '@apple/app-store-server-library',
  secret: '', // the key is in the chain of each notification
  options: { bundle_id: 'com.example.conformance' },
  contentType: 'application/json',
  // The notification; `sign` puts it, with the time of signing, into the JWS of `signedPayload`.
  body: '{"notificationType":"DID_RENEW","subtype":"BILLING_RECOVERY","notificationUUID":"5a1c9e7b-3a2d-4c68-9f10-2b4d6e8f0a1c","version":"2.0","data":{"bundleId":"com.example.conformance","bundleVersion":"1.0","environment":"Sandbox","status":1}}',
  root: root.toString(),
  signs: 'ours',
  async sign({ headers, body, now }) {
    const header = { alg: 'ES256', x5c: [leaf, intermediate, root].map((cert) => cert.raw.toString('base64')) };
    const payload = { ...JSON.parse(String(body)), signedDate: now * 1000 };
    const text = `${base64url(JSON.stringify(header))}.${base64url(JSON.stringify(payload))}`;
    const signature = sign('sha256', Buffer.from(text), { key: leafKey, dsaEncoding: 'ieee-p1363' });
    return {
      headers: { ...headers, 'content-type': 'application/json' },
      body: JSON.stringify({ signedPayload: `${text}.${base64url(signature)}` }),
    };
  },
  async verify({ body }) {
    await verifier.verifyAndDecodeNotification(JSON.parse(String(body)).signedPayload);
    return true;
  },
};
