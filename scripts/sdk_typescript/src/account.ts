/** The queue, operations, errors, keys and members of the tenant. */

import { type Call, type CallOptions, identifier, keyed, type KeyedOptions, type ListOptions, sent } from "./calls.js";
import { OperationHandle, type WaitOptions } from "./handles.js";
import type {
  ErrorFilter,
  Key,
  KeyPage,
  KeyRequest,
  KnownError,
  KnownErrorPage,
  LimitList,
  Member,
  MemberChange,
  MemberPage,
  MemberRequest,
  NewKey,
  NewMember,
  OperationAccepted,
  OperationPage,
  OperationStatus,
  QueueState,
  RotateRequest,
} from "./models.js";
import { pages } from "./paging.js";
import type { Transport } from "./transport.js";

/** The tenant's own queue: `client.queue`. */
export class Queue {
  readonly #transport: Transport;

  /** Made by the client. */
  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** Stop starting tasks; those that run go on, and submits are accepted. */
  pause(options: CallOptions = {}): Promise<QueueState> {
    return this.#transport.call<QueueState>({ operation: "pause_queue", signal: options.signal });
  }

  /** End the tenant's pause. A pause of the operator stays. */
  resume(options: CallOptions = {}): Promise<QueueState> {
    return this.#transport.call<QueueState>({ operation: "resume_queue", signal: options.signal });
  }

  /** Return who has paused the queue. */
  async state(options: CallOptions = {}): Promise<QueueState> {
    return (await this.#transport.call<LimitList>({ operation: "list_limits", signal: options.signal })).queue;
  }
}

/** The background acts of the tenant: `client.operations`. */
export class Operations {
  readonly #transport: Transport;

  /** Made by the client. */
  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** Return a handle on an operation whose id you have kept. It makes no request. */
  handle(operationId: string): OperationHandle {
    return new OperationHandle(this.#transport, identifier(operationId));
  }

  /** Return an operation with its counts and its progress. */
  async get(operationId: string, options: CallOptions = {}): Promise<OperationStatus> {
    return this.handle(operationId).get(options);
  }

  /** Return an operation when it has ended; see the handle. */
  async wait(operationId: string, options: WaitOptions = {}): Promise<OperationStatus> {
    return this.handle(operationId).wait(options);
  }

  /** Ask an operation to end. What it has done stays done. */
  async cancel(operationId: string, options: CallOptions = {}): Promise<OperationStatus> {
    return this.handle(operationId).cancel(options);
  }

  /** Iterate over the operations, newest first. */
  list(options: ListOptions = {}): AsyncIterableIterator<OperationStatus> {
    const query = { limit: options.pageSize ?? 100 };
    const call: Call<OperationPage> = { operation: "list_operations", query, signal: options.signal };
    return pages<OperationStatus>(this.#transport, call);
  }
}

/** The errors of the tenant's tasks, grouped: `client.errors`. */
export class Errors {
  readonly #transport: Transport;

  /** Made by the client. */
  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** Iterate over the errors, the one that was seen last first. */
  list(options: ErrorFilter & ListOptions = {}): AsyncIterableIterator<KnownError> {
    const query = { ...sent(options), limit: options.pageSize ?? 100 };
    const call: Call<KnownErrorPage> = { operation: "list_errors", query, signal: options.signal };
    return pages<KnownError>(this.#transport, call);
  }

  /** Return an error with its counts. */
  get(errorId: string, options: CallOptions = {}): Promise<KnownError> {
    return this.#act("get_error", errorId, options);
  }

  /** Mark an error as resolved. If it is seen again later, it is unresolved again and has `regressed_at`. */
  resolve(errorId: string, options: CallOptions = {}): Promise<KnownError> {
    return this.#act("resolve_error", errorId, options);
  }

  /** Mark an error as ignored. It stays so, and is counted. */
  ignore(errorId: string, options: CallOptions = {}): Promise<KnownError> {
    return this.#act("ignore_error", errorId, options);
  }

  /** Mark an error as unresolved again. */
  reopen(errorId: string, options: CallOptions = {}): Promise<KnownError> {
    return this.#act("reopen_error", errorId, options);
  }

  /** Run every task that failed with this error again, as a new one, in the background. */
  async retry(errorId: string, options: KeyedOptions = {}): Promise<OperationHandle> {
    const path = { error_id: identifier(errorId) };
    const headers = keyed(options.idempotencyKey);
    const call: Call<OperationAccepted> = { operation: "retry_error", path, headers, signal: options.signal };
    return new OperationHandle(this.#transport, (await this.#transport.call(call)).operation_id);
  }

  async #act(operation: Call<unknown>["operation"], errorId: string, options: CallOptions): Promise<KnownError> {
    const path = { error_id: identifier(errorId) };
    return this.#transport.call<KnownError>({ operation, path, signal: options.signal });
  }
}

/** The API keys of the tenant: `client.keys`. */
export class Keys {
  readonly #transport: Transport;

  /** Made by the client. */
  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** Iterate over all keys, also those that have expired or were revoked. */
  list(options: ListOptions = {}): AsyncIterableIterator<Key> {
    const query = { limit: options.pageSize ?? 100 };
    const call: Call<KeyPage> = { operation: "list_keys", query, signal: options.signal };
    return pages<Key>(this.#transport, call);
  }

  /** Make a key. `api_key` of the answer is its text, which is shown only here: read it by its name. */
  issue(request: KeyRequest & CallOptions): Promise<NewKey> {
    return this.#transport.call<NewKey>({ operation: "issue_key", body: sent(request), signal: request.signal });
  }

  /** Make a successor of a key; the old one stays valid for `overlap_seconds`. */
  async rotate(keyId: string, request: RotateRequest & CallOptions = {}): Promise<NewKey> {
    const path = { key_id: keyOf(keyId) };
    const call: Call<NewKey> = { operation: "rotate_key", path, body: sent(request), signal: request.signal };
    return this.#transport.call(call);
  }

  /** End a key at once. */
  async revoke(keyId: string, options: CallOptions = {}): Promise<void> {
    await this.#transport.call({ operation: "revoke_key", path: { key_id: keyOf(keyId) }, signal: options.signal });
  }
}

/** The people of the tenant: `client.members`. */
export class Members {
  readonly #transport: Transport;

  /** Made by the client. */
  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** Iterate over all members. */
  list(options: ListOptions = {}): AsyncIterableIterator<Member> {
    const query = { limit: options.pageSize ?? 100 };
    const call: Call<MemberPage> = { operation: "list_members", query, signal: options.signal };
    return pages<Member>(this.#transport, call);
  }

  /** Add a member. `initial_password` of the answer is shown only here: read it by its name. */
  add(request: MemberRequest & CallOptions): Promise<NewMember> {
    return this.#transport.call<NewMember>({ operation: "add_member", body: sent(request), signal: request.signal });
  }

  /** Change the role of a member, or disable it. */
  async change(memberId: string, changes: MemberChange & CallOptions): Promise<Member> {
    const path = { member_id: identifier(memberId) };
    const call: Call<Member> = { operation: "change_member", path, body: sent(changes), signal: changes.signal };
    return this.#transport.call(call);
  }

  /** Remove a member. */
  async remove(memberId: string, options: CallOptions = {}): Promise<void> {
    const path = { member_id: identifier(memberId) };
    await this.#transport.call({ operation: "remove_member", path, signal: options.signal });
  }
}

function keyOf(keyId: string): string {
  if (!/^[0-9A-Za-z]+$/.test(keyId)) {
    throw new TypeError("a key's id has letters and digits only: give the id, and not the key");
  }
  return keyId;
}
