// What benchmarks/studio_page.py sees of the page: put into it before its own scripts run.

(() => {
  const HAS_NOTES = /, ([1-9]\d*) notes so far/;
  const MODEL = [255, 131, 98]; // `sideman` of web/src/lib/roll/palette.ts, dark
  const NEAR = 30;
  const seen = (window.__seen = {
    interactive: 0,
    ask: {},
    job: '',
    votes: [],
    frames: [],
    isRecording: false,
  });

  /** Do something once the next frame is ready for the screen. */
  function afterFrame(work) {
    requestAnimationFrame(() => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => work(performance.now());
      port2.postMessage(0);
    });
  }

  // -- when the roll answers: a key is pressed in each frame until it moves the cursor

  function pressKeys() {
    const roll = document.querySelector('[data-testid=roll]');
    const spoken = document.querySelector('[data-testid=spoken]');
    if (roll && spoken) {
      if (spoken.textContent.trim()) {
        afterFrame((at) => (seen.interactive = at));
        return;
      }
      roll.focus();
      const key = { key: 'ArrowRight', bubbles: true, cancelable: true };
      roll.dispatchEvent(new KeyboardEvent('keydown', key));
    }
    requestAnimationFrame(pressKeys);
  }
  pressKeys();

  // -- from the click to the first note

  function mark(what, at = performance.now()) {
    seen.ask[what] ??= at;
  }

  addEventListener(
    'click',
    (event) => {
      if (event.target.closest?.('[data-testid=ask]')) seen.ask = { click: event.timeStamp };
    },
    { capture: true },
  );

  const ownFetch = window.fetch;
  window.fetch = async (path, options) => {
    const isAsk = options?.method === 'POST' && /\/jobs$/.test(path);
    const began = performance.now();
    if (isAsk) mark('sent', began);
    const reply = await ownFetch(path, options);
    if (isAsk) mark('stored');
    if (/\/vote$/.test(path)) seen.votes.push(performance.now() - began);
    return reply;
  };

  window.WebSocket = class extends WebSocket {
    constructor(...how) {
      super(...how);
      this.addEventListener('message', ({ data }) => hear(JSON.parse(data)));
    }
  };

  function hear({ type, job, take }) {
    if (!seen.ask.click) return;
    if (type === 'job') seen.job = job.id;
    if (type === 'job' && job.state === 'running') mark('taken');
    if (type !== 'notes' || take !== 0 || seen.ask.came) return;
    mark('came');
    afterFrame(look);
  }

  function look(at) {
    if (HAS_NOTES.test(document.body.textContent) && isNotePainted()) mark('seen', at);
    else afterFrame(look);
  }

  /** Whether the uppermost layer of the roll has the colour in which notes appear. */
  function isNotePainted() {
    const canvas = [...document.querySelectorAll('[data-testid=roll] canvas')].at(-1);
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    for (let i = 0; i < data.length; i += 4) {
      const isNear = MODEL.every((value, band) => Math.abs(data[i + band] - value) < NEAR);
      if (isNear && data[i + 3] > 200) return true;
    }
    return false;
  }

  // -- how evenly frames come

  function record(at) {
    if (seen.isRecording) seen.frames.push(at);
    requestAnimationFrame(record);
  }
  requestAnimationFrame(record);
})();
