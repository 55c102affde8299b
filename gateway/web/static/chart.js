// Draws the trends of a device with uPlot: the mean, the range it moved in, the normal band, and where values
// are missing.
// A value's chart is drawn when its row is opened.
'use strict';
(() => {
  const plots = new Map(), zone = document.body.dataset.zone;
  const seconds = text => (text === null ? null : Date.parse(text) / 1000);
  const number = text => (text === '' ? null : Number(text));
  const colour = name => getComputedStyle(document.body).getPropertyValue(name).trim();
  let hours = 1;

  const now = () => Date.parse(document.body.dataset.now) + performance.now(); // by the site's clock

  async function load(row) {
    const since = new Date(now() - hours * 3600e3).toISOString();
    const ask = (path, query) => fetch(`/api/v1/${path}?` + new URLSearchParams({ ...query, since }));
    const [trend, losses] = await Promise.all([
      ask('trend', { point: row.dataset.point, buckets: 300 }), ask('losses', { subject: row.dataset.point, limit: 1000 }),
    ]);
    if (!trend.ok) return null;
    const lacking = losses.ok ? (await losses.json()).items : [];
    const gaps = lacking.filter(gap => gap.since && !gap.destination).map(gap => [seconds(gap.since), seconds(gap.until)]);
    const rows = (await trend.json()).rows.map(row => ({ ...row, at: seconds(row.at) }));
    const cut = rows.concat(gaps.map(([at]) => ({ at, high: null, low: null, mean: null }))); // no line across a gap
    cut.sort((one, other) => one.at - other.at);
    return { gaps, columns: ['at', 'high', 'low', 'mean'].map(name => cut.map(row => row[name])) };
  }

  function missing(gaps) {
    return plot => {
      const { left, top, width, height } = plot.bbox;
      const clamp = x => Math.min(Math.max(x, left), left + width);
      plot.ctx.fillStyle = colour('--gap');
      for (const [since, until] of gaps) {
        const from = clamp(plot.valToPos(since, 'x', true)), to = until === null ? left + width : clamp(plot.valToPos(until, 'x', true));
        plot.ctx.fillRect(from, top, to - from, height);
      }
    };
  }

  function band(row) {
    const low = number(row.dataset.low), high = number(row.dataset.high);
    return plot => {
      if (low === null && high === null) return;
      const { left, top, width, height } = plot.bbox;
      const clamp = y => Math.min(Math.max(y, top), top + height);
      const upper = high === null ? top : clamp(plot.valToPos(high, 'y', true));
      const lower = low === null ? top + height : clamp(plot.valToPos(low, 'y', true));
      plot.ctx.fillStyle = colour('--band');
      plot.ctx.fillRect(left, upper, width, lower - upper);
    };
  }

  function draw(row, { gaps, columns }) {
    const until = now() / 1e3;
    const box = row.querySelector('.plot');
    const axis = { stroke: colour('--quiet'), grid: { stroke: colour('--line'), width: 1 }, ticks: { show: false } };
    const range = { stroke: 'transparent', width: 0, points: { show: false } };
    return new uPlot({
      width: box.clientWidth, height: 150, tzDate: at => uPlot.tzDate(new Date(at * 1e3), zone), legend: { show: false }, cursor: { y: false },
      axes: [{ ...axis, size: 28, values: [
        [86400, '{M}/{D}', null, null, null, null, null, null, 1],
        [60, '{HH}:{mm}', null, null, null, null, null, null, 1],
      ] }, { ...axis, size: 52, space: 20 }],
      scales: { x: { time: true, range: [until - hours * 3600, until] } },
      series: [{}, range, range, { stroke: colour('--ink'), width: 1.5, points: { show: columns[0].length < 3 } }],
      bands: [{ series: [1, 2], fill: colour('--range') }],
      hooks: { drawClear: [band(row), missing(gaps)] },
    }, columns, box);
  }

  async function show(row) {
    const asked = hours, data = row.open && await load(row);
    if (asked !== hours) return; // another span was chosen meanwhile
    plots.get(row)?.destroy();
    plots.delete(row);
    if (data && data.columns[0].length > 0 && row.open) plots.set(row, draw(row, data));
  }

  const rows = [...document.querySelectorAll('.measure')];
  const buttons = [...document.querySelectorAll('[data-hours]')];
  for (const button of buttons) {
    button.addEventListener('click', () => {
      buttons.forEach(each => each.setAttribute('aria-pressed', each === button));
      hours = Number(button.dataset.hours);
      rows.forEach(show);
    });
  }
  addEventListener('resize', () => {
    for (const plot of plots.values()) plot.setSize({ width: plot.root.parentElement.clientWidth, height: 150 });
  });
  rows.forEach(row => { row.addEventListener('toggle', () => show(row)); show(row); });
})();
