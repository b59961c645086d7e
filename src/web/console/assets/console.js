// Progressive enhancement of the console: stored theme, live refresh, keyboard shortcuts. Everything
// else works without scripts. It never builds markup from text.
"use strict";
(() => {
  const root = document.documentElement;
  root.classList.add("scripted");
  const kept = (() => {
    try { return localStorage.getItem("theme"); } catch { return null; }
  })();
  if (kept === "light" || kept === "dark") root.dataset.theme = kept;

  const toggleTheme = () => {
    const dark = root.dataset.theme
      ? root.dataset.theme === "dark"
      : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    try { localStorage.setItem("theme", root.dataset.theme); } catch { /* only for this page */ }
  };

  const localTimes = (within) => {
    for (const time of within.querySelectorAll("time[datetime]:not([data-local])")) {
      const at = new Date(time.dateTime);
      if (Number.isNaN(at.getTime())) continue;
      time.dataset.local = "";
      time.title = `${time.title}\n${at.toLocaleString()} here`;
    }
  };

  // Live refresh: fetch the page, let the browser parse it, and replace the live elements. An element
  // with focus or an open detail is left alone.
  const busy = (piece) => {
    const selection = getSelection();
    const selected = selection && !selection.isCollapsed && piece.contains(selection.anchorNode);
    const open = piece.querySelector("details[open]");
    return selected || open || (piece.contains(document.activeElement) && document.activeElement !== document.body);
  };
  const renew = () => new Promise((done) => {
    const ask = new XMLHttpRequest();
    ask.open("GET", location.href);
    ask.responseType = "document";
    ask.timeout = 10_000;
    ask.onloadend = () => {
      const fresh = ask.status === 200 ? ask.response : null;
      if (fresh) {
        for (const old of document.querySelectorAll("[data-live]")) {
          const renewed = fresh.getElementById(old.id);
          if (!renewed || busy(old)) continue;
          old.replaceWith(document.adoptNode(renewed));
          localTimes(renewed);
        }
      }
      done();
    };
    ask.send();
  });
  const keepFresh = async () => {
    for (;;) {
      const seconds = Math.min(
        ...[...document.querySelectorAll("[data-live]")].map((piece) => Number(piece.dataset.live) || 15),
      );
      if (!Number.isFinite(seconds)) return;
      await new Promise((wake) => setTimeout(wake, seconds * 1000));
      if (!document.hidden) await renew();
    }
  };

  const rows = () => [...document.querySelectorAll("[data-row]")]
    .map((row) => row.querySelector("a, button, input"))
    .filter((target) => target && target.offsetParent !== null);
  const step = (by) => {
    const all = rows();
    if (all.length === 0) return;
    const now = document.activeElement && document.activeElement.closest("[data-row]");
    const at = now ? all.findIndex((target) => now.contains(target)) : -1;
    const next = at < 0 ? (by > 0 ? 0 : all.length - 1) : Math.max(0, Math.min(all.length - 1, at + by));
    all[next].focus();
    all[next].scrollIntoView({ block: "nearest" });
  };

  let going = 0;
  const onKey = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const help = document.getElementById("keys");
    if (event.target.closest("input, select, textarea")) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if (help && help.open) return;
    if (Date.now() - going < 1500) {
      going = 0;
      const link = [...document.querySelectorAll("[data-go]")].find((one) => one.dataset.go === event.key);
      if (link) { event.preventDefault(); location.assign(link.href); }
      return;
    }
    switch (event.key) {
      case "j": step(1); break;
      case "k": step(-1); break;
      case "n": case "p": {
        const link = document.querySelector(event.key === "n" ? "[rel=next]" : "[rel=prev]");
        if (link) location.assign(link.href);
        break;
      }
      case "g": going = Date.now(); break;
      case "/": {
        const search = document.querySelector("[data-search]");
        if (search) { event.preventDefault(); search.focus(); search.select(); }
        break;
      }
      case "?": if (help) help.showModal(); break;
      default: return;
    }
  };

  const onClick = async (event) => {
    const button = event.target.closest("button[data-does]");
    if (!button) return;
    if (button.dataset.does === "theme") toggleTheme();
    if (button.dataset.does === "keys") document.getElementById("keys").showModal();
    if (button.dataset.does === "copy") {
      const from = document.getElementById(button.dataset.of);
      try {
        await navigator.clipboard.writeText(from.textContent);
        button.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(from);
        button.textContent = "Selected";
      }
    }
  };

  // Puts a file into a field in base64, so that its bytes are not changed.
  const onFile = (event) => {
    const input = event.target.closest("input[data-into]");
    if (!input || !input.files[0]) return;
    const reader = new FileReader();
    reader.onload = () => {
      document.getElementById(input.dataset.into).value = reader.result.split(",")[1] || "";
      document.getElementById(input.dataset.how).value = "base64";
    };
    reader.readAsDataURL(input.files[0]);
  };

  document.addEventListener("DOMContentLoaded", () => {
    localTimes(document);
    document.addEventListener("keydown", onKey);
    document.addEventListener("click", onClick);
    document.addEventListener("change", onFile);
    keepFresh();
  });
})();
