/** Webhook endpoints, deliveries and secrets: `client.webhooks`. */
import { identifier, keyed, sent } from "./calls.js";
import { OperationHandle } from "./handles.js";
import { pages } from "./paging.js";
/** The endpoints of the tenant: `client.webhooks.endpoints`. */
export class Endpoints {
    #transport;
    /** Made by the client. */
    constructor(transport) {
        this.#transport = transport;
    }
    /** Iterate over the endpoints. */
    list(options = {}) {
        const query = { limit: options.pageSize ?? 100 };
        const call = { operation: "list_webhook_endpoints", query, signal: options.signal };
        return pages(this.#transport, call);
    }
    /** Create an endpoint. `secret` of the answer is what you verify its webhooks with: read it by its name. */
    create(request) {
        const body = sent(request);
        return this.#transport.call({ operation: "create_webhook_endpoint", body, signal: request.signal });
    }
    /** Return an endpoint. */
    async get(endpointId, options = {}) {
        return this.#transport.call(at("get_webhook_endpoint", endpointId, options));
    }
    /** Change an endpoint, or disable it; what is missing stays as it is. */
    async change(endpointId, changes) {
        const call = at("change_webhook_endpoint", endpointId, changes);
        return this.#transport.call({ ...call, body: sent(changes) });
    }
    /** Delete an endpoint. */
    async delete(endpointId, options = {}) {
        await this.#transport.call(at("delete_webhook_endpoint", endpointId, options));
    }
    /** Return the secret that signs what an endpoint is sent. */
    async secret(endpointId, options = {}) {
        return this.#transport.call(at("get_webhook_endpoint_secret", endpointId, options));
    }
    /** Replace the secret of an endpoint; both sign for `overlap_seconds`. */
    async rotateSecret(endpointId, request = {}) {
        const call = at("rotate_webhook_endpoint_secret", endpointId, request);
        return this.#transport.call({ ...call, body: sent(request) });
    }
    /** Send an example to an endpoint, and return what it answered. */
    async test(endpointId, request = {}) {
        const call = at("test_webhook_endpoint", endpointId, request);
        return this.#transport.call({ ...call, body: sent(request) });
    }
    /** Send all deliveries to an endpoint that failed since a time again, in the background. */
    async recover(endpointId, request) {
        return begin(this.#transport, at("recover_endpoint", endpointId, request), sent(request), request);
    }
    /** Send all events since a time that an endpoint was never sent, in the background. */
    async replayMissing(endpointId, request) {
        return begin(this.#transport, at("replay_missing", endpointId, request), sent(request), request);
    }
}
/** What was sent, and how it was answered: `client.webhooks.deliveries`. */
export class Deliveries {
    #transport;
    /** Made by the client. */
    constructor(transport) {
        this.#transport = transport;
    }
    /** Iterate over the deliveries, newest first. */
    list(options = {}) {
        const query = { ...sent(options), limit: options.pageSize ?? 100 };
        const call = { operation: "list_deliveries", query, signal: options.signal };
        return pages(this.#transport, call);
    }
    /** Return a delivery with its attempts. */
    async get(deliveryId, options = {}) {
        const path = { delivery_id: identifier(deliveryId) };
        return this.#transport.call({ operation: "get_delivery", path, signal: options.signal });
    }
    /** Send a delivery again, with the same webhook id. */
    async resend(deliveryId, options = {}) {
        const path = { delivery_id: identifier(deliveryId) };
        return this.#transport.call({ operation: "resend_delivery", path, signal: options.signal });
    }
    /** Send all deliveries that meet every filter again, in the background. */
    async resendMany(options) {
        const body = { filter: sent(options) };
        return begin(this.#transport, { operation: "resend_deliveries", signal: options.signal }, body, options);
    }
}
/** Webhooks: what is sent, where to, and signed with what. */
export class Webhooks {
    endpoints;
    deliveries;
    #transport;
    /** Made by the client. */
    constructor(transport) {
        this.#transport = transport;
        this.endpoints = new Endpoints(transport);
        this.deliveries = new Deliveries(transport);
    }
    /** Return the secret that signs the webhooks to the `webhook_url` of a submit. */
    secret(options = {}) {
        return this.#transport.call({ operation: "get_webhook_secret", signal: options.signal });
    }
    /** Replace that secret; both sign for `overlap_seconds`. */
    rotateSecret(request = {}) {
        const body = sent(request);
        return this.#transport.call({ operation: "rotate_webhook_secret", body, signal: request.signal });
    }
    /** Return how many deliveries succeeded and failed, and how long they took: a point for each bucket. */
    metrics(options = {}) {
        const query = sent(options);
        return this.#transport.call({ operation: "get_delivery_metrics", query, signal: options.signal });
    }
}
async function begin(transport, call, body, options) {
    const headers = keyed(options.idempotencyKey);
    const accepted = await transport.call({ ...call, body, headers });
    return new OperationHandle(transport, accepted.operation_id);
}
function at(operation, endpointId, options) {
    return { operation, path: { endpoint_id: identifier(endpointId) }, signal: options.signal };
}
