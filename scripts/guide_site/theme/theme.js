// Runs before anything is drawn, so that a page never flashes in the other colours.
document.body.dataset.theme = localStorage.getItem("theme") || "auto";
