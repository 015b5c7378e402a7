// What the module of the page gives to its worker: `inspector.js`, which is made while the page is built.

declare module "shipote-inspect" {
  export function initSync(options: { module: WebAssembly.Module }): { memory: WebAssembly.Memory };

  /** Files that are looked at; see `bindings.rs`. */
  export class Session {
    skip_history(): void;
    begin(name: string, size: number): void;
    take(piece: Uint8Array): void;
    end(): boolean;
    judge(): string;
    ask(question: string): string;
  }
}
