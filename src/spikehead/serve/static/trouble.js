// What goes wrong between the page and the service.

import { setToken } from "./api.js";
import { shown } from "./names.js";
import { $ } from "./page.js";

const BUSY = [429, 503];

export function complain(why) {
  $("problem").textContent = why && shown(`${why[0].toUpperCase()}${why.slice(1)}.`);
  $("problem").hidden = !why;
}

// Do something with the service; if it fails, say why, or ask for the token that is missing.
export async function attempt(work) {
  try {
    const result = await work();
    complain("");
    return result;
  } catch (error) {
    if (error.status === 401) await askForToken();
    else complain(error.message);
    return null;
  }
}

// The same for what can be left out when the service has too much to do.
export const attemptIfFree = (work) =>
  attempt(() =>
    work().catch((error) => {
      if (BUSY.includes(error.status)) return null;
      throw error;
    }),
  );

async function askForToken() {
  const dialog = $("token-dialog");
  if (dialog.open) return;
  dialog.showModal();
  await new Promise((closed) => dialog.addEventListener("close", closed, { once: true }));
  setToken($("token").value);
  document.dispatchEvent(new Event("token"));
}
