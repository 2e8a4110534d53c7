// Answering one message and reacting to it: where the focus goes, and when what stands above the composer is closed.
"use strict";

(() => {
  const part = () => document.getElementById("answering");
  // By its id: the thread may be drawn anew meanwhile.
  let openedBy = "";

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
  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.target.id !== "answering") return;
    const sign = part().querySelector("button[name='sign']");
    (sign || document.getElementById("composer-text")).focus();
  });

  // What was quoted is sent, the reaction is on its way.
  document.addEventListener("htmx:afterRequest", (event) => {
    const form = event.detail.elt;
    if (!event.detail.successful || !form.matches) return;
    if (form.matches("[data-reacting]")) leave();
    else if (form.matches("[data-composer]")) close();
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
