// What the pages do beyond htmx: theme, polite polling, countdown, copying, and the composer.
"use strict";

(() => {
  const root = document.documentElement;
  root.dataset.scripted = "";
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const setTheme = () => { root.dataset.bsTheme = dark.matches ? "dark" : "light"; };
  setTheme();
  dark.addEventListener("change", setTheme);

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
  document.addEventListener("htmx:afterRequest", (event) => {
    if (event.detail.xhr && event.detail.xhr.status) setOffline(false);
  });

  // A live region must stand still to be heard: fragments say their news, this line repeats it.
  let announced = "";
  const announce = (words) => {
    const line = find("#announcer");
    if (!line || !words || words === announced) return;
    announced = words;
    line.textContent = words;
  };

  // The thread stays at its end when it was there, and keeps its place when older messages come above.
  let place = null;
  const scroller = () => find("[data-stick-to-end]");
  const toEnd = () => { const box = scroller(); if (box) box.scrollTop = box.scrollHeight; };
  document.addEventListener("htmx:beforeSwap", (event) => {
    const box = scroller();
    if (!box || !box.contains(event.detail.target)) return;
    const fromEnd = box.scrollHeight - box.scrollTop;
    place = {
      fromEnd,
      isAtEnd: fromEnd - box.clientHeight < 80,
      isOlder: event.detail.target.classList.contains("earlier"),
      isReply: event.detail.requestConfig.verb === "post",
    };
  });
  const keepPlace = () => {
    const box = scroller();
    if (!box || !place) return;
    if (place.isOlder) box.scrollTop = box.scrollHeight - place.fromEnd;
    else if (place.isAtEnd || place.isReply) toEnd();
    place = null;
  };

  // Whoever had the focus in a part that is drawn anew without that control goes on at its heading.
  let hadFocus = false;
  document.addEventListener("htmx:beforeSwap", (event) => {
    hadFocus = event.detail.target.contains(document.activeElement);
  });
  const keepFocus = (part) => {
    const heading = part && part.querySelector("h2[tabindex='-1']");
    if (hadFocus && heading && document.activeElement === document.body) heading.focus();
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

  const showUnread = () => {
    const list = find("[data-unread]");
    if (!list) return;
    const unread = Number(list.dataset.unread);
    document.title = (unread ? `(${unread}) ` : "") + document.title.replace(/^\(\d+\) /, "");
    const badge = find("[data-unread-badge]");
    if (!badge) return;
    badge.hidden = unread === 0;
    badge.querySelector("[data-unread-number]").textContent = String(unread);
  };

  document.addEventListener("htmx:afterSwap", (event) => {
    unfold();
    keepPlace();
    showUnread();
    const swapped = document.getElementById(event.detail.target.id);
    keepFocus(swapped);
    if (swapped) announce(swapped.dataset.announce);
    const error = find("#composer-error");
    if (error) find("#composer-text").focus();
    // Drawn anew, the composer has kept its file but not what stands around it.
    const file = find("#composer-file");
    if (file && event.detail.target.id === "composer") showFile(file);
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

  // Enter sends; while a word is being composed (accents, Asian scripts) it only ends the word.
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    if (event.target.id !== "composer-text") return;
    event.preventDefault();
    event.target.form.requestSubmit();
  });
  let sent = "";
  document.addEventListener("htmx:beforeRequest", (event) => {
    if (event.detail.elt.matches("[data-composer]")) sent = event.detail.elt.querySelector("textarea").value;
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    const form = event.detail.elt;
    if (!form.matches("[data-composer]") || !event.detail.successful || event.detail.xhr.status >= 400) return;
    const error = find("#composer-error");
    if (error) error.remove();
    const text = form.querySelector("textarea");
    // What was typed meanwhile is the next message.
    if (text.value.startsWith(sent)) text.value = text.value.slice(sent.length);
    text.removeAttribute("aria-invalid");
    dropFile(form);
    text.focus();
  });

  // A file that is too large is refused here already, and not after minutes of uploading.
  const showFile = (input) => {
    const file = input.files[0];
    const isTooLarge = Boolean(file) && file.size > Number(input.dataset.largest);
    input.setCustomValidity(isTooLarge ? input.dataset.tooLarge : "");
    const note = input.form.querySelector("[data-file-note]");
    if (!note) {
      if (isTooLarge) input.reportValidity();
      return;
    }
    note.hidden = !file;
    note.classList.toggle("composer__file--bad", isTooLarge);
    const name = file ? file.name : "";
    note.querySelector("[data-file-name]").textContent = isTooLarge ? `${name}: ${input.dataset.tooLarge}` : name;
  };
  const dropFile = (form) => {
    const input = form.querySelector("[data-file]");
    input.value = "";
    showFile(input);
  };
  document.addEventListener("change", (event) => {
    if (!event.target.matches("[data-file]")) return;
    const error = find("#composer-error");
    if (error) error.remove();
    showFile(event.target);
    const text = find("#composer-text");
    if (text && event.target.files[0] && event.target.validity.valid) text.focus();
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-file-remove]");
    if (!button) return;
    dropFile(button.form);
    button.form.querySelector("[data-file]").focus();
  });
  const progressOf = (event) => event.detail.elt.querySelector("form > [data-progress]");
  document.addEventListener("htmx:beforeRequest", (event) => {
    const bar = progressOf(event);
    if (!bar || !event.detail.elt.querySelector("[data-file]").files[0]) return;
    bar.hidden = false;
    // What is typed meanwhile would be cleared along with what was sent.
    const text = event.detail.elt.querySelector("textarea");
    if (text) text.readOnly = true;
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
    const text = event.detail.elt.querySelector("textarea");
    if (text) text.readOnly = false;
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
    toEnd();
    showUnread();
    // Some browsers keep a chosen file when a page is loaded again.
    const file = find("[data-file]");
    if (file) showFile(file);
  });
})();
