/** A host that a subsystem's access list names. Its keys will live here. */
export class Host {
  readonly nqn: string;

  constructor(nqn: string) {
    this.nqn = nqn;
  }
}
