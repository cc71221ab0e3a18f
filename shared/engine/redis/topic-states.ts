import { homeOf } from '../../topics/home.ts';
import type { Keys } from './keys.ts';

/** What the engine remembers of a topic: where it lives, and the highest position it has heard of. */
export interface TopicState {
  readonly topic: string;
  readonly partition: number;
  readonly meta: string;
  readonly stream: string;
  epoch: string;
  seq: number;
}

/**
 * The topics used last, so that a hot append computes no hash and builds no name. Two generations instead of a true
 * LRU: a hit costs one lookup and moves nothing. What falls out costs a computation, and the notice of a rewind that
 * nobody else saw either.
 */
export class TopicStates {
  readonly #keys: Keys;
  readonly #generation: number;
  #young = new Map<string, TopicState>();
  #old = new Map<string, TopicState>();

  constructor(keys: Keys, generation = 32_768) {
    this.#keys = keys;
    this.#generation = generation;
  }

  of(topic: string): TopicState {
    const known = this.#young.get(topic);
    if (known) return known;
    const state = this.#old.get(topic) ?? this.#make(topic);
    if (this.#young.size >= this.#generation) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(topic, state);
    return state;
  }

  /** Positions of one epoch only rise; another epoch replaces the one known. */
  saw(state: TopicState, epoch: string, seq: number): void {
    if (state.epoch !== epoch) {
      state.epoch = epoch;
      state.seq = seq;
    } else if (seq > state.seq) {
      state.seq = seq;
    }
  }

  #make(topic: string): TopicState {
    const partition = this.#keys.partitionOf(homeOf(topic));
    return {
      topic,
      partition,
      meta: this.#keys.meta(partition, topic),
      stream: this.#keys.stream(partition, topic),
      epoch: '',
      seq: 0,
    };
  }
}
