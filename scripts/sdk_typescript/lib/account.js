/** The queue, operations, errors, keys and members of the tenant. */
import { identifier, keyed, sent } from "./calls.js";
import { OperationHandle } from "./handles.js";
import { pages } from "./paging.js";
/** The tenant's own queue: `client.queue`. */
export class Queue {
    #transport;
    /** Made by the client. */
    constructor(transport) {
        this.#transport = transport;
    }
    /** Stop starting tasks; those that run go on, and submits are accepted. */
    pause(options = {}) {
        return this.#transport.call({ operation: "pause_queue", signal: options.signal });
    }
    /** End the tenant's pause. A pause of the operator stays. */
    resume(options = {}) {
        return this.#transport.call({ operation: "resume_queue", signal: options.signal });
    }
    /** Return who has paused the queue. */
    async state(options = {}) {
        return (await this.#transport.call({ operation: "list_limits", signal: options.signal })).queue;
    }
}
/** The background acts of the tenant: `client.operations`. */
export class Operations {
    #transport;
    /** Made by the client. */
    constructor(transport) {
        this.#transport = transport;
    }
    /** Return a handle on an operation whose id you have kept. It makes no request. */
    handle(operationId) {
        return new OperationHandle(this.#transport, identifier(operationId));
    }
    /** Return an operation with its counts and its progress. */
    async get(operationId, options = {}) {
        return this.handle(operationId).get(options);
    }
    /** Return an operation when it has ended; see the handle. */
    async wait(operationId, options = {}) {
        return this.handle(operationId).wait(options);
    }
    /** Ask an operation to end. What it has done stays done. */
    async cancel(operationId, options = {}) {
        return this.handle(operationId).cancel(options);
    }
    /** Iterate over the operations, newest first. */
    list(options = {}) {
        const query = { limit: options.pageSize ?? 100 };
        const call = { operation: "list_operations", query, signal: options.signal };
        return pages(this.#transport, call);
    }
}
/** The errors of the tenant's tasks, grouped: `client.errors`. */
export class Errors {
    #transport;
    /** Made by the client. */
    constructor(transport) {
        this.#transport = transport;
    }
    /** Iterate over the errors, the one that was seen last first. */
    list(options = {}) {
        const query = { ...sent(options), limit: options.pageSize ?? 100 };
        const call = { operation: "list_errors", query, signal: options.signal };
        return pages(this.#transport, call);
    }
    /** Return an error with its counts. */
    get(errorId, options = {}) {
        return this.#act("get_error", errorId, options);
    }
    /** Mark an error as resolved. If it is seen again later, it is unresolved again and has `regressed_at`. */
    resolve(errorId, options = {}) {
        return this.#act("resolve_error", errorId, options);
    }
    /** Mark an error as ignored. It stays so, and is counted. */
    ignore(errorId, options = {}) {
        return this.#act("ignore_error", errorId, options);
    }
    /** Mark an error as unresolved again. */
    reopen(errorId, options = {}) {
        return this.#act("reopen_error", errorId, options);
    }
    /** Run every task that failed with this error again, as a new one, in the background. */
    async retry(errorId, options = {}) {
        const path = { error_id: identifier(errorId) };
        const headers = keyed(options.idempotencyKey);
        const call = { operation: "retry_error", path, headers, signal: options.signal };
        return new OperationHandle(this.#transport, (await this.#transport.call(call)).operation_id);
    }
    async #act(operation, errorId, options) {
        const path = { error_id: identifier(errorId) };
        return this.#transport.call({ operation, path, signal: options.signal });
    }
}
/** The API keys of the tenant: `client.keys`. */
export class Keys {
    #transport;
    /** Made by the client. */
    constructor(transport) {
        this.#transport = transport;
    }
    /** Iterate over all keys, also those that have expired or were revoked. */
    list(options = {}) {
        const query = { limit: options.pageSize ?? 100 };
        const call = { operation: "list_keys", query, signal: options.signal };
        return pages(this.#transport, call);
    }
    /** Make a key. `api_key` of the answer is its text, which is shown only here: read it by its name. */
    issue(request) {
        return this.#transport.call({ operation: "issue_key", body: sent(request), signal: request.signal });
    }
    /** Make a successor of a key; the old one stays valid for `overlap_seconds`. */
    async rotate(keyId, request = {}) {
        const path = { key_id: keyOf(keyId) };
        const call = { operation: "rotate_key", path, body: sent(request), signal: request.signal };
        return this.#transport.call(call);
    }
    /** End a key at once. */
    async revoke(keyId, options = {}) {
        await this.#transport.call({ operation: "revoke_key", path: { key_id: keyOf(keyId) }, signal: options.signal });
    }
}
/** The people of the tenant: `client.members`. */
export class Members {
    #transport;
    /** Made by the client. */
    constructor(transport) {
        this.#transport = transport;
    }
    /** Iterate over all members. */
    list(options = {}) {
        const query = { limit: options.pageSize ?? 100 };
        const call = { operation: "list_members", query, signal: options.signal };
        return pages(this.#transport, call);
    }
    /** Add a member. `initial_password` of the answer is shown only here: read it by its name. */
    add(request) {
        return this.#transport.call({ operation: "add_member", body: sent(request), signal: request.signal });
    }
    /** Change the role of a member, or disable it. */
    async change(memberId, changes) {
        const path = { member_id: identifier(memberId) };
        const call = { operation: "change_member", path, body: sent(changes), signal: changes.signal };
        return this.#transport.call(call);
    }
    /** Remove a member. */
    async remove(memberId, options = {}) {
        const path = { member_id: identifier(memberId) };
        await this.#transport.call({ operation: "remove_member", path, signal: options.signal });
    }
}
function keyOf(keyId) {
    if (!/^[0-9A-Za-z]+$/.test(keyId)) {
        throw new TypeError("a key's id has letters and digits only: give the id, and not the key");
    }
    return keyId;
}
