// Before the first paint, and therefore not deferred: light or dark, and that scripts run. All else is in app.js.
"use strict";

(() => {
  const root = document.documentElement;
  root.dataset.scripted = "";
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const setTheme = () => { root.dataset.bsTheme = dark.matches ? "dark" : "light"; };
  setTheme();
  dark.addEventListener("change", setTheme);
})();
