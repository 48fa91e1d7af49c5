// Keeps every [data-live] part of a page up to date: asks for it each second, and puts it in place
// if it changed. Without this file the pages work as plain pages.
"use strict";

const EVERY_MS = 1000;
const PATIENCE_MS = 5000;

function localTimes(root) {
  const shown = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
  for (const time of root.querySelectorAll("time[datetime]")) {
    time.title = time.textContent;
    time.textContent = shown.format(new Date(time.dateTime));
  }
}

function keysIn(root) {
  return new Set([...root.querySelectorAll("[data-key]")].map((item) => item.dataset.key));
}

function announce(titles) {
  const place = document.querySelector("[data-announce]");
  if (place && titles.length) {
    place.textContent = titles.length === 1 ? `New: ${titles[0]}` : `${titles.length} new records`;
  }
}

function replace(part, html) {
  const before = keysIn(part);
  const focused = part.contains(document.activeElement) ? document.activeElement.id : "";
  part.innerHTML = html;
  localTimes(part);
  const titles = [];
  for (const item of part.querySelectorAll("[data-key]")) {
    if (!before.has(item.dataset.key)) {
      item.classList.add("is-new");
      titles.push(item.dataset.title || "");
    }
  }
  if (focused) document.getElementById(focused)?.focus();
  announce(titles.filter(Boolean));
}

function show(state) {
  for (const badge of document.querySelectorAll("[data-state]")) badge.dataset.state = state;
  for (const words of document.querySelectorAll("[data-state-words]")) {
    words.textContent = state === "live" ? "Live" : "Connection lost, trying again";
  }
}

async function refresh(part) {
  const headers = { "X-Requested-With": "fetch" };
  if (part.dataset.tag) headers["If-None-Match"] = part.dataset.tag;
  const answer = await fetch(part.dataset.live, {
    headers,
    cache: "no-store",
    signal: AbortSignal.timeout(PATIENCE_MS),
  });
  if (answer.status === 200) {
    const html = await answer.text();
    // Somebody who is filling in a form here must not lose what they typed.
    if (part.querySelector("input:focus, select:focus")) return;
    part.dataset.tag = answer.headers.get("ETag") || "";
    replace(part, html);
  } else if (answer.status === 401) {
    // The session has ended: the page itself leads to the sign-in, and back.
    location.reload();
  } else if (answer.status !== 304) {
    throw new Error(String(answer.status));
  }
}

async function keepLive(part) {
  if (!document.hidden) {
    try {
      await refresh(part);
      show("live");
    } catch {
      show("lost");
    }
  }
  setTimeout(() => keepLive(part), EVERY_MS);
}

// Said before a long upload is begun, rather than after.
for (const input of document.querySelectorAll("input[data-largest]")) {
  input.addEventListener("change", () => {
    const isLarge = input.files.length > 0 && input.files[0].size > Number(input.dataset.largest);
    input.setCustomValidity(isLarge ? input.dataset.tooLarge : "");
    input.reportValidity();
  });
}

localTimes(document);
for (const part of document.querySelectorAll("[data-live]")) keepLive(part);
