/** Webhook endpoints, deliveries and secrets: `client.webhooks`. */
import { type CallOptions, type KeyedOptions, type ListOptions } from "./calls.js";
import { OperationHandle } from "./handles.js";
import type { DeliveryAgain, DeliveryDetail, DeliveryFilter, DeliveryMetrics, DeliverySummary, Endpoint, EndpointChange, EndpointRequest, EndpointTest, EndpointTestRequest, MetricFilter, NewEndpoint, RecoverRequest, ReplayMissingRequest, ResendFilter, RotateSecretRequest, SigningSecret } from "./models.js";
import type { Transport } from "./transport.js";
/** The endpoints of the tenant: `client.webhooks.endpoints`. */
export declare class Endpoints {
    #private;
    /** Made by the client. */
    constructor(transport: Transport);
    /** Iterate over the endpoints. */
    list(options?: ListOptions): AsyncIterableIterator<Endpoint>;
    /** Create an endpoint. `secret` of the answer is what you verify its webhooks with: read it by its name. */
    create(request: EndpointRequest & CallOptions): Promise<NewEndpoint>;
    /** Return an endpoint. */
    get(endpointId: string, options?: CallOptions): Promise<Endpoint>;
    /** Change an endpoint, or disable it; what is missing stays as it is. */
    change(endpointId: string, changes: EndpointChange & CallOptions): Promise<Endpoint>;
    /** Delete an endpoint. */
    delete(endpointId: string, options?: CallOptions): Promise<void>;
    /** Return the secret that signs what an endpoint is sent. */
    secret(endpointId: string, options?: CallOptions): Promise<SigningSecret>;
    /** Replace the secret of an endpoint; both sign for `overlap_seconds`. */
    rotateSecret(endpointId: string, request?: RotateSecretRequest & CallOptions): Promise<SigningSecret>;
    /** Send an example to an endpoint, and return what it answered. */
    test(endpointId: string, request?: EndpointTestRequest & CallOptions): Promise<EndpointTest>;
    /** Send all deliveries to an endpoint that failed since a time again, in the background. */
    recover(endpointId: string, request: RecoverRequest & KeyedOptions): Promise<OperationHandle>;
    /** Send all events since a time that an endpoint was never sent, in the background. */
    replayMissing(endpointId: string, request: ReplayMissingRequest & KeyedOptions): Promise<OperationHandle>;
}
/** What was sent, and how it was answered: `client.webhooks.deliveries`. */
export declare class Deliveries {
    #private;
    /** Made by the client. */
    constructor(transport: Transport);
    /** Iterate over the deliveries, newest first. */
    list(options?: DeliveryFilter & ListOptions): AsyncIterableIterator<DeliverySummary>;
    /** Return a delivery with its attempts. */
    get(deliveryId: string, options?: CallOptions): Promise<DeliveryDetail>;
    /** Send a delivery again, with the same webhook id. */
    resend(deliveryId: string, options?: CallOptions): Promise<DeliveryAgain>;
    /** Send all deliveries that meet every filter again, in the background. */
    resendMany(options: ResendFilter & KeyedOptions): Promise<OperationHandle>;
}
/** Webhooks: what is sent, where to, and signed with what. */
export declare class Webhooks {
    #private;
    readonly endpoints: Endpoints;
    readonly deliveries: Deliveries;
    /** Made by the client. */
    constructor(transport: Transport);
    /** Return the secret that signs the webhooks to the `webhook_url` of a submit. */
    secret(options?: CallOptions): Promise<SigningSecret>;
    /** Replace that secret; both sign for `overlap_seconds`. */
    rotateSecret(request?: RotateSecretRequest & CallOptions): Promise<SigningSecret>;
    /** Return how many deliveries succeeded and failed, and how long they took: a point for each bucket. */
    metrics(options?: MetricFilter & CallOptions): Promise<DeliveryMetrics>;
}
