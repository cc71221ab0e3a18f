/** Tells one turn of the event loop from the next, for those who ask; nobody asking costs nothing. */
export class Turns {
  #n = 0;
  #over = true;

  get current(): number {
    if (this.#over) {
      this.#over = false;
      this.#n += 1;
      setImmediate(() => (this.#over = true));
    }
    return this.#n;
  }
}
