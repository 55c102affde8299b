// Keeps a room live: the server sends the HTML of parts that changed, each with the id of what it replaces.
// Without this file the page is the same, only still.
'use strict';
(() => {
  const PATIENCE = 4500, AGAIN = 2000, ANSWER = 15000;
  const lang = document.documentElement.lang, spoken = '?lang=' + lang.slice(0, 2);
  const lost = document.getElementById('lost'), toast = document.getElementById('toast');
  const fast = Date.now() - Date.parse(document.body.dataset.now); // by how much this clock is ahead of the site's
  let stream, said, heard = Date.now();

  function replace(html) {
    const sent = document.createElement('template');
    sent.innerHTML = html;
    for (const part of [...sent.content.children]) {
      const old = document.getElementById(part.id);
      if (!old) continue;
      const focused = old.contains(document.activeElement) ? document.activeElement.id : '';
      const open = [...old.querySelectorAll('details')].map(each => each.open);
      old.replaceWith(part);
      part.querySelectorAll('details').forEach((each, at) => { each.open = open[at] || false; });
      if (focused) document.getElementById(focused)?.focus();
    }
    ages();
  }

  function listen() {
    stream = new EventSource(document.body.dataset.live);
    stream.onmessage = message => { hear(); replace(message.data); };
    stream.addEventListener('beat', hear);
  }

  function hear() {
    heard = Date.now();
    document.body.classList.remove('lost');
    lost.hidden = true;
  }

  function watch() {
    if (Date.now() - heard > PATIENCE) {
      document.body.classList.add('lost');
      lost.hidden = false;
    }
    if (stream.readyState === EventSource.CLOSED) { stream.close(); listen(); }
  }

  const relative = new Intl.RelativeTimeFormat(lang, { numeric: 'auto', style: 'narrow' });
  const UNITS = [['day', 86400], ['hour', 3600], ['minute', 60], ['second', 1]];
  function ages() {
    for (const time of document.querySelectorAll('time')) {
      const passed = Math.max(0, (Date.now() - fast - Date.parse(time.dateTime)) / 1000);
      const [unit, seconds] = UNITS.find(([, seconds]) => passed >= seconds) || UNITS[3];
      time.dataset.age = relative.format(-Math.floor(passed / seconds), unit);
    }
  }

  async function send(event) {
    const form = event.target;
    if (form.method !== 'post' || 'plain' in form.dataset) return;
    event.preventDefault();
    const data = new URLSearchParams(new FormData(form, event.submitter));
    const button = event.submitter;
    if (button) button.disabled = true;
    try {
      const answer = await fetch(form.action + spoken, { method: 'POST', body: data, headers: { accept: 'application/json' }, signal: AbortSignal.timeout(ANSWER) });
      if (answer.ok) form.closest('details:not(.demo)')?.removeAttribute('open');
      const json = answer.headers.get('content-type')?.includes('json');
      if (json || !answer.ok) say(json ? (await answer.json()).detail : toast.dataset.unanswered);
    } catch (error) {
      const perhaps = lost.hidden || error.name === 'TimeoutError'; // it was done, and only the answer is missing
      say(perhaps ? toast.dataset.unanswered : toast.dataset.undone);
    }
    if (button) button.disabled = false;
  }

  function say(text) {
    toast.textContent = text;
    toast.hidden = false;
    clearTimeout(said);
    said = setTimeout(() => { toast.hidden = true; }, 6000);
  }

  document.addEventListener('submit', send);
  setInterval(watch, AGAIN / 4);
  setInterval(ages, 1000);
  ages();
  listen();
})();
