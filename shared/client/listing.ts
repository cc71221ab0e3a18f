/** Where a page begins: nowhere in particular, or behind another one. */
export interface From {
  readonly cursor?: string;
}

/** With a `cursor` there is more behind it, also where the page itself is empty. */
export interface Page<Item> extends From {
  readonly items: readonly Item[];
}

/** A list of the server's, read page by page as a loop gets there; nothing is asked before. */
export class Listing<Item> implements AsyncIterable<Item, undefined> {
  readonly #read: (from: From) => Promise<Page<Item>>;

  constructor(read: (from: From) => Promise<Page<Item>>) {
    this.#read = read;
  }

  /** One page by itself: the first, or the one behind another's cursor. */
  page(cursor?: string): Promise<Page<Item>> {
    return this.#read(cursor === undefined ? {} : { cursor });
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Item, undefined> {
    let cursor: string | undefined;
    do {
      const page = await this.page(cursor);
      yield* page.items;
      ({ cursor } = page);
    } while (cursor !== undefined);
    return undefined;
  }
}
