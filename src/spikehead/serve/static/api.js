// The service, as the page uses it.

export class Refusal extends Error {
  constructor(status, sentence) {
    super(sentence);
    this.status = status;
  }
}

const KEY = "spikehead-token";

// The token comes in the address after "#", which browsers send to nobody, and does not stay there.
const given = new URLSearchParams(location.hash.slice(1)).get("token");
if (given) {
  sessionStorage.setItem(KEY, given);
  history.replaceState(null, "", location.pathname);
}

export function setToken(token) {
  sessionStorage.setItem(KEY, token);
}

async function request(method, path, body) {
  const token = sessionStorage.getItem(KEY);
  let response;
  try {
    response = await fetch(path, {
      method,
      body: body instanceof FormData || !body ? body : JSON.stringify(body),
      headers: {
        ...(token && { Authorization: `Bearer ${token}` }),
        ...(body && !(body instanceof FormData) && { "Content-Type": "application/json" }),
      },
    });
  } catch {
    throw new Refusal(0, "the service does not answer");
  }
  if (!response.ok) {
    const { error } = await response.json().catch(() => ({ error: response.statusText }));
    throw new Refusal(response.status, error);
  }
  return response;
}

function form(photos, fields = {}) {
  const data = new FormData();
  for (const [name, value] of Object.entries(fields)) data.append(name, value);
  for (const photo of photos) data.append("photos", photo.blob, photo.name);
  return data;
}

const json = async (response) => (await response).json();

export const getModel = () => json(request("GET", "api/model"));
export const undo = () => json(request("DELETE", "api/lessons/last"));
export const teach = (name, photos) =>
  json(request("POST", "api/lessons", form(photos, { class: name })));
export const predict = (photos) => json(request("POST", "api/predictions", form(photos)));
export const suggest = (photos, number) =>
  json(request("POST", "api/suggestions", form(photos, { number })));
export const check = (name, photos) =>
  json(request("POST", "api/checks", form(photos, { class: name })));
export const correct = (action, names) => json(request("POST", `api/classes/${action}`, names));
export const getMetrics = () => json(request("GET", "api/metrics"));
export const getQueue = () => json(request("GET", "api/queue"));
export const getWaiting = async (name) => (await request("GET", `api/queue/${name}`)).blob();
export const teachWaiting = (name, label) =>
  json(request("POST", `api/queue/${name}`, { class: label }));
export const discard = (name) => request("DELETE", `api/queue/${name}`);
export const download = async () => (await request("GET", "api/model.zip")).blob();
