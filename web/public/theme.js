// Before the first paint: the chosen theme and language, so that nothing flashes.
try {
  const chosen = JSON.parse(localStorage.getItem("aid4.settings") || "{}");
  if (chosen.theme === "dark" || chosen.theme === "light") document.documentElement.dataset.theme = chosen.theme;
  if (chosen.language) document.documentElement.lang = chosen.language;
} catch {
  // storage is blocked or damaged: the system's theme is used
}
