"use strict";
// What only the reader's browser can do: the theme, current ages, rows that open, the clipboard, links in Airflow.
(function () {
  // Inside Airflow the page follows Airflow's theme, regardless of the system's theme.
  try {
    const outer = window.parent === window ? null : window.parent.document.documentElement;
    const follow = function () {
      const theme = ["dark", "light"].find((name) => outer.classList.contains(name));
      if (theme) document.documentElement.dataset.theme = theme;
      document.dispatchEvent(new Event("themechange"));
    };
    if (outer) {
      follow();
      new MutationObserver(follow).observe(outer, { attributeFilter: ["class"] });
    }
  } catch (error) {
    // Framed by another site: use the reader's own theme.
  }

  // Ages go on while the page is open (clock.py describes them in the same way).
  function describe(minutes) {
    if (minutes < 120) return minutes + " min";
    return minutes < 72 * 60 ? Math.floor(minutes / 60) + " h" : Math.floor(minutes / 1440) + " days";
  }
  function refresh() {
    for (const element of document.querySelectorAll("[data-age]")) {
      const minutes = Math.floor((Date.now() - Date.parse(element.dateTime)) / 60000);
      if (minutes >= 0) element.textContent = describe(minutes);
    }
    // The file was written after a run; opened after the next one was due, it says so.
    const late = document.getElementById("late");
    if (late && Date.now() > Date.parse(late.dataset.due)) late.hidden = false;
  }
  refresh();
  setInterval(refresh, 30000);
  window.addEventListener("focus", refresh);

  document.addEventListener("click", function (event) {
    const button = event.target.closest("button");
    if (button && button.hasAttribute("aria-controls")) {
      const row = document.getElementById(button.getAttribute("aria-controls"));
      row.hidden = !row.hidden;
      button.setAttribute("aria-expanded", String(!row.hidden));
    } else if (button && button.id === "all-tables") {
      for (const row of document.querySelectorAll("[data-rest]")) row.hidden = false;
      button.parentElement.hidden = true;
    } else if (button && button.dataset.csv) {
      const text = JSON.parse(document.getElementById(button.dataset.csv).textContent);
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob(["\ufeff" + text], { type: "text/csv" }));
      link.download = button.dataset.name;
      link.click();
    } else if (button && button.dataset.copy) {
      const source = document.getElementById(button.dataset.copy);
      const done = () => { button.textContent = "Copied"; };
      const select = () => { getSelection().selectAllChildren(source); if (document.execCommand("copy")) done(); };
      if (navigator.clipboard) navigator.clipboard.writeText(source.textContent).then(done, select);
      else select();
    }

    // Inside Airflow the page is in a frame that may not navigate: let Airflow's own router follow the link.
    const link = event.target.closest("a[data-airflow]");
    if (!link || window.parent === window || event.ctrlKey || event.metaKey || event.shiftKey) return;
    try {
      window.parent.history.pushState({}, "", link.href);
      window.parent.dispatchEvent(new PopStateEvent("popstate", { state: {} }));
      event.preventDefault();
    } catch (error) {
      // Framed by another site: the link stays an ordinary link.
    }
  });
})();
