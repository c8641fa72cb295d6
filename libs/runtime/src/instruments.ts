import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

/** The metrics of a service: a subclass has a field for each, made with these. */
export class Instruments {
  readonly #registers: Registry[];

  constructor(registry: Registry) {
    this.#registers = [registry];
  }

  protected counter<Label extends string>(name: string, help: string, ...labelNames: Label[]): Counter<Label> {
    return new Counter({ name, help, labelNames, registers: this.#registers });
  }

  protected gauge<Label extends string>(name: string, help: string, ...labelNames: Label[]): Gauge<Label> {
    return new Gauge({ name, help, labelNames, registers: this.#registers });
  }

  /** A gauge that has this value whenever it is read. */
  protected gaugeOf(name: string, help: string, value: () => number): Gauge {
    const gauge: Gauge = new Gauge({ name, help, registers: this.#registers, collect: () => gauge.set(value()) });
    return gauge;
  }

  protected histogram(name: string, help: string, buckets: number[]): Histogram {
    return new Histogram({ name, help, buckets, registers: this.#registers });
  }
}
