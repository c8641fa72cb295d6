import type { Line } from './prometheus-server.ts';

export interface Drawing {
  readonly title: string;
  readonly unit: string;
  readonly lines: readonly { readonly legend: string; readonly points: Line['points'] }[];
}

const [WIDTH, HEIGHT, COLUMNS] = [420, 230, 2];
const PLOT = { left: 62, right: 12, top: 30, bottom: 22 };
const LEGEND_ROW = 14;
const LEGENDS_MAX = 5;
const LEGEND_CHARACTERS_MAX = 46;
const TICKS = 2;
/** Points that are further apart have a gap between them. */
const GAP_SECONDS = 2;
const COLORS = ['#2f7d32', '#b8860b', '#1565c0', '#c62828', '#6a1b9a', '#00838f', '#5d4037'];

/** Panels as one SVG, two beside each other, over the same time. */
export function drawPanels(drawings: readonly Drawing[], fromMs: number, toMs: number): string {
  const rows = Math.ceil(drawings.length / COLUMNS);
  const size = `width="${WIDTH * COLUMNS}" height="${HEIGHT * rows}"`;
  const panels = drawings.map((drawing, index) => {
    const [x, y] = [(index % COLUMNS) * WIDTH, Math.floor(index / COLUMNS) * HEIGHT];
    return `<g transform="translate(${x},${y})">${drawPanel(drawing, fromMs, toMs)}</g>`;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" ${size} font-family="sans-serif" font-size="10" fill="#333">`,
    '<rect width="100%" height="100%" fill="#fff"/>',
    ...panels,
    '</svg>',
    '',
  ].join('\n');
}

function drawPanel({ title, unit, lines }: Drawing, fromMs: number, toMs: number): string {
  const legends = Math.min(lines.length, LEGENDS_MAX);
  const bottom = HEIGHT - PLOT.bottom - legends * LEGEND_ROW;
  const top = niceTop(Math.max(0, ...lines.flatMap(({ points }) => points.map(([, value]) => value))), unit);
  const x = (seconds: number): number =>
    PLOT.left + ((seconds * 1000 - fromMs) / (toMs - fromMs)) * (WIDTH - PLOT.left - PLOT.right);
  const y = (value: number): number => bottom - (Math.max(0, value) / top) * (bottom - PLOT.top);
  const ticks = Array.from({ length: TICKS + 1 }, (_, tick) => (top / TICKS) * tick).map(
    (value) =>
      `<path d="M${PLOT.left} ${round(y(value))}H${WIDTH - PLOT.right}" stroke="#ddd"/>` +
      `<text x="${PLOT.left - 5}" y="${round(y(value) + 3)}" text-anchor="end">${label(value, unit)}</text>`,
  );
  const seconds = Math.round((toMs - fromMs) / 1000);
  const times = [0, seconds / 2, seconds].map(
    (at) =>
      `<text x="${round(x(fromMs / 1000 + at))}" y="${bottom + 12}" text-anchor="${at === seconds ? 'end' : 'middle'}">${Math.round(at)} s</text>`,
  );
  const drawn = lines.slice(0, COLORS.length).map(({ points }, index) => {
    const path = points.map(([at, value], point) => {
      const isNext = at - (points[point - 1]?.[0] ?? Number.NEGATIVE_INFINITY) <= GAP_SECONDS;
      return `${isNext ? 'L' : 'M'}${round(x(at))} ${round(y(value))}`;
    });
    return `<path d="${path.join('')}" fill="none" stroke="${colorOf(index)}" stroke-width="1.3"/>`;
  });
  const names = lines.slice(0, legends).map(({ legend }, index) => {
    const more = index === LEGENDS_MAX - 1 && lines.length > LEGENDS_MAX ? `, … (${lines.length} lines)` : '';
    const at = bottom + PLOT.bottom + index * LEGEND_ROW + 3;
    return (
      `<rect x="${PLOT.left}" y="${at - 7}" width="10" height="3" fill="${colorOf(index)}"/>` +
      `<text x="${PLOT.left + 15}" y="${at - 3}">${escape(legend.slice(0, LEGEND_CHARACTERS_MAX) + more)}</text>`
    );
  });
  return [
    `<text x="10" y="18" font-size="12" font-weight="bold">${escape(title)}</text>`,
    ...ticks,
    ...times,
    ...drawn,
    ...names,
  ].join('\n');
}

function colorOf(index: number): string {
  return COLORS[index % COLORS.length] ?? '';
}

/** A round number that is not below the value. */
function niceTop(value: number, unit: string): number {
  if (value <= 0) return 1;
  const base = unit === 'bytes' || unit === 'Bps' ? 1024 : 1000;
  const scale = base ** Math.floor(Math.log(value) / Math.log(base));
  const power = 10 ** Math.floor(Math.log10(value / scale));
  return ([1, 1.5, 2, 3, 5, 7.5, 10].find((factor) => factor * power * scale >= value) ?? 10) * power * scale;
}

function label(value: number, unit: string): string {
  switch (unit) {
    case 'bytes':
    case 'Bps':
      return `${scaled(value, 1024, ['B', 'KiB', 'MiB', 'GiB', 'TiB'])}${unit === 'Bps' ? '/s' : ''}`;
    case 's':
      return value !== 0 && value < 0.1 ? `${round(value * 1000)} ms` : `${round(value, 2)} s`;
    case 'ops':
    case 'reqps':
      return `${scaled(value, 1000, ['', 'k', 'M'])}/s`;
    case 'percentunit':
      return `${round(value * 100, 2)} %`;
    default:
      return scaled(value, 1000, ['', 'k', 'M', 'G']);
  }
}

function scaled(value: number, base: number, units: readonly string[]): string {
  const step = value < base ? 0 : Math.min(units.length - 1, Math.floor(Math.log(value) / Math.log(base)));
  return `${round(value / base ** step, 2)} ${units[step] ?? ''}`.trim();
}

function round(value: number, digits = 1): number {
  return Number(value.toFixed(digits));
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
