// What the parts of the page share: its elements, and what it knows of the model.

import { isolated } from "./names.js";

const COLOURS = 8;

export const $ = (id) => document.getElementById(id);
export const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
export const plural = (count, one, many = `${one}s`) => `${count} ${count === 1 ? one : many}`;
export const percent = (share) => `${Math.round(100 * share)} %`;
export const clock = (time) =>
  new Date(time).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });

// As the service has described it last.
export const known = { model: { classes: [], lessons: [] } };

// The name of a class's colour in the style sheet.
export function colour(name) {
  const place = known.model.classes.findIndex((one) => one.name === name);
  return `--class-${Math.max(place, 0) % COLOURS}`;
}

export function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

export function button(content, act, properties = {}) {
  const made = element("button", { type: "button", ...properties }, ...content);
  made.addEventListener("click", act);
  return made;
}

export function dot(name) {
  const made = element("span", { className: "dot" });
  made.style.background = `var(${colour(name)})`;
  return made;
}

// A class's name with its colour, as the content of a button.
export const labelled = (name) => [dot(name), isolated(name)];
