/** A storey's drawing on the screen: its SVG, what part of it is seen, and where its shapes are. */

const ZOOM_MAX = 60;
const MARGIN = 0.06;

export interface Spot {
  x: number;
  y: number;
}

export class Sheet {
  private readonly followers = new Set<() => void>();
  private readonly shapes = new Map<string, SVGGraphicsElement>();
  private whole: DOMRect;
  private view: { x: number; y: number; w: number; h: number };

  private constructor(
    readonly host: HTMLElement,
    readonly svg: SVGSVGElement,
  ) {
    const { x, y, width, height } = svg.viewBox.baseVal;
    this.whole = new DOMRect(x, y, Math.max(width, 0.1), Math.max(height, 0.1));
    for (const shape of svg.querySelectorAll<SVGGraphicsElement>("[data-id]")) {
      const id = shape.dataset["id"]!;
      if (!this.shapes.has(id)) this.shapes.set(id, shape);
    }
    this.view = { x, y, w: width, h: height };
    this.fit();
  }

  /** Put a drawing on a host. Only shapes are taken over: what could act is left behind. */
  static lay(host: HTMLElement, text: string): Sheet | null {
    const parsed = new DOMParser().parseFromString(text, "image/svg+xml").documentElement;
    if (parsed.localName !== "svg") return null;
    for (const one of parsed.querySelectorAll("script, foreignObject, style, a, image, use")) one.remove();
    const svg = document.importNode(parsed, true) as unknown as SVGSVGElement;
    svg.removeAttribute("width");
    svg.removeAttribute("height");
    svg.setAttribute("preserveAspectRatio", "xMidYMid meet");
    svg.setAttribute("aria-hidden", "true");
    host.replaceChildren(svg);
    return svg.viewBox.baseVal ? new Sheet(host, svg) : null;
  }

  get ids(): Iterable<string> {
    return this.shapes.keys();
  }

  shape(id: string): SVGGraphicsElement | undefined {
    return this.shapes.get(id);
  }

  classOf(id: string): string {
    return this.shapes.get(id)?.classList[0] ?? this.shapes.get(id)?.parentElement?.classList[0] ?? "";
  }

  /** The middle of a shape, moved inside where the shape is hollow there. */
  middle(id: string): Spot | null {
    const shape = this.shapes.get(id);
    if (!shape) return null;
    const box = shape.getBBox();
    const inside = (fx: number, fy: number): Spot | null => {
      const spot = new DOMPoint(box.x + box.width * fx, box.y + box.height * fy);
      return !(shape instanceof SVGGeometryElement) || shape.isPointInFill(spot) ? spot : null;
    };
    for (const [fx, fy] of [[0.5, 0.5], [0.5, 0.25], [0.5, 0.75], [0.25, 0.5], [0.75, 0.5], [0.25, 0.25], [0.75, 0.25], [0.25, 0.75], [0.75, 0.75]] as const) {
      const spot = inside(fx, fy);
      if (spot) return spot;
    }
    return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
  }

  /** The size of a shape on the screen, in pixels. */
  sizeOf(id: string): { width: number; height: number } {
    const box = this.shapes.get(id)?.getBBox();
    const scale = this.scale;
    return box ? { width: box.width * scale, height: box.height * scale } : { width: 0, height: 0 };
  }

  screenOf({ x, y }: Spot): Spot {
    return { x: (x - this.view.x) * this.scale, y: (y - this.view.y) * this.scale };
  }

  /** Call this after every move of the view, until the returned function is called. */
  onMove(follow: () => void): () => void {
    this.followers.add(follow);
    return () => this.followers.delete(follow);
  }

  /** A place of the model, metres from the tile set's origin, on the drawing. */
  spotOf(x_m: number, y_m: number): Spot {
    return { x: x_m, y: -y_m };
  }

  /** What lies in the middle of the view, metres from the tile set's origin. */
  get middle_m(): Spot {
    return { x: this.view.x + this.view.w / 2, y: -(this.view.y + this.view.h / 2) };
  }

  /** Pixels a metre. */
  get scale(): number {
    return this.host.clientWidth / this.view.w;
  }

  /** Make room for places beside the drawing, too. */
  include(spots: readonly Spot[]): void {
    let { left, top, right, bottom } = this.whole;
    for (const { x, y } of spots) [left, top, right, bottom] = [Math.min(left, x), Math.min(top, y), Math.max(right, x), Math.max(bottom, y)];
    this.whole = new DOMRect(left, top, right - left, bottom - top);
    this.fit();
  }

  fit(): void {
    const { x, y, width, height } = this.whole;
    this.show(x + width / 2, y + height / 2, Math.max(width, height * this.aspect) * (1 + 2 * MARGIN));
  }

  focus(id: string): void {
    const box = this.shapes.get(id)?.getBBox();
    if (box) this.show(box.x + box.width / 2, box.y + box.height / 2, Math.max(12, box.width * 3, box.height * 3 * this.aspect));
  }

  /** Zoom by a factor around a place of the host, in pixels from its corner. */
  zoom(factor: number, at: Spot = { x: this.host.clientWidth / 2, y: this.host.clientHeight / 2 }): void {
    const w = Math.min(this.widest, Math.max(this.widest / ZOOM_MAX, this.view.w / factor));
    const share = w / this.view.w;
    const [px, py] = [this.view.x + at.x / this.scale, this.view.y + at.y / this.scale];
    this.set(px - (px - this.view.x) * share, py - (py - this.view.y) * share, w);
  }

  /** Move the paper by pixels. */
  pan(dx: number, dy: number): void {
    this.set(this.view.x - dx / this.scale, this.view.y - dy / this.scale, this.view.w);
  }

  resized(): void {
    this.set(this.view.x, this.view.y, this.view.w);
  }

  private get aspect(): number {
    return this.host.clientWidth / Math.max(1, this.host.clientHeight);
  }

  private get widest(): number {
    return Math.max(this.whole.width, this.whole.height * this.aspect) * 1.6;
  }

  private show(cx: number, cy: number, w: number): void {
    this.set(cx - w / 2, cy - w / this.aspect / 2, w);
  }

  private set(x: number, y: number, w: number): void {
    if (!this.host.clientWidth) return;
    const h = w / this.aspect;
    // some of the drawing always stays in sight
    const { whole } = this;
    const hold = (at: number, size: number, low: number, length: number) => Math.min(low + length * 0.9, Math.max(low + length * 0.1 - size, at));
    this.view = { x: hold(x, w, whole.x, whole.width), y: hold(y, h, whole.y, whole.height), w, h };
    this.svg.setAttribute("viewBox", `${this.view.x} ${this.view.y} ${w} ${h}`);
    for (const follow of this.followers) follow();
  }
}
