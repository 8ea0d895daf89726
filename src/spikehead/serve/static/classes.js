// The classes that it knows: each can be renamed, merged with another, or removed.

import * as api from "./api.js";
import { isolated, sentence } from "./names.js";
import { $, button, dot, element, known, plural } from "./page.js";
import { samplesOf } from "./samples.js";
import { attempt } from "./trouble.js";

const SHOWN_SAMPLES = 4;

let chosen = ""; // the class that the dialog is about
let onCorrected;

export function startClasses(corrected) {
  onCorrected = corrected;
  $("rename-form").addEventListener("submit", () =>
    correct("rename", { into: $("new-name").value }),
  );
  $("merge-form").addEventListener("submit", () =>
    correct("merge", { into: known.model.classes[$("merge-into").value].name }),
  );
  $("remove-form").addEventListener("submit", () => correct("remove", {}));
}

export function showClasses() {
  const samples = samplesByClass(known.model.lessons);
  $("classes").replaceChildren(
    ...known.model.classes.map(({ name, photos }) =>
      element(
        "li",
        {},
        dot(name),
        isolated(name, { className: "name" }),
        element(
          "span",
          { className: "thumbs" },
          ...(samples.get(name) ?? [])
            .slice(-SHOWN_SAMPLES)
            .map((src) => element("img", { src, alt: "" })),
        ),
        element("span", { className: "count", textContent: plural(photos, "photo") }),
        button(
          ["Change", element("span", { className: "hidden" }, ...sentence` “${name}”`)],
          () => ask(name),
        ),
      ),
    ),
  );
}

// Under what its class is called now.
function samplesByClass(lessons) {
  const found = new Map();
  for (const lesson of lessons) {
    const { action, class: name, into } = lesson;
    const before = found.get(name) ?? [];
    if (action === "learn") found.set(name, [...before, ...samplesOf(lesson)]);
    else found.delete(name);
    if (into) found.set(into, [...(found.get(into) ?? []), ...before]);
  }
  return found;
}

function ask(name) {
  chosen = name;
  const { classes } = known.model;
  const others = classes.map((one, place) => [one.name, place]).filter(([other]) => other !== name);
  $("class-heading").replaceChildren(...sentence`Change “${name}”`);
  $("new-name").value = name;
  $("merge-into").replaceChildren(
    ...others.map(([other, value]) => element("option", { value }, isolated(other))),
  );
  $("merge-form").hidden = $("remove-form").hidden = !others.length;
  $("class-dialog").showModal();
}

async function correct(action, names) {
  const model = await attempt(() => api.correct(action, { name: chosen, ...names }));
  if (model) onCorrected(model);
}

// What a lesson did, as nodes.
export function told({ action, class: name, into, photos }) {
  if (action === "rename") return sentence`“${name}” is now “${into}”`;
  if (action === "merge") return sentence`“${name}” is part of “${into}”`;
  if (action === "remove") return sentence`“${name}” is removed`;
  return sentence`“${name}”, ${plural(photos, "photo")}`;
}
