// Photos that wait for a teacher, one at a time: first those that were suggested, which are here in
// the browser, then those that the service keeps.

import * as api from "./api.js";
import { sentence } from "./names.js";
import { $, button, known, labelled, pause } from "./page.js";
import { attempt } from "./trouble.js";

const ASK_EVERY = 5000; // milliseconds
const SHORT = { dateStyle: "short", timeStyle: "short" };

let suggested = []; // {photo, answer}
let kept = []; // as the service names them
const gone = new Set(); // names of those that were taught or discarded here
let current = null; // the first of them, once its picture is shown: {waiting, blob}
let onTaught;

export function startWaiting(taught) {
  onTaught = taught;
  $("discard").addEventListener("click", discard);
  $("waiting-form").addEventListener("submit", (event) => {
    event.preventDefault();
    if ($("waiting-name").value.trim()) teach($("waiting-name").value);
  });
  askForever();
}

export function suggestFirst(photos) {
  suggested = photos;
  current = null;
  show();
  $("waiting-heading").focus();
}

// The buttons of the classes; they change with the model.
export function showChoices() {
  $("choices").replaceChildren(
    ...known.model.classes.map(({ name }) => button(labelled(name), () => teach(name))),
  );
}

async function askForever() {
  for (;;) {
    if (!document.hidden) await askForQueue();
    await pause(ASK_EVERY);
  }
}

async function askForQueue() {
  try {
    kept = (await api.getQueue()).filter(({ name }) => !gone.has(name));
    await show();
  } catch {
    // Whatever the page does next says what is wrong.
  }
}

// What is shown stays until it is dealt with, whatever comes meanwhile; no tap is for what is not
// seen.
async function show() {
  const all = () => [...suggested, ...kept];
  const next = all().find((one) => isSame(one, current?.waiting)) ?? all()[0];
  $("waiting").hidden = !next;
  if (!isSame(next, current?.waiting)) current = null;
  if (!next) return;
  $("waiting-note").replaceChildren(`${all().length} to go. `, ...about(next));
  if (current) return;
  const blob = next.photo?.blob ?? (await attempt(() => api.getWaiting(next.name)));
  if (current || !all().some((one) => isSame(one, next))) return;
  current = { waiting: next, blob };
  $("waiting-name").value = "";
  URL.revokeObjectURL($("waiting-photo").src);
  $("waiting-photo").hidden = !blob || next.photo?.unseen;
  if (blob) $("waiting-photo").src = URL.createObjectURL(blob);
}

const isSame = (one, other) =>
  one && other && (one.photo ?? one.name) === (other.photo ?? other.name);

function about({ photo, answer, class: name, since, source }) {
  if (photo) return sentence`It would teach most; it is answered “${answer.class}”.`;
  const from = source ? sentence`, from ${source}` : [];
  const like = name ? sentence`; most like “${name}”` : [];
  return [`Since ${new Date(since).toLocaleString([], SHORT)}`, ...from, ...like, "."];
}

async function teach(name) {
  if (!current) return;
  const { waiting, blob } = current;
  const result = await attempt(() =>
    waiting.photo ? api.teach(name, [waiting.photo]) : api.teachWaiting(waiting.name, name),
  );
  if (!result) return;
  leave(waiting);
  await onTaught(name, result, [{ name: waiting.name, blob }]);
}

async function discard() {
  if (!current) return;
  const { waiting } = current;
  if (waiting.photo || (await attempt(() => api.discard(waiting.name)))) leave(waiting);
}

function leave(waiting) {
  gone.add(waiting.name);
  suggested = suggested.filter((one) => one !== waiting);
  kept = kept.filter((one) => !isSame(one, waiting));
  show();
}
