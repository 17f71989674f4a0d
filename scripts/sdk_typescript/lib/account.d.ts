/** The queue, operations, errors, keys and members of the tenant. */
import { type CallOptions, type KeyedOptions, type ListOptions } from "./calls.js";
import { OperationHandle, type WaitOptions } from "./handles.js";
import type { ErrorFilter, Key, KeyRequest, KnownError, Member, MemberChange, MemberRequest, NewKey, NewMember, OperationStatus, QueueState, RotateRequest } from "./models.js";
import type { Transport } from "./transport.js";
/** The tenant's own queue: `client.queue`. */
export declare class Queue {
    #private;
    /** Made by the client. */
    constructor(transport: Transport);
    /** Stop starting tasks; those that run go on, and submits are accepted. */
    pause(options?: CallOptions): Promise<QueueState>;
    /** End the tenant's pause. A pause of the operator stays. */
    resume(options?: CallOptions): Promise<QueueState>;
    /** Return who has paused the queue. */
    state(options?: CallOptions): Promise<QueueState>;
}
/** The background acts of the tenant: `client.operations`. */
export declare class Operations {
    #private;
    /** Made by the client. */
    constructor(transport: Transport);
    /** Return a handle on an operation whose id you have kept. It makes no request. */
    handle(operationId: string): OperationHandle;
    /** Return an operation with its counts and its progress. */
    get(operationId: string, options?: CallOptions): Promise<OperationStatus>;
    /** Return an operation when it has ended; see the handle. */
    wait(operationId: string, options?: WaitOptions): Promise<OperationStatus>;
    /** Ask an operation to end. What it has done stays done. */
    cancel(operationId: string, options?: CallOptions): Promise<OperationStatus>;
    /** Iterate over the operations, newest first. */
    list(options?: ListOptions): AsyncIterableIterator<OperationStatus>;
}
/** The errors of the tenant's tasks, grouped: `client.errors`. */
export declare class Errors {
    #private;
    /** Made by the client. */
    constructor(transport: Transport);
    /** Iterate over the errors, the one that was seen last first. */
    list(options?: ErrorFilter & ListOptions): AsyncIterableIterator<KnownError>;
    /** Return an error with its counts. */
    get(errorId: string, options?: CallOptions): Promise<KnownError>;
    /** Mark an error as resolved. If it is seen again later, it is unresolved again and has `regressed_at`. */
    resolve(errorId: string, options?: CallOptions): Promise<KnownError>;
    /** Mark an error as ignored. It stays so, and is counted. */
    ignore(errorId: string, options?: CallOptions): Promise<KnownError>;
    /** Mark an error as unresolved again. */
    reopen(errorId: string, options?: CallOptions): Promise<KnownError>;
    /** Run every task that failed with this error again, as a new one, in the background. */
    retry(errorId: string, options?: KeyedOptions): Promise<OperationHandle>;
}
/** The API keys of the tenant: `client.keys`. */
export declare class Keys {
    #private;
    /** Made by the client. */
    constructor(transport: Transport);
    /** Iterate over all keys, also those that have expired or were revoked. */
    list(options?: ListOptions): AsyncIterableIterator<Key>;
    /** Make a key. `api_key` of the answer is its text, which is shown only here: read it by its name. */
    issue(request: KeyRequest & CallOptions): Promise<NewKey>;
    /** Make a successor of a key; the old one stays valid for `overlap_seconds`. */
    rotate(keyId: string, request?: RotateRequest & CallOptions): Promise<NewKey>;
    /** End a key at once. */
    revoke(keyId: string, options?: CallOptions): Promise<void>;
}
/** The people of the tenant: `client.members`. */
export declare class Members {
    #private;
    /** Made by the client. */
    constructor(transport: Transport);
    /** Iterate over all members. */
    list(options?: ListOptions): AsyncIterableIterator<Member>;
    /** Add a member. `initial_password` of the answer is shown only here: read it by its name. */
    add(request: MemberRequest & CallOptions): Promise<NewMember>;
    /** Change the role of a member, or disable it. */
    change(memberId: string, changes: MemberChange & CallOptions): Promise<Member>;
    /** Remove a member. */
    remove(memberId: string, options?: CallOptions): Promise<void>;
}
