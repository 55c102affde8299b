// Draws the trends of a device with uPlot: the mean, the range it moved in, and the normal band.
// A value's chart is drawn when its row is opened.
'use strict';
(() => {
  const plots = new Map(), zone = document.body.dataset.zone;
  const number = text => (text === '' ? null : Number(text));
  const colour = name => getComputedStyle(document.body).getPropertyValue(name).trim();
  let hours = 1;

  const now = () => Date.parse(document.body.dataset.now) + performance.now(); // by the site's clock

  async function load(row) {
    const since = new Date(now() - hours * 3600e3).toISOString();
    const query = new URLSearchParams({ point: row.dataset.point, since, buckets: 300 });
    const answer = await fetch('/api/v1/trend?' + query);
    if (!answer.ok) return null;
    const rows = (await answer.json()).rows;
    const column = name => rows.map(row => row[name]);
    return [rows.map(row => Date.parse(row.at) / 1000), column('high'), column('low'), column('mean')];
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

  function draw(row, data) {
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
      series: [{}, range, range, { stroke: colour('--ink'), width: 1.5, points: { show: data[0].length < 3 } }],
      bands: [{ series: [1, 2], fill: colour('--range') }],
      hooks: { drawClear: [band(row)] },
    }, data, box);
  }

  async function show(row) {
    const asked = hours, data = row.open && await load(row);
    if (asked !== hours) return; // another span was chosen meanwhile
    plots.get(row)?.destroy();
    plots.delete(row);
    if (data && data[0].length > 0 && row.open) plots.set(row, draw(row, data));
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
