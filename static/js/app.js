// What all pages do beyond htmx: polite polling, countdown, copying, files. Conversations add inbox.js.
"use strict";

(() => {
  const find = (selector) => document.querySelector(selector);
  const isPoll = (element) => (element.getAttribute("hx-trigger") || "").startsWith("every");

  // A hidden page asks ten times less often; a hidden thread never does, since asking marks it as read.
  let hiddenPolls = 0;
  document.addEventListener("htmx:beforeRequest", (event) => {
    const element = event.detail.elt;
    if (!document.hidden || !isPoll(element)) return;
    hiddenPolls += 1;
    if (element.id === "messages" || hiddenPolls % 10 !== 0) event.preventDefault();
  });

  // What was drawn anew with all around it waits for no answer any more: htmx would put a late one into the part that is
  // gone, and with it whatever it preserves, such as a picture that is in the page.
  document.addEventListener("htmx:beforeCleanupElement", (event) => {
    event.detail.elt.addEventListener("htmx:beforeOnLoad", (late) => late.preventDefault());
  });

  const setOffline = (isOffline) => {
    const note = find("[data-offline]");
    if (note) note.hidden = !isOffline;
  };
  document.addEventListener("htmx:sendError", () => setOffline(true));
  document.addEventListener("htmx:timeout", () => setOffline(true));
  // A proxy that finds nobody behind it answers by itself; the portal's own words say where they belong.
  const isFromProxy = (xhr) => [502, 503, 504].includes(xhr.status) && !xhr.getResponseHeader("HX-Retarget");
  document.addEventListener("htmx:afterRequest", (event) => {
    const { xhr } = event.detail;
    if (xhr && xhr.status) setOffline(isFromProxy(xhr));
  });

  // A live region must stand still to be heard: fragments say their news, this line repeats it.
  let announced = "";
  const announce = (words) => {
    const line = find("#announcer");
    if (!line || !words || words === announced) return;
    announced = words;
    line.textContent = words;
  };

  // Whoever had the focus in a part that is drawn anew without that control goes on at its heading, or where it begins.
  let hadFocus = false;
  document.addEventListener("htmx:beforeSwap", (event) => {
    hadFocus = event.detail.target.contains(document.activeElement);
  });
  const keepFocus = (part) => {
    if (!hadFocus || !part || document.activeElement !== document.body) return;
    const heading = part.querySelector("h2[tabindex='-1']");
    if (!heading) part.tabIndex = -1;
    (heading || part).focus({ preventScroll: !heading });
  };

  // What somebody unfolded stays so when it is drawn anew.
  let unfolded = [];
  document.addEventListener("htmx:beforeSwap", (event) => {
    unfolded = [...event.detail.target.querySelectorAll("details[id][open]")].map((box) => box.id);
  });
  const unfold = () => {
    for (const id of unfolded) {
      const box = document.getElementById(id);
      if (box) box.open = true;
    }
  };

  document.addEventListener("htmx:afterSwap", (event) => {
    unfold();
    const swapped = document.getElementById(event.detail.target.id);
    keepFocus(swapped);
    if (swapped) announce(swapped.dataset.announce);
  });

  window.setInterval(() => {
    for (const element of document.querySelectorAll("[data-countdown]")) {
      const left = Math.max(0, Number(element.dataset.countdown) - 1);
      element.dataset.countdown = String(left);
      element.textContent = String(left);
    }
    for (const element of document.querySelectorAll("[data-hide-after]")) {
      const left = Number(element.dataset.hideAfter) - 1;
      element.dataset.hideAfter = String(left);
      if (left <= 0) element.hidden = true;
    }
  }, 1000);

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    const source = document.getElementById(button.dataset.copy);
    const text = "value" in source ? source.value : source.textContent;
    try {
      await navigator.clipboard.writeText(text.trim());
    } catch {
      // Without HTTPS there is no clipboard: the text is selected, ready for Ctrl+C.
      window.getSelection().selectAllChildren(source);
      if ("select" in source) source.select();
      return;
    }
    const label = button.textContent;
    button.textContent = button.dataset.copied;
    announce(button.dataset.copied);
    window.setTimeout(() => { button.textContent = label; announced = ""; }, 2000);
  });

  // A file that is too large is refused here already, and not after minutes of uploading.
  const checkFile = (input) => {
    const file = input.files[0];
    const isTooLarge = Boolean(file) && file.size > Number(input.dataset.largest);
    input.setCustomValidity(isTooLarge ? input.dataset.tooLarge : "");
    // The composer says it in its own line.
    if (isTooLarge && !input.form.querySelector("[data-file-note]")) input.reportValidity();
  };
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-file]")) checkFile(event.target);
  });
  const progressOf = (event) => event.detail.elt.querySelector("form > [data-progress]");
  document.addEventListener("htmx:beforeRequest", (event) => {
    const bar = progressOf(event);
    if (bar) bar.hidden = !event.detail.elt.querySelector("[data-file]").files[0];
  });
  document.addEventListener("htmx:xhr:progress", (event) => {
    const bar = progressOf(event);
    if (bar && event.detail.lengthComputable) bar.value = event.detail.loaded / event.detail.total;
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    const bar = progressOf(event);
    if (!bar) return;
    bar.hidden = true;
    bar.removeAttribute("value");
  });

  // The short name follows the name until somebody writes one.
  const slug = (name) => name.normalize("NFD").replace(/[\u0300-\u036f]/g, "").toLowerCase()
    .replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 60);
  document.addEventListener("input", (event) => {
    const source = event.target.dataset.slugSource;
    if (source) {
      const target = document.getElementById(source);
      if (!target.dataset.touched) target.value = slug(event.target.value);
    } else if (event.isTrusted) {
      event.target.dataset.touched = "1";
    }
  });

  document.addEventListener("DOMContentLoaded", () => {
    // Some browsers keep a chosen file when a page is loaded again.
    const file = find("[data-file]");
    if (file) checkFile(file);
  });

  // What somebody began to write goes with them when they sign out.
  document.addEventListener("submit", (event) => {
    if (!event.target.matches("form[action$='/logout']")) return;
    try {
      for (const key of Object.keys(localStorage)) if (key.startsWith("portal:draft:")) localStorage.removeItem(key);
    } catch {
      // A browser that keeps nothing has nothing to forget.
    }
  });
})();
