// Draws the trends of a device with uPlot: the mean, the range it moved in, and the normal band.
'use strict';
(() => {
  const plots = [], zone = document.body.dataset.zone;
  const number = text => (text === '' ? null : Number(text));
  const colour = name => getComputedStyle(document.body).getPropertyValue(name).trim();

  const now = () => Date.parse(document.body.dataset.now) + performance.now(); // by the site's clock

  async function load(figure, hours) {
    const since = new Date(now() - hours * 3600e3).toISOString();
    const query = new URLSearchParams({ point: figure.dataset.point, since, buckets: 300 });
    const answer = await fetch('/api/v1/trend?' + query);
    if (!answer.ok) return null;
    const rows = (await answer.json()).rows;
    const column = name => rows.map(row => row[name]);
    return [rows.map(row => Date.parse(row.at) / 1000), column('high'), column('low'), column('mean')];
  }

  function band(figure) {
    const low = number(figure.dataset.low), high = number(figure.dataset.high);
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

  function draw(figure, data, hours) {
    const until = now() / 1e3;
    const box = figure.querySelector('.plot');
    const axis = { stroke: colour('--quiet'), grid: { stroke: colour('--line'), width: 1 }, ticks: { show: false } };
    const range = { stroke: 'transparent', width: 0, points: { show: false } };
    return new uPlot({
      width: box.clientWidth, height: 150, tzDate: at => uPlot.tzDate(new Date(at * 1e3), zone), legend: { show: false }, cursor: { y: false },
      axes: [{ ...axis, size: 28, values: [
        [86400, '{M}/{D}', null, null, null, null, null, null, 1],
        [60, '{HH}:{mm}', null, null, null, null, null, null, 1],
      ] }, { ...axis, size: 52 }],
      scales: { x: { time: true, range: [until - hours * 3600, until] } },
      series: [{}, range, range, { stroke: colour('--ink'), width: 1.5, points: { show: data[0].length < 3 } }],
      bands: [{ series: [1, 2], fill: colour('--range') }],
      hooks: { drawClear: [band(figure)] },
    }, data, box);
  }

  async function show(hours) {
    plots.splice(0).forEach(plot => plot.destroy());
    for (const figure of document.querySelectorAll('.chart')) {
      const data = await load(figure, hours);
      figure.hidden = !data || data[0].length === 0;
      if (!figure.hidden) plots.push(draw(figure, data, hours));
    }
  }

  const buttons = [...document.querySelectorAll('[data-hours]')];
  for (const button of buttons) {
    button.addEventListener('click', () => {
      buttons.forEach(each => each.setAttribute('aria-pressed', each === button));
      show(Number(button.dataset.hours));
    });
  }
  addEventListener('resize', () => {
    for (const plot of plots) plot.setSize({ width: plot.root.parentElement.clientWidth, height: 150 });
  });
  show(1);
})();
