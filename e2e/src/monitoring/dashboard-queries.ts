/** One query of a dashboard. */
export interface DashboardQuery {
  readonly panel: string;
  readonly legend: string;
  readonly unit: string;
  readonly expr: string;
}

interface PanelJson {
  readonly type: string;
  readonly title?: string;
  readonly fieldConfig?: { readonly defaults?: { readonly unit?: string } };
  readonly targets?: readonly { readonly expr: string; readonly legendFormat: string }[];
}

/** The queries in the JSON of a dashboard. */
export function queriesOf(json: string): DashboardQuery[] {
  const { panels } = JSON.parse(json) as { panels: readonly PanelJson[] };
  return panels.flatMap(({ title = '', targets = [], fieldConfig }) =>
    targets.map(({ expr, legendFormat }) => ({
      panel: title,
      legend: legendFormat,
      unit: fieldConfig?.defaults?.unit ?? 'short',
      expr,
    })),
  );
}

/** As Grafana sends it when `All` is chosen everywhere, with a scrape each second and some that fail. */
export function asPrometheusAsks(expr: string): string {
  return expr.replaceAll('$__rate_interval', '8s').replace(/\$(namespace|job|instance)\b/g, '.*');
}
