"use strict";

// What htmx does not do: API keys, labels of sliders, the dialog, focus, and covers that fail to load.

const KEY = "marquee-key";
const byId = (id) => document.getElementById(id);
const listen = (name, handle, capture = false) => document.addEventListener(name, handle, capture);

listen("htmx:configRequest", ({ detail }) => {
  const key = sessionStorage.getItem(KEY);
  if (key) detail.headers["X-API-Key"] = key;
  // Keep the values of the sliders for the next user.
  if (detail.target.id === "view" && byId("tuning")) {
    const values = [...new FormData(byId("tuning"))].filter(([name]) => name !== "baseline");
    // A filter may be there several times.
    for (const [name] of values) detail.parameters.delete(name);
    for (const [name, value] of values) detail.parameters.append(name, value);
  }
});

listen("htmx:responseError", ({ detail: { xhr } }) => {
  if (xhr.status === 401) askForKey("This key is not valid.");
  if (xhr.status === 403) askForKey("This key does not have the scope “read”.");
});

// The server sets Retry-After after it has rendered the message.
listen("htmx:beforeSwap", ({ detail }) => {
  const seconds = detail.xhr.getResponseHeader("Retry-After");
  if (!seconds) return;
  const when = `in ${seconds} second${seconds === "1" ? "" : "s"}`;
  detail.serverResponse = detail.serverResponse.replace("in a moment", when);
});

// Show the form for a key; `problem` says what is wrong with the one that was sent.
function askForKey(problem) {
  const form = byId("key-form");
  if (sessionStorage.getItem(KEY)) byId("key-problem").textContent = problem;
  if (!form.hidden) return;
  form.hidden = false;
  byId("key").focus();
}

// Say that the service cannot be reached: where the answer is missing if nothing else is there, else above the page.
// While the dialog is open, the rest of the page is inert.
function showUnreachable({ detail: { elt, target, pathInfo } }) {
  const isEmpty = target.id === "similar-body" || target.querySelector(".skeleton, .unreachable");
  const place = isEmpty ? target : byId("trouble");
  const hadFocus = place.contains(document.activeElement);
  // An alert that is replaced is read out again: only if the user has asked again.
  const isNew = !place.querySelector(".unreachable") || place.contains(elt);
  if (isNew) place.replaceChildren(byId("unreachable").content.cloneNode(true));
  // A new button: htmx keeps the request of the old one.
  const again = place.querySelector("button").cloneNode(true);
  place.querySelector("button").replaceWith(again);
  again.hidden = !isEmpty;
  if (!isEmpty) return;
  again.setAttribute("hx-get", pathInfo.finalRequestPath);
  again.setAttribute("hx-target", `#${target.id}`);
  again.setAttribute("hx-sync", `#${target.id}:replace`);
  htmx.process(again);
  if (hadFocus || target.id === "similar-body") again.focus();
}
// Figures of a service that cannot be reached are old ones.
function markStale({ detail: { target } }) {
  if (target.id !== "health" || !target.dataset.shown) return;
  byId("stale").hidden = false;
  target.classList.add("stale");
}
for (const name of ["htmx:sendError", "htmx:timeout"]) {
  listen(name, markStale);
  listen(name, showUnreachable);
}
// A proxy in between may answer instead, with an error or a page for a login: do not put that into this page.
const isFragment = (xhr) => xhr.getResponseHeader("X-Explorer-Fragment") !== null;
listen("htmx:beforeOnLoad", (event) => {
  if (!isFragment(event.detail.xhr)) event.preventDefault();
});
listen("htmx:afterOnLoad", (event) => {
  if (isFragment(event.detail.xhr)) {
    byId("trouble").replaceChildren();
  } else {
    markStale(event);
    showUnreachable(event);
  }
});

listen("submit", (event) => {
  if (event.target.id === "key-form") {
    event.preventDefault();
    sessionStorage.setItem(KEY, byId("key").value.trim());
    location.reload();
  } else if (event.target.id === "finder") {
    event.preventDefault();
    pickFirst(true);
  }
});

// Open the first user of the list if the list is of the text in the search field. The list may be of an earlier text;
// then ask for the right one and open its first user when it arrives.
let isAwaited = false;
function pickFirst(asks) {
  const input = byId("finder-input");
  const list = document.querySelector("#found .users");
  isAwaited = false;
  if (list?.dataset.query === input.value.trim()) {
    list.querySelector("a")?.click();
  } else if (asks) {
    isAwaited = true;
    htmx.trigger(input, "find");
  }
}
listen("htmx:afterSwap", ({ detail: { target } }) => {
  if (target.id === "found" && isAwaited) pickFirst(false);
});
listen("input", ({ target }) => {
  if (target.id === "finder-input") isAwaited = false;
});

// Show the value of a slider. That of the window is an index into a list of days.
function describe(slider) {
  slider.style.setProperty("--at", `${(100 * slider.value) / slider.max}%`);
  const output = slider.parentElement.querySelector("output");
  if (slider.id !== "window") {
    output.textContent = Number(slider.value).toFixed(2);
    return;
  }
  const words = slider.dataset.words.split(",")[slider.value];
  slider.setAttribute("aria-valuetext", words);
  output.textContent = words;
}
// A slider rounds its value. So what is sent is in a field of its own: as the server gave it until the slider is moved,
// and disabled where it is as configured.
const sent = (slider) => slider.parentElement.querySelector("[type=hidden]");
listen("input", ({ target }) => {
  if (target.type !== "range") return;
  describe(target);
  sent(target).disabled = false;
  sent(target).value = target.id === "window" ? target.dataset.days.split(",")[target.value] : target.value;
}, true);
listen("click", ({ target }) => {
  if (!target.closest("#reset")) return;
  for (const slider of byId("tuning").querySelectorAll("input[type=range]")) {
    slider.value = slider.dataset.default;
    describe(slider);
    sent(slider).disabled = true;
  }
  for (const field of byId("tuning").querySelectorAll(".filters input")) field.value = "";
  byId("tuning").dispatchEvent(new Event("input"));
});

