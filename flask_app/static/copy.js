// Copies an element's text. The buttons are hidden until this runs: without it they would do nothing.
for (const button of document.querySelectorAll("button[data-copy]")) {
    if (!navigator.clipboard) {
        continue;
    }
    button.hidden = false;
    button.addEventListener("click", async () => {
        const label = button.textContent;
        try {
            await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
            button.textContent = "Copied";
        } catch {
            button.textContent = "Could not copy";
        }
        setTimeout(() => { button.textContent = label; }, 1500);
    });
}
