(() => {
  const video = document.querySelector("video");
  if (!video) return;
  const sources = [...video.querySelectorAll("source")];
  const playing = document.getElementById("playing");
  const unplayable = document.getElementById("unplayable");
  const fail = () => { unplayable.hidden = false; playing.textContent = ""; };
  sources.at(-1).addEventListener("error", fail);
  video.addEventListener("error", fail);
  video.addEventListener("loadedmetadata", () => {
    unplayable.hidden = true;
    const name = decodeURIComponent(new URL(video.currentSrc).pathname.split("/").pop());
    playing.textContent = `Plays ${name}.`;
  });
  if (sources.every((source) => video.canPlayType(source.type) === "")) fail();
})();
