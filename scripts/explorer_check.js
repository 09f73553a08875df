// What explorer_check.py does inside the page: states changed at random, frames and edits timed.
({
  /** Changes the open problem at random, again and again, and opens each: says what goes wrong. */
  async mutate({ seed, count }) {
    const random = generator(seed);
    const start = JSON.stringify(window.backlit.problem());
    const wrong = [];
    let opened = 0;
    for (let k = 0; k < count; k++) {
      const problem = JSON.parse(start);
      for (let n = 0; n < 1 + Math.floor(random() * 3); n++) change(problem, random);
      try {
        window.backlit.load(problem);
        opened += 1;
      } catch (error) {
        const sentence = /^[^\n]{5,400}$/.test(error.message) && !/^(Type|Range|Reference)Error$/.test(error.constructor.name);
        if (!sentence) wrong.push(`${error.constructor.name}: ${error.message} of ${JSON.stringify(problem).slice(0, 300)}`);
      }
      if (k % 20 === 0) await new Promise((done) => setTimeout(done)); // the page renders
    }
    await new Promise((done) => setTimeout(done, 100));
    const html = document.querySelectorAll("img, iframe, object, i").length + (window.hit ? 1 : 0);
    return { wrong, opened, html };

    function generator(a) {
      return () => {
        a = (a + 0x6d2b79f5) | 0;
        let t = Math.imul(a ^ (a >>> 15), 1 | a);
        t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
        return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
      };
    }

    function change(problem, random) {
      const odd = [null, 0, -1, 1e308, -1e308, 1e-320, "", "<img src=x onerror=window.hit=1>", [], {}, true, [[1]],
        "relu", "softmax", 2, 0.5, [0, 1], "batch", { name: "<i>x</i>" }, 3.7, 1e9];
      const all = places(problem, []);
      if (!all.length) return;
      const [node, key] = all[Math.floor(random() * all.length)];
      const way = random();
      if (way < 0.15) delete node[key];
      else if (way < 0.25) node["<i>" + key] = node[key];
      else if (way < 0.6 && typeof node[key] === "number") node[key] *= [-1, 1e3, 1e150, 0][Math.floor(random() * 4)];
      else node[key] = odd[Math.floor(random() * odd.length)];
    }

    function places(node, found) {
      if (!node || typeof node !== "object") return found;
      for (const key of Object.keys(node)) {
        found.push([node, key]);
        places(node[key], found);
      }
      return found;
    }
  },

  /** The milliseconds of each of so many frames. */
  async frames(count) {
    const times = [];
    await new Promise((done) => {
      const turn = (now) => {
        times.push(now);
        if (times.length > count) done();
        else requestAnimationFrame(turn);
      };
      requestAnimationFrame(turn);
    });
    return times.slice(1).map((t, k) => t - times[k]);
  },

  /** The milliseconds from each of some edits of a number until the page is drawn. */
  async edits() {
    const input = document.querySelector(".edit input.number");
    const times = [];
    for (let k = 0; k < 12; k++) {
      const from = performance.now();
      input.value = String(0.1 + 0.01 * k);
      input.dispatchEvent(new Event("change", { bubbles: true }));
      await new Promise((done) => {
        requestAnimationFrame(() => {
          const { port1, port2 } = new MessageChannel();
          port1.onmessage = done; // after the frame is laid out and painted
          port2.postMessage(0);
        });
      });
      times.push(performance.now() - from);
    }
    return times.slice(2);
  },
})
