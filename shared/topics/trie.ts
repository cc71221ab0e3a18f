import { isSystemTopic } from './grammar.ts';

interface Node<T> {
  children: Map<string, Node<T>>;
  star: Node<T> | undefined;
  hash: Node<T> | undefined;
  /** Under `#`: stays where it is whatever the next segment. */
  readonly loops: boolean;
  entry: { value: T } | undefined;
  /** The step of a match that reached this node last: it is looked at once a step, however many ways lead to it. */
  mark: number;
}

/**
 * Finds the patterns that match a topic. A match walks all of its places in the trie forward together, one segment a
 * step, so its cost is the topic's segments times the nodes that can still match, also for `#.#.#.a`.
 */
export class PatternTrie<T> {
  readonly #root: Node<T> = newNode(false);
  #size = 0;
  #step = 0;
  // Kept between matches, which never nest, so that a match allocates its answer and the topic's segments only.
  #here: Node<T>[] = [];
  #next: Node<T>[] = [];

  /** How many patterns it holds. */
  get size(): number {
    return this.#size;
  }

  /** A pattern holds one value; adding it again puts the new one in the place of the old one. */
  add(pattern: string, value: T): void {
    let node = this.#root;
    for (const segment of pattern.split('.')) node = childFor(node, segment);
    if (!node.entry) this.#size++;
    node.entry = { value };
  }

  remove(pattern: string): void {
    const segments = pattern.split('.');
    const path: Node<T>[] = [];
    let node: Node<T> | undefined = this.#root;
    for (const segment of segments) {
      path.push(node);
      node = childOf(node, segment);
      if (!node) return;
    }
    if (!node.entry) return;
    node.entry = undefined;
    this.#size--;
    for (let i = segments.length - 1; i >= 0 && node && isEmpty(node); i--) {
      node = path[i];
      if (node) dropChild(node, segments[i] ?? '');
    }
  }

  /** The values of all patterns that match, one for each pattern, in no particular order. */
  match(topic: string): T[] {
    const found: T[] = [];
    if (this.#size === 0) return found;
    this.#here.length = 0;
    this.#step++;
    let guarded = isSystemTopic(topic);
    if (guarded) this.#here.push(this.#root);
    else this.#enter(this.#root, this.#here);
    for (let start = 0; start <= topic.length && this.#here.length > 0;) {
      const dot = topic.indexOf('.', start);
      const end = dot < 0 ? topic.length : dot;
      this.#advance(topic.slice(start, end), guarded);
      guarded = false;
      start = end + 1;
    }
    for (const node of this.#here) if (node.entry) found.push(node.entry.value);
    return found;
  }

  #advance(segment: string, literalOnly: boolean): void {
    const next = this.#next;
    next.length = 0;
    this.#step++;
    for (const node of this.#here) {
      if (node.loops) this.#enter(node, next);
      const child = node.children.get(segment);
      if (child) this.#enter(child, next);
      if (node.star && !literalOnly) this.#enter(node.star, next);
    }
    this.#next = this.#here;
    this.#here = next;
  }

  /** Being at a node is being under its `#` as well, which may take no segment at all. */
  #enter(node: Node<T>, into: Node<T>[]): void {
    let at: Node<T> | undefined = node;
    while (at && at.mark !== this.#step) {
      at.mark = this.#step;
      into.push(at);
      at = at.hash;
    }
  }
}

function newNode<T>(loops: boolean): Node<T> {
  return { children: new Map(), star: undefined, hash: undefined, loops, entry: undefined, mark: 0 };
}

function childOf<T>(node: Node<T>, segment: string): Node<T> | undefined {
  if (segment === '*') return node.star;
  return segment === '#' ? node.hash : node.children.get(segment);
}

function childFor<T>(node: Node<T>, segment: string): Node<T> {
  const child = childOf(node, segment);
  if (child) return child;
  const made = newNode<T>(segment === '#');
  if (segment === '*') node.star = made;
  else if (segment === '#') node.hash = made;
  else node.children.set(segment, made);
  return made;
}

function dropChild<T>(node: Node<T>, segment: string): void {
  if (segment === '*') node.star = undefined;
  else if (segment === '#') node.hash = undefined;
  else node.children.delete(segment);
}

function isEmpty<T>(node: Node<T>): boolean {
  return !node.entry && !node.star && !node.hash && node.children.size === 0;
}
