// Small pictures of what was taught. The service keeps no photos; the browser keeps these until its
// tab is closed, so that they survive a reload.

import { SMALL, smaller } from "./photos.js";

const KEY = "spikehead-samples";
const OF_A_LESSON = 3;
const MOST = 300; // lessons

const kept = new Map(JSON.parse(sessionStorage.getItem(KEY) ?? "[]"));
const identity = ({ number, taught_at }) => `${number} ${taught_at}`;

export const samplesOf = (lesson) => kept.get(identity(lesson)) ?? [];

// Keep some pictures of a lesson: the first, the last, and one between them.
export async function keepSamples(lesson, photos) {
  const places = new Set([0, photos.length >> 1, photos.length - 1]);
  const pictures = await Promise.all([...places].map((place) => smaller(photos[place].blob, SMALL)));
  kept.set(identity(lesson), pictures.filter(Boolean).slice(0, OF_A_LESSON));
  store();
}

// Forget those of lessons that are gone.
export function forgetSamples(lessons) {
  const left = new Set(lessons.map(identity));
  for (const one of kept.keys()) if (!left.has(one)) kept.delete(one);
  store();
}

function store() {
  for (const one of [...kept.keys()].slice(0, -MOST)) kept.delete(one);
  try {
    sessionStorage.setItem(KEY, JSON.stringify([...kept]));
  } catch {
    // There is no room: they last until the next reload.
  }
}
