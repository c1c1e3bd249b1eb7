/** Things by their id; beyond a number, those go that were not looked for in the longest time. */
export class Recent<Thing> {
  private readonly things = new Map<string, Thing>();
  private readonly most: number;

  constructor(most: number) {
    this.most = most;
  }

  get(id: string): Thing | undefined {
    const found = this.things.get(id);
    if (found !== undefined) this.set(id, found);
    return found;
  }

  set(id: string, thing: Thing): void {
    // A map keeps the order in which its keys came.
    this.things.delete(id);
    this.things.set(id, thing);
    const [oldest] = this.things.keys();
    if (this.things.size > this.most) this.things.delete(oldest);
  }
}
