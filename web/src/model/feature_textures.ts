import { DataTexture, FloatType, NearestFilter, RGBAFormat, UnsignedByteType } from "three";

/** Texels a row of both textures; 1,024 rows of it hold half a million features. */
export const TEXTURE_WIDTH = 512;
/** Dates of a feature that no task builds. */
export const NO_DATE = 1e9;

/**
 * Colour and visibility of every feature: RGBA, alpha 0 hidden … 254 opaque, its lowest bit says "highlighted".
 * Only the rows of the texture that changed since the last frame are uploaded.
 */
export class ColourTexture {
  readonly texture: DataTexture;
  readonly data: Uint8Array;
  private readonly touched: Uint8Array;

  constructor(readonly count: number) {
    const height = Math.max(1, Math.ceil(count / TEXTURE_WIDTH));
    this.data = new Uint8Array(TEXTURE_WIDTH * height * 4);
    this.touched = new Uint8Array(height);
    this.texture = new DataTexture(this.data, TEXTURE_WIDTH, height, RGBAFormat, UnsignedByteType);
    nearest(this.texture);
  }

  /** `rgb` is 0xrrggbb, `alpha` 0..1. */
  set(row: number, rgb: number, alpha: number): void {
    const at = row * 4;
    const a = (Math.round(alpha * 254) & 254) | (this.data[at + 3]! & 1);
    this.write(at, rgb >> 16, (rgb >> 8) & 255, rgb & 255, a);
  }

  highlight(row: number, on: boolean): void {
    const at = row * 4;
    const { data } = this;
    this.write(at, data[at]!, data[at + 1]!, data[at + 2]!, (data[at + 3]! & 254) | (on ? 1 : 0));
  }

  alphaOf(row: number): number {
    return (this.data[row * 4 + 3]! & 254) / 254;
  }

  /** Is there anything to hand over? */
  get changed(): boolean {
    return this.touched.includes(1);
  }

  /** Hand the changed rows to the renderer; how many there were. */
  flush(): number {
    let rows = 0;
    for (let row = 0; row < this.touched.length; row++) {
      if (!this.touched[row]) continue;
      this.touched[row] = 0;
      this.texture.addUpdateRange(row * TEXTURE_WIDTH * 4, TEXTURE_WIDTH * 4);
      rows++;
    }
    if (rows) this.texture.needsUpdate = true;
    return rows;
  }

  /** After a lost context everything is new to the graphics card. */
  renew(): void {
    this.touched.fill(0);
    this.texture.clearUpdateRanges();
    this.texture.needsUpdate = true;
  }

  private write(at: number, r: number, g: number, b: number, a: number): void {
    const { data } = this;
    if (data[at] === r && data[at + 1] === g && data[at + 2] === b && data[at + 3] === a) return;
    data[at] = r;
    data[at + 1] = g;
    data[at + 2] = b;
    data[at + 3] = a;
    this.touched[Math.floor(at / 4 / TEXTURE_WIDTH)] = 1;
  }
}

/** Planned start and finish, real start and finish (reported, else expected) of every feature, in days since `baseMs`. */
export class DatesTexture {
  readonly texture: DataTexture;
  readonly data: Float32Array;
  /** 2020-01-01, so that a float32 still tells minutes apart in fifty years. */
  readonly baseMs = Date.UTC(2020, 0, 1);

  constructor(count: number) {
    const height = Math.max(1, Math.ceil(count / TEXTURE_WIDTH));
    this.data = new Float32Array(TEXTURE_WIDTH * height * 4).fill(NO_DATE);
    this.texture = new DataTexture(this.data, TEXTURE_WIDTH, height, RGBAFormat, FloatType);
    nearest(this.texture);
  }

  days(ms: number): number {
    return (ms - this.baseMs) / 86_400_000;
  }

  set(row: number, dates: readonly (number | null)[]): void {
    for (let i = 0; i < 4; i++) {
      const ms = dates[i];
      this.data[row * 4 + i] = ms === null || ms === undefined ? NO_DATE : this.days(ms);
    }
    this.texture.needsUpdate = true;
  }
}

function nearest(texture: DataTexture): void {
  texture.minFilter = texture.magFilter = NearestFilter;
  texture.generateMipmaps = false;
  texture.unpackAlignment = 4;
  texture.needsUpdate = true;
}
