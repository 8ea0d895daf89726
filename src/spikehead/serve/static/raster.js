// The spikes of each class's column: they fall, one row a step, and rest until the next answer.

import { shown } from "./names.js";

const ROW = 7; // pixels a step
const LABELS = 26; // pixels for the names below
const STEPS_A_SECOND = 60;
const MAX_LANES = 8;

export class Raster {
  #canvas;
  #colour;
  #members = 15;
  #lanes = [];
  #waiting = []; // steps that have not begun to fall
  #next = null; // the answer after them; what comes faster than it can fall is left out
  #fallen = []; // {step, age in rows}, the newest first
  #still = matchMedia("(prefers-reduced-motion: reduce)");
  #last = 0;
  #running = false;

  constructor(canvas, colour) {
    this.#canvas = canvas;
    this.#colour = colour;
    new ResizeObserver(() => this.#draw()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#draw());
  }

  set members(count) {
    this.#members = count;
  }

  clear() {
    this.#lanes = this.#waiting = this.#fallen = [];
    this.#next = null;
    this.#canvas.setAttribute("aria-label", "No spikes yet");
    this.#draw();
  }

  // Shows an answer's spikes: for each class, how many networks spiked at each step.
  show(spikes, shares) {
    const order = Object.keys(spikes);
    const telling = [...order].sort((a, b) => shares[b] - shares[a]).slice(0, MAX_LANES);
    const lanes = order.filter((name) => telling.includes(name));
    const steps = Array.from({ length: spikes[order[0]].length }, (_, step) =>
      Object.fromEntries(lanes.map((name) => [name, spikes[name][step]])),
    );
    const total = (name) => spikes[name].reduce((sum, count) => sum + count, 0);
    this.#canvas.setAttribute(
      "aria-label",
      `Spikes: ${lanes.map((name) => `${shown(name)} ${total(name)}`).join(", ")}`,
    );
    if (this.#still.matches) {
      this.#lanes = lanes;
      this.#fallen = steps.map((step, index) => ({ step, age: steps.length - index }));
      this.#draw();
      return;
    }
    this.#next = { lanes, steps };
    if (!this.#running) {
      this.#running = true;
      this.#last = performance.now();
      requestAnimationFrame((now) => this.#fall(now));
    }
  }

  #fall(now) {
    const rows = Math.min(((now - this.#last) / 1000) * STEPS_A_SECOND, 4);
    this.#last = now;
    for (const spike of this.#fallen) spike.age += rows;
    if (!this.#waiting.length && this.#next) {
      ({ lanes: this.#lanes, steps: this.#waiting } = this.#next);
      this.#next = null;
    }
    const newest = this.#fallen[0]?.age ?? 1;
    for (let age = Math.min(newest - 1, rows); age >= 0 && this.#waiting.length; age -= 1)
      this.#fallen.unshift({ step: this.#waiting.shift(), age });
    const height = this.#canvas.clientHeight / ROW;
    this.#fallen = this.#fallen.filter((spike) => spike.age < height);
    this.#draw();
    this.#running = Boolean(this.#waiting.length || this.#next);
    if (this.#running) requestAnimationFrame((next) => this.#fall(next));
  }

  #draw() {
    const { clientWidth: width, clientHeight: height } = this.#canvas;
    const scale = devicePixelRatio;
    if (this.#canvas.width !== width * scale || this.#canvas.height !== height * scale)
      Object.assign(this.#canvas, { width: width * scale, height: height * scale });
    const context = this.#canvas.getContext("2d");
    const style = getComputedStyle(this.#canvas);
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, width, height);
    if (!this.#lanes.length) return;
    const lane = width / this.#lanes.length;
    const floor = height - LABELS;
    context.font = `13px ${style.fontFamily}`;
    context.textAlign = "center";
    this.#lanes.forEach((name, index) => {
      const middle = (index + 0.5) * lane;
      context.fillStyle = style.getPropertyValue("--line");
      context.fillRect(middle - 0.5, 0, 1, floor);
      context.fillStyle = style.color;
      context.fillText(fitted(context, shown(name), lane - 8), middle, height - 8);
      context.fillStyle = style.getPropertyValue(this.#colour(name));
      for (const { step, age } of this.#fallen) {
        const y = age * ROW;
        if (!step[name] || y > floor) continue;
        const half = (Math.sqrt(step[name] / this.#members) * Math.min(lane * 0.8, 90)) / 2;
        context.globalAlpha = 1 - 0.85 * (y / floor) ** 2;
        context.beginPath();
        context.roundRect(middle - half, y - ROW + 2, half * 2, ROW - 2, 2.5);
        context.fill();
      }
      context.globalAlpha = 1;
    });
  }
}

function fitted(context, text, width) {
  if (context.measureText(text).width <= width) return text;
  let end = text.length;
  while (end > 1 && context.measureText(`${text.slice(0, end)}…`).width > width) end -= 1;
  return `${text.slice(0, end)}…`;
}