// Open the dialog of similar items when the request starts; the response fills it. It shows the full reason, which a
// card cuts off.
function openSimilar(opener) {
  byId("similar-body").setAttribute("aria-busy", "true");
  // "Try again" is for the same item.
  if (!opener.matches(".opener")) return;
  const reason = opener.closest(".card")?.querySelector(".reason");
  byId("similar-why").hidden = !reason;
  // Clone the markup, because it isolates the direction of titles.
  byId("similar-why").replaceChildren(...(reason?.cloneNode(true).childNodes ?? []));
  if (byId("similar").open) return;
  byId("similar-body").replaceChildren(byId("similar-waiting").content.cloneNode(true));
  byId("similar").showModal();
}
listen("htmx:afterRequest", ({ detail: { target } }) => {
  if (target.id === "similar-body") target.setAttribute("aria-busy", "false");
});
// The dialog may be opened for another item next: that must not get this answer.
listen("close", ({ target }) => {
  if (target.id === "similar") htmx.trigger("#similar-body", "htmx:abort");
}, true);
listen("htmx:beforeRequest", (event) => {
  if (event.detail.target.id === "similar-body") openSimilar(event.detail.elt);
  // Abort a running search: its response would remove the link that htmx is using.
  if (event.detail.target.id === "view") htmx.trigger("#finder-input", "htmx:abort");
  const cause = event.detail.requestConfig.triggeringEvent?.type;
  const again = cause === "focus" && byId("found").childElementCount > 0;
  const isLeaving = cause !== "find" && byId("view").classList.contains("htmx-request");
  if (event.detail.target.id === "found" && (again || isLeaving)) event.preventDefault();
  // Update the health page only while it is visible and the box is checked.
  const unwanted = document.hidden || !byId("keep-fresh")?.checked;
  if (event.detail.target.id === "health" && byId("health").dataset.shown && unwanted) event.preventDefault();
});

// The ranking of a user who is not shown any more must not change the address.
listen("htmx:beforeSwap", ({ detail: { target } }) => {
  if (target.id === "view" && byId("tuning")) htmx.trigger("#tuning", "htmx:abort");
});

// Focus the new content, so that a screen reader continues there.
listen("htmx:afterSwap", ({ detail }) => {
  const { target, requestConfig } = detail;
  target.querySelectorAll("input[type=range]").forEach(describe);
  if (matchMedia("(max-width: 47.99rem)").matches) target.querySelector(".past")?.removeAttribute("open");
  if (target.id === "health") {
    target.dataset.shown = "yes";
    target.classList.remove("stale");
    byId("stale").hidden = true;
    byId("stale").querySelector("time").textContent = new Date().toTimeString().slice(0, 8);
  }
  if (target.id === "similar-body") {
    // The reason is above the title.
    byId("similar-of")?.focus({ preventScroll: true });
    byId("similar").scrollTop = 0;
  }
  if (target.id === "view" && requestConfig.triggeringEvent?.type !== "load") {
    byId("finder-input").value = "";
    byId("found").replaceChildren();
    target.querySelector("h1")?.focus();
    window.scrollTo({ top: 0 });
  }
});

// The bar with the sliders covers what is scrolled below it. Its height depends on the window and the filters.
const barHeight = new ResizeObserver(([{ target }]) => {
  document.documentElement.style.setProperty("--bar", `${target.offsetHeight}px`);
});
listen("htmx:afterSwap", ({ detail: { target } }) => {
  if (target.id !== "view") return;
  barHeight.disconnect();
  if (byId("tuning")) barHeight.observe(byId("tuning"));
});

// Restore the focus after a late response has replaced the list of matches: on the same user, or the search field.
let focusedHref = null;
listen("htmx:beforeSwap", ({ detail: { target } }) => {
  focusedHref = target.id === "found" && target.contains(document.activeElement) ? document.activeElement.href : null;
});
listen("htmx:afterSwap", ({ detail: { target } }) => {
  if (!focusedHref) return;
  const same = [...target.querySelectorAll("a")].find((link) => link.href === focusedHref);
  // The list is hidden unless the finder has the focus, and a hidden link cannot be focused.
  byId("finder-input").focus();
  same?.focus();
  focusedHref = null;
});

// The list of matches: arrows move through it, Escape leaves it.
listen("keydown", (event) => {
  const finder = event.target.closest?.(".finder");
  if (!finder) return;
  const stops = [byId("finder-input"), ...finder.querySelectorAll("#found a")];
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step) {
    event.preventDefault();
    stops[stops.indexOf(event.target) + step]?.focus();
  } else if (event.key === "Escape") {
    event.target.blur();
  }
});

// Replace a cover that fails to load by a placeholder.
listen("error", ({ target }) => {
  if (target.dataset?.drawn && target.getAttribute("src") !== target.dataset.drawn) target.src = target.dataset.drawn;
}, true);
