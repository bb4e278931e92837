// Browsers start no Worker from pages on disk (file://), and the search is one. There, a hidden
// frame does its work. With a server nothing changes.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      const base = new URL(url, document.baseURI);
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      this.frame.srcdoc = "<!doctype html><body></body>";
      this.ready = new Promise((resolve, reject) => {
        this.frame.onload = () => {
          const inner = this.frame.contentWindow;
          const load = (from) =>
            new Promise((done, failed) => {
              const script = inner.document.createElement("script");
              script.src = new URL(from, base);
              script.onload = done;
              script.onerror = () => failed(new Error(`${script.src} cannot be loaded`));
              inner.document.body.append(script);
            });
          inner.importScripts = (...urls) =>
            urls.reduce((before, one) => before.then(() => load(one)), Promise.resolve());
          inner.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data }));
          load(base).then(resolve, reject);
        };
      });
      document.body.append(this.frame);
    }
    postMessage(data) {
      this.ready.then(() => {
        const inner = this.frame.contentWindow;
        inner.dispatchEvent(new inner.MessageEvent("message", { data }));
      });
    }
    terminate() {
      this.frame.remove();
    }
  };
}
