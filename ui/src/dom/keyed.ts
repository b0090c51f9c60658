/** Lists that change in place, so that focus, selections and what one hovers over stay where they are. */

/** What stands for one item of a list. */
export interface Row<Item> {
  readonly element: HTMLElement;
  update(item: Item): void;
}

export class KeyedList<Item> {
  readonly #container: HTMLElement;
  readonly #key: (item: Item) => string;
  readonly #make: (item: Item) => Row<Item>;
  #rows = new Map<string, Row<Item>>();

  constructor(container: HTMLElement, key: (item: Item) => string, make: (item: Item) => Row<Item>) {
    this.#container = container;
    this.#key = key;
    this.#make = make;
  }

  /** Show `items` in their order; of items with the same key the last is shown. */
  draw(items: readonly Item[]): void {
    const rows = new Map<string, Row<Item>>();
    for (const item of items) {
      const key = this.#key(item);
      const row = rows.get(key) ?? this.#rows.get(key) ?? this.#make(item);
      row.update(item);
      rows.set(key, row);
    }
    this.#rows = rows;
    const wanted = [...rows.values()].map(({ element }) => element);
    const kept = new Set<Element>(wanted);
    for (const element of [...this.#container.children]) if (!kept.has(element)) element.remove();
    // Only what stands elsewhere is moved: a moved element loses its focus.
    wanted.forEach((element, index) => {
      const there = this.#container.children[index];
      if (there !== element) this.#container.insertBefore(element, there ?? null);
    });
  }
}
