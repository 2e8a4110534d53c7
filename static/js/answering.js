// Answering one message and reacting to it: where the focus goes, and when what stands above the composer is closed.
"use strict";

(() => {
  const part = () => document.getElementById("answering");
  // By its id: the thread may be drawn anew meanwhile.
  let openedBy = "";

  // What somebody opened while a message went up is meant for the next one.
  const quoted = () => { const field = part().querySelector("[name='answers_to']"); return field && field.value; };
  const close = () => { const box = part(); if (box) box.replaceChildren(); };
  // After a reaction one goes on where one was, after a quote with the text.
  const leave = () => {
    const box = part();
    const opener = box.querySelector("[data-reacting]") && document.getElementById(openedBy);
    close();
    (opener || document.getElementById("composer-text")).focus();
  };

  document.addEventListener("htmx:beforeRequest", (event) => {
    if (event.detail.elt.closest(".bubble-actions")) openedBy = event.detail.elt.id;
  });
  // Not before: until then htmx knows nothing of the new form, and who is quick would load the whole page.
  document.addEventListener("htmx:afterSettle", (event) => {
    if (event.detail.target.id !== "answering") return;
    const sign = part().querySelector("button[name='sign']");
    (sign || document.getElementById("composer-text")).focus();
  });

  // What was quoted is sent, the reaction is on its way.
  document.addEventListener("htmx:afterRequest", (event) => {
    const { elt: form, xhr, requestConfig, successful } = event.detail;
    // A refusal may be drawn as well.
    if (!successful || xhr.status >= 400 || !form.matches) return;
    if (form.matches("[data-reacting]")) leave();
    else if (form.matches("[data-composer]") && quoted() === requestConfig.formData.get("answers_to")) close();
  });

  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-quote-cancel]")) return;
    event.preventDefault();
    leave();
  });
  document.addEventListener("keydown", (event) => {
    const box = part();
    if (event.key !== "Escape" || !box || !box.contains(event.target)) return;
    event.preventDefault();
    leave();
  });
})();
