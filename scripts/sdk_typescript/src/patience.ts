/** When to attempt a call again, and when to give up. */

import {
  APIError,
  ConnectionFailedError,
  QuotaExceededError,
  type TaskQueueError,
  UnexpectedAnswerError,
  WaitTimeoutError,
} from "./errors.js";

const FIRST_PAUSE = 0.25;
/** Seconds of the longest pause between two attempts. */
export const LONGEST_PAUSE = 8;
/** Seconds for which one call waits for an end: less than what proxies allow. */
const LONGEST_WAIT = 20;
const MARGIN = 2;
const PASSING = new Set([408, 429, 502, 503, 504]);

/** Attempts of one call: up to a deadline, with growing random pauses, and as `Retry-After` says. */
export class Patience {
  readonly #seconds: number;
  readonly #isRepeatable: boolean;
  #deadline: number;
  #pause = FIRST_PAUSE;

  /** `seconds` is the time in which the last attempt begins. */
  constructor(seconds: number, isRepeatable = true) {
    this.#seconds = seconds;
    this.#isRepeatable = isRepeatable;
    this.#deadline = now() + seconds;
  }

  /** Begin anew after a success: the next failure has the whole time. */
  succeeded(): void {
    this.#deadline = now() + this.#seconds;
    this.#pause = FIRST_PAUSE;
  }

  /** Return the seconds to pause after a failure; throws it when there is no use in another attempt. */
  pauseAfter(failure: TaskQueueError): number {
    if (!mayPass(failure, this.#isRepeatable)) {
      throw failure;
    }
    const asked = failure instanceof APIError ? (failure.retryAfter ?? 0) : 0;
    // Half of it is chance, so that clients that failed together do not come back together.
    const chosen = Math.max(asked, this.#pause * (0.5 + Math.random() / 2));
    this.#pause = Math.min(2 * this.#pause, LONGEST_PAUSE);
    if (chosen > Math.max(0, this.#deadline - now())) {
      throw failure;
    }
    return chosen;
  }
}

/** Return whether the same call may succeed later, and may be sent again. */
export function mayPass(failure: TaskQueueError, isRepeatable: boolean): boolean {
  if (failure instanceof ConnectionFailedError) {
    return isRepeatable || !failure.wasSent;
  }
  if (failure instanceof QuotaExceededError || !isAnswer(failure)) {
    return false;
  }
  // A 429 is answered before anything is done.
  const isSafe = isRepeatable || failure.status === 429;
  const isPassing = PASSING.has(failure.status) || (failure as APIError).code === "idempotency_conflict";
  return isPassing && isSafe;
}

function isAnswer(failure: TaskQueueError): failure is APIError | UnexpectedAnswerError {
  return failure instanceof APIError || failure instanceof UnexpectedAnswerError;
}

/** Waiting for the end of a task or an operation, whatever happens to the connection meanwhile. */
export class Wait {
  readonly #what: string;
  readonly #seconds: number;
  readonly #deadline: number;
  readonly #longest: number;

  /** `answerSeconds` is the time that the client waits for an answer. */
  constructor(what: string, seconds: number, answerSeconds: number) {
    this.#what = what;
    this.#seconds = seconds;
    this.#deadline = now() + seconds;
    // A call must not wait longer than the client waits for its answer.
    this.#longest = Math.max(0, Math.min(LONGEST_WAIT, answerSeconds - MARGIN));
  }

  /** Return the seconds up to the deadline. */
  left(): number {
    return Math.max(0, this.#deadline - now());
  }

  /** Return how many seconds the next call is to wait. */
  ofOneCall(): number {
    return Math.round(1000 * Math.min(this.#longest, this.left())) / 1000;
  }

  /** Throw `WaitTimeoutError` when the time is over. */
  check(status: string): void {
    if (!this.left()) {
      throw new WaitTimeoutError(`${this.#what} is ${status} after ${this.#seconds} s; it goes on`);
    }
  }
}

/** Wait for so many seconds; throws the signal's reason when it aborts. */
export function sleep(seconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    const stop = (): void => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, 1000 * seconds);
    signal?.addEventListener("abort", stop, { once: true });
  });
}

function now(): number {
  return performance.now() / 1000;
}
