import { VizLegendOptionsBuilder } from '@grafana/grafana-foundation-sdk/common';
import {
  type Dashboard,
  DashboardBuilder,
  DashboardCursorSync,
  DatasourceVariableBuilder,
  MappingType,
  QueryVariableBuilder,
  RowBuilder,
  ThresholdsConfigBuilder,
  ThresholdsMode,
  VariableRefresh,
  VariableSort,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { DataqueryBuilder } from '@grafana/grafana-foundation-sdk/prometheus';
import { PanelBuilder as StatBuilder } from '@grafana/grafana-foundation-sdk/stat';
import { PanelBuilder as TimeseriesBuilder } from '@grafana/grafana-foundation-sdk/timeseries';
import { type Panel, ROWS } from './panels.ts';

const DATASOURCE = { type: 'prometheus', uid: '${datasource}' };
const WIDTH = 24;
const IN_LINE_MAX = 8;
const HEIGHTS = { stat: 4, timeseries: 8 };
const [GREEN, YELLOW, RED] = ['green', 'yellow', 'red'] as const;
const READY = [
  {
    type: MappingType.ValueToText as const,
    options: { 0: { text: 'not ready', color: RED }, 1: { text: 'ready', color: GREEN } },
  },
];

/** deploy/grafana/sink-aws-s3.json */
export function renderDashboard(): string {
  return `${JSON.stringify(makeDashboard(), null, 2)}\n`;
}

// The newer schema (dashboardv2) cannot be imported into Grafana 11 and 12.
/* eslint-disable @typescript-eslint/no-deprecated */
function makeDashboard(): Dashboard {
  const dashboard = new DashboardBuilder('sink-aws-s3')
    .uid('sink-aws-s3')
    .description('CloudEvents into Amazon S3: is it well, and where do events wait?')
    .tags(['sink-aws-s3', 'cloudevents'])
    .time({ from: 'now-1h', to: 'now' })
    .refresh('30s')
    .timezone('browser')
    .tooltip(DashboardCursorSync.Crosshair)
    .readonly()
    .withVariable(new DatasourceVariableBuilder('datasource').label('Data source').type('prometheus'))
    .withVariable(labelVariable('namespace', 'Namespace', 'label_values(sink_ready, namespace)'))
    .withVariable(labelVariable('job', 'Job', 'label_values(sink_ready{namespace=~"$namespace"}, job)'))
    .withVariable(
      labelVariable('instance', 'Instance', 'label_values(sink_ready{namespace=~"$namespace",job=~"$job"}, instance)'),
    );
  let id = 1;
  for (const { title, panels } of ROWS) {
    dashboard.withRow(new RowBuilder(title).id(id++));
    for (const kind of ['stat', 'timeseries'] as const) {
      const ofKind = panels.filter((panel) => panel.kind === kind);
      const widths = widthsOf(ofKind.length);
      for (const [index, panel] of ofKind.entries()) {
        const place = { id: id++, width: widths[index] ?? WIDTH };
        dashboard.withPanel(kind === 'stat' ? stat(panel, place) : timeseries(panel, place));
      }
    }
  }
  return dashboard.build();
}

/* eslint-enable @typescript-eslint/no-deprecated */

/** `All` also matches targets without that label. */
function labelVariable(name: string, label: string, query: string): QueryVariableBuilder {
  return new QueryVariableBuilder(name)
    .label(label)
    .query(query)
    .datasource(DATASOURCE)
    .multi(true)
    .includeAll(true)
    .allValue('.*')
    .current({ text: 'All', value: '$__all' })
    .refresh(VariableRefresh.OnTimeRangeChanged)
    .sort(VariableSort.AlphabeticalAsc);
}

interface Place {
  readonly id: number;
  readonly width: number;
}

/** Whole lines: up to seven panels share one, more are four in a line. */
function widthsOf(panels: number): number[] {
  const inLine = panels < IN_LINE_MAX ? panels : IN_LINE_MAX / 2;
  const width = Math.floor(WIDTH / inLine);
  const last = WIDTH - width * (inLine - 1);
  return Array.from({ length: panels }, (_, index) => (index % inLine === inLine - 1 ? last : width));
}

function targets({ lines }: Panel): DataqueryBuilder[] {
  return Object.entries(lines).map(([legend, expr], index) =>
    new DataqueryBuilder()
      .refId(String.fromCharCode(65 + index))
      .datasource(DATASOURCE)
      .expr(expr)
      .legendFormat(legend)
      .range(),
  );
}

function timeseries(panel: Panel, { id, width }: Place): TimeseriesBuilder {
  return new TimeseriesBuilder()
    .id(id)
    .title(panel.title)
    .description(panel.description)
    .datasource(DATASOURCE)
    .targets(targets(panel))
    .unit(panel.unit)
    .span(width)
    .height(HEIGHTS.timeseries)
    .fillOpacity(10)
    .legend(new VizLegendOptionsBuilder().showLegend(true));
}

function stat(panel: Panel, { id, width }: Place): StatBuilder {
  const builder = new StatBuilder()
    .id(id)
    .title(panel.title)
    .description(panel.description)
    .datasource(DATASOURCE)
    .targets(targets(panel))
    .unit(panel.unit)
    .span(width)
    .height(HEIGHTS.stat);
  if (panel.unit === 'bool') return builder.mappings(READY).thresholds(steps(RED, [1, GREEN]));
  const [yellow, red] = panel.thresholds ?? [];
  if (yellow === undefined || red === undefined) return builder;
  return builder.thresholds(steps(GREEN, [yellow, YELLOW], [red, RED]));
}

function steps(color: string, ...above: (readonly [number, string])[]): ThresholdsConfigBuilder {
  const colors = above.map(([value, from]) => ({ value, color: from }));
  return new ThresholdsConfigBuilder().mode(ThresholdsMode.Absolute).steps([{ value: null, color }, ...colors]);
}
