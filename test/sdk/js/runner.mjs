// The AWS SDK for JavaScript v3, driven by the tests: one request a line on
// standard input, one answer a line on standard output.
import { createInterface } from "node:readline";
import * as crypto from "node:crypto";
import * as metering from "@aws-sdk/client-marketplace-metering";
import * as entitlement from "@aws-sdk/client-marketplace-entitlement-service";

const instants = new Set(["Timestamp"]);

// The SDK takes instants as Dates; everything else is as on the wire.
function asInput(value, name) {
  if (Array.isArray(value)) return value.map((item) => asInput(item));
  if (value && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, asInput(v, k)]));
  }
  return instants.has(name) ? new Date(value) : value;
}

function clientFor(call) {
  const sdk = call.operation === "GetEntitlements" ? entitlement : metering;
  const Client = sdk === entitlement ? sdk.MarketplaceEntitlementServiceClient : sdk.MarketplaceMeteringClient;
  if (!call.endpoint) return { sdk, client: new Client({}) };
  const client = new Client({
    endpoint: call.endpoint,
    region: call.region,
    credentials: { accessKeyId: call.keyID, secretAccessKey: call.secret },
    ...(call.attempts ? { maxAttempts: call.attempts } : {}),
    ...(call.signing && call.signing !== "none" ? { signingName: call.signing } : {}),
  });
  if (call.signing === "none") {
    client.middlewareStack.addRelativeTo(
      (next) => (args) => {
        delete args.request.headers.authorization;
        return next(args);
      },
      { relation: "after", toMiddleware: "httpSigningMiddleware", name: "unsign" },
    );
  }
  return { sdk, client };
}

async function send(call, { sdk, client }) {
  const input = asInput(call.input);
  try {
    const { $metadata, ...output } = await client.send(new sdk[`${call.operation}Command`](input));
    return { output, attempts: $metadata.attempts, requestID: $metadata.requestId };
  } catch (e) {
    if (!e.$metadata?.httpStatusCode) return { refused: `${e.name}: ${e.message}` };
    const type = sdk[e.name];
    return {
      failure: {
        name: e.name,
        message: e.message,
        status: e.$metadata.httpStatusCode,
        typed: typeof type === "function" && e instanceof type,
      },
      attempts: e.$metadata.attempts,
      requestID: e.$metadata.requestId,
    };
  }
}

// verify does what a container's software does: it checks the token with the
// public key that was baked into its image.
function verify({ pem, token }) {
  const [header, claims, signature] = token.split(".");
  const ok = crypto.verify(
    "sha256",
    Buffer.from(`${header}.${claims}`),
    { key: pem, padding: crypto.constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 },
    Buffer.from(signature, "base64url"),
  );
  if (!ok) throw new Error("the signature does not verify");
  const read = (part) => JSON.parse(Buffer.from(part, "base64url"));
  return { header: read(header), claims: read(claims) };
}

async function answer({ call, verify: request }) {
  if (request) return verify(request);
  const target = clientFor(call);
  try {
    const copies = Array.from({ length: call.copies || 1 }, () => send(call, target));
    return { answers: await Promise.all(copies) };
  } finally {
    target.client.destroy();
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  let reply;
  try {
    reply = await answer(JSON.parse(line));
  } catch (e) {
    reply = { trouble: e.stack };
  }
  process.stdout.write(JSON.stringify(reply) + "\n");
}
