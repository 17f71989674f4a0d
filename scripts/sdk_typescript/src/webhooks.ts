/** Webhook endpoints, deliveries and secrets: `client.webhooks`. */

import { type Call, type CallOptions, identifier, keyed, type KeyedOptions, type ListOptions, sent } from "./calls.js";
import { OperationHandle } from "./handles.js";
import type {
  DeliveryAgain,
  DeliveryDetail,
  DeliveryFilter,
  DeliveryMetrics,
  DeliveryPage,
  DeliverySummary,
  Endpoint,
  EndpointChange,
  EndpointPage,
  EndpointRequest,
  EndpointTest,
  EndpointTestRequest,
  MetricFilter,
  NewEndpoint,
  OperationAccepted,
  RecoverRequest,
  ReplayMissingRequest,
  ResendFilter,
  RotateSecretRequest,
  SigningSecret,
} from "./models.js";
import { pages } from "./paging.js";
import type { Transport } from "./transport.js";

/** The endpoints of the tenant: `client.webhooks.endpoints`. */
export class Endpoints {
  readonly #transport: Transport;

  /** Made by the client. */
  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** Iterate over the endpoints. */
  list(options: ListOptions = {}): AsyncIterableIterator<Endpoint> {
    const query = { limit: options.pageSize ?? 100 };
    const call: Call<EndpointPage> = { operation: "list_webhook_endpoints", query, signal: options.signal };
    return pages<Endpoint>(this.#transport, call);
  }

  /** Create an endpoint. `secret` of the answer is what you verify its webhooks with: read it by its name. */
  create(request: EndpointRequest & CallOptions): Promise<NewEndpoint> {
    const body = sent(request);
    return this.#transport.call<NewEndpoint>({ operation: "create_webhook_endpoint", body, signal: request.signal });
  }

  /** Return an endpoint. */
  async get(endpointId: string, options: CallOptions = {}): Promise<Endpoint> {
    return this.#transport.call<Endpoint>(at("get_webhook_endpoint", endpointId, options));
  }

  /** Change an endpoint, or disable it; what is missing stays as it is. */
  async change(endpointId: string, changes: EndpointChange & CallOptions): Promise<Endpoint> {
    const call = at("change_webhook_endpoint", endpointId, changes);
    return this.#transport.call<Endpoint>({ ...call, body: sent(changes) });
  }

  /** Delete an endpoint. */
  async delete(endpointId: string, options: CallOptions = {}): Promise<void> {
    await this.#transport.call(at("delete_webhook_endpoint", endpointId, options));
  }

  /** Return the secret that signs what an endpoint is sent. */
  async secret(endpointId: string, options: CallOptions = {}): Promise<SigningSecret> {
    return this.#transport.call<SigningSecret>(at("get_webhook_endpoint_secret", endpointId, options));
  }

  /** Replace the secret of an endpoint; both sign for `overlap_seconds`. */
  async rotateSecret(endpointId: string, request: RotateSecretRequest & CallOptions = {}): Promise<SigningSecret> {
    const call = at("rotate_webhook_endpoint_secret", endpointId, request);
    return this.#transport.call<SigningSecret>({ ...call, body: sent(request) });
  }

  /** Send an example to an endpoint, and return what it answered. */
  async test(endpointId: string, request: EndpointTestRequest & CallOptions = {}): Promise<EndpointTest> {
    const call = at("test_webhook_endpoint", endpointId, request);
    return this.#transport.call<EndpointTest>({ ...call, body: sent(request) });
  }

  /** Send all deliveries to an endpoint that failed since a time again, in the background. */
  async recover(endpointId: string, request: RecoverRequest & KeyedOptions): Promise<OperationHandle> {
    return begin(this.#transport, at("recover_endpoint", endpointId, request), sent(request), request);
  }

  /** Send all events since a time that an endpoint was never sent, in the background. */
  async replayMissing(endpointId: string, request: ReplayMissingRequest & KeyedOptions): Promise<OperationHandle> {
    return begin(this.#transport, at("replay_missing", endpointId, request), sent(request), request);
  }
}

/** What was sent, and how it was answered: `client.webhooks.deliveries`. */
export class Deliveries {
  readonly #transport: Transport;

  /** Made by the client. */
  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** Iterate over the deliveries, newest first. */
  list(options: DeliveryFilter & ListOptions = {}): AsyncIterableIterator<DeliverySummary> {
    const query = { ...sent(options), limit: options.pageSize ?? 100 };
    const call: Call<DeliveryPage> = { operation: "list_deliveries", query, signal: options.signal };
    return pages<DeliverySummary>(this.#transport, call);
  }

  /** Return a delivery with its attempts. */
  async get(deliveryId: string, options: CallOptions = {}): Promise<DeliveryDetail> {
    const path = { delivery_id: identifier(deliveryId) };
    return this.#transport.call<DeliveryDetail>({ operation: "get_delivery", path, signal: options.signal });
  }

  /** Send a delivery again, with the same webhook id. */
  async resend(deliveryId: string, options: CallOptions = {}): Promise<DeliveryAgain> {
    const path = { delivery_id: identifier(deliveryId) };
    return this.#transport.call<DeliveryAgain>({ operation: "resend_delivery", path, signal: options.signal });
  }

  /** Send all deliveries that meet every filter again, in the background. */
  async resendMany(options: ResendFilter & KeyedOptions): Promise<OperationHandle> {
    const body = { filter: sent(options) };
    return begin(this.#transport, { operation: "resend_deliveries", signal: options.signal }, body, options);
  }
}

/** Webhooks: what is sent, where to, and signed with what. */
export class Webhooks {
  readonly endpoints: Endpoints;
  readonly deliveries: Deliveries;
  readonly #transport: Transport;

  /** Made by the client. */
  constructor(transport: Transport) {
    this.#transport = transport;
    this.endpoints = new Endpoints(transport);
    this.deliveries = new Deliveries(transport);
  }

  /** Return the secret that signs the webhooks to the `webhook_url` of a submit. */
  secret(options: CallOptions = {}): Promise<SigningSecret> {
    return this.#transport.call<SigningSecret>({ operation: "get_webhook_secret", signal: options.signal });
  }

  /** Replace that secret; both sign for `overlap_seconds`. */
  rotateSecret(request: RotateSecretRequest & CallOptions = {}): Promise<SigningSecret> {
    const body = sent(request);
    return this.#transport.call<SigningSecret>({ operation: "rotate_webhook_secret", body, signal: request.signal });
  }

  /** Return how many deliveries succeeded and failed, and how long they took: a point for each bucket. */
  metrics(options: MetricFilter & CallOptions = {}): Promise<DeliveryMetrics> {
    const query = sent(options);
    return this.#transport.call<DeliveryMetrics>({ operation: "get_delivery_metrics", query, signal: options.signal });
  }
}

async function begin(
  transport: Transport,
  call: Call<unknown>,
  body: object,
  options: KeyedOptions,
): Promise<OperationHandle> {
  const headers = keyed(options.idempotencyKey);
  const accepted = await transport.call({ ...call, body, headers } as Call<OperationAccepted>);
  return new OperationHandle(transport, accepted.operation_id);
}

function at<O extends Call<unknown>["operation"]>(operation: O, endpointId: string, options: CallOptions) {
  return { operation, path: { endpoint_id: identifier(endpointId) }, signal: options.signal };
}
