// On every page: the design system's own scripts, and parts of a page that follow what happens on the server.
//
// An element with `data-live` and an id is taken anew from the same page; while one says `data-busy`, every so many
// milliseconds; whoever listens for `followed` sees the new page first. A form with `data-swap` is sent without leaving
// the page, so that a film keeps its place.
import { initAll } from "/assets/nhsuk.js";

initAll();

const served = new Map(); // what the server last said, by id; what somebody ticked since is not in it
for (const part of document.querySelectorAll("[data-live]")) served.set(part.id, part.outerHTML);
let timer = 0;

function read(html) {
  return new DOMParser().parseFromString(html, "text/html");
}

// The parts of a page that do not follow by themselves.
const parts = (page) =>
  [...page.querySelectorAll("main section[aria-labelledby]")]
    .filter((section) => !section.closest("[data-live]"))
    .map((section) => section.getAttribute("aria-labelledby"))
    .join();

export function follow(fresh) {
  if (!document.querySelector(".attune-player") && parts(fresh) !== parts(document)) {
    location.reload(); // there is something else to do now, such as to watch a film that has become ready
    return;
  }
  document.dispatchEvent(new CustomEvent("followed", { detail: fresh }));
  for (const part of document.querySelectorAll("[data-live]")) {
    const next = fresh.getElementById(part.id);
    if (!next || served.get(part.id) === next.outerHTML) continue;
    served.set(part.id, next.outerHTML);
    const ticked = [...part.querySelectorAll("input:checked")].map((input) => input.id);
    const order = [...part.querySelectorAll("[data-clip]")].map((item) => item.dataset.clip);
    const focused = part.contains(document.activeElement) ? document.activeElement.id : "";
    part.replaceWith(next);
    for (const form of part.querySelectorAll("[data-swap]")) carryOver(form, document.getElementById(form.id));
    for (const id of ticked) {
      const input = document.getElementById(id);
      if (input) input.checked = true;
    }
    const list = next.querySelector("#order");
    if (list) {
      const items = [...list.children];
      const place = (item) => (order.indexOf(item.dataset.clip) + 1 || order.length + 1 + items.indexOf(item));
      const sorted = [...items].sort((one, other) => place(one) - place(other));
      if (sorted.some((item, index) => item !== items[index])) list.append(...sorted);
    }
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  }
  schedule();
}

// A form's last try belongs to the page: that it is under way, and what was said of it, until the next one.
function carryOver(form, next) {
  if (!next) return;
  if (form.dataset.sending) next.dataset.sending = form.dataset.sending;
  next.prepend(...form.querySelectorAll(":scope > .nhsuk-error-message"));
  next.append(...form.querySelectorAll(":scope > [data-said]"));
}

export async function refresh() {
  try {
    const answer = await fetch(location.href, { cache: "no-store" });
    if (answer.status === 401) location.assign("/sign-in");
    else if (answer.ok) follow(read(await answer.text()));
    else if (answer.status < 500) gone();
    else schedule();
  } catch {
    schedule(); // the line broke: look again later
  }
}

// The page is no more: what it was about has been erased, or is somebody else's now.
function gone() {
  const [first, ...others] = document.querySelectorAll("[data-live]");
  for (const part of others) part.remove();
  if (!first) return;
  first.replaceChildren(document.createElement("p"));
  first.firstChild.textContent = "What was here is no longer kept: it has been erased, or it is no longer for you to see.";
  delete first.dataset.busy;
}

function schedule() {
  clearTimeout(timer);
  const waits = [...document.querySelectorAll("[data-busy]")].map((part) => Number(part.dataset.busy));
  if (waits.length) timer = setTimeout(() => (document.hidden ? schedule() : refresh()), Math.min(...waits));
}

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!form.matches("[data-swap]")) return;
  event.preventDefault();
  if (form.dataset.sending) return;
  form.dataset.sending = "yes";
  clear(form);
  const now = () => document.getElementById(form.id) ?? form; // the page may have followed while it was sent
  const address = event.submitter?.getAttribute("formaction") || form.getAttribute("action");
  let said = "Part of Attune cannot be reached. Nothing is lost; try again in a moment.";
  try {
    const answer = await fetch(address, { method: "POST", body: new URLSearchParams(new FormData(form, event.submitter)) });
    const fresh = read(await answer.text());
    if (answer.status === 401) return location.assign("/sign-in");
    if (answer.ok) {
      said = fresh.querySelector("#said .nhsuk-notification-banner__content")?.textContent.trim() ?? "";
      if (form.id === "mark") form.reset();
      follow(fresh);
      now().dispatchEvent(new CustomEvent("taken", { bubbles: true }));
    } else {
      said = "";
      const next = fresh.getElementById(form.id);
      if (next && answer.status < 500) {
        now().replaceWith(next);
        (next.querySelector("[aria-describedby$='-error'], .nhsuk-error-message ~ ol input") ?? next.querySelector("input"))?.focus();
      } else {
        said = fresh.querySelector(".nhsuk-lede-text, #errors p")?.textContent.trim() ?? "This did not work. Try again.";
      }
    }
  } catch { /* said above */ } finally {
    delete now().dataset.sending;
    tell(now(), said);
  }
});

function clear(form) {
  for (const group of form.querySelectorAll(".nhsuk-form-group--error")) group.classList.remove("nhsuk-form-group--error");
  for (const message of form.querySelectorAll(".nhsuk-error-message")) message.remove();
  for (const field of form.querySelectorAll(".nhsuk-input--error, .nhsuk-select--error, .nhsuk-textarea--error")) {
    field.classList.remove("nhsuk-input--error", "nhsuk-select--error", "nhsuk-textarea--error");
    field.removeAttribute("aria-describedby");
  }
}

function tell(form, sentence) {
  let place = form.querySelector("[data-said]");
  if (!place) {
    place = document.createElement("p");
    place.dataset.said = "";
    place.setAttribute("role", "status");
    place.className = "attune-said";
    form.append(place);
  }
  place.textContent = sentence;
}

schedule();
