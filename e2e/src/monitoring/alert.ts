/** An alert: a row of docs/operations.md, a section of docs/runbook.md and a rule of deploy/prometheus/rules.yaml. */
export interface Alert {
  readonly name: string;
  /** PromQL; it keeps the labels of the target, so that the alert says which sink and which process it is about. */
  readonly expr: string;
  /** How long the expression holds before the alert fires. */
  readonly for: string;
  /** `critical`: events are refused, or may be, before a day is over; `warning`: within days; `info`: others are wrong. */
  readonly severity: 'critical' | 'warning' | 'info';
  /** What is so, in a few words without a full stop; it goes into messages. */
  readonly summary: string;
  /** What that means for events. Markdown, as the next two. */
  readonly means: string;
  readonly lookAt: string;
  readonly remedy: string;
}
