/** In ms. `initial` is assumed until there is a measurement. */
export interface ResponseBounds {
  initial: number;
  least: number;
  most: number;
}

/**
 * How long an answer is waited for before more is asked of the replicas: the mean of what answers took lately, and four
 * times their mean deviation from it (RFC 6298 §2), within bounds.
 */
export class ResponseTime {
  private mean: number | undefined;
  private deviation = 0;

  constructor(private readonly bounds: ResponseBounds) {}

  /** What one answer took since its request was first sent: rather too long than too short, if it was sent again. */
  note(took: number): void {
    const sample = Math.min(took, this.bounds.most);
    if (this.mean === undefined) {
      this.mean = sample;
      this.deviation = sample / 2;
      return;
    }
    this.deviation += (Math.abs(sample - this.mean) - this.deviation) / 4;
    this.mean += (sample - this.mean) / 8;
  }

  get timeout(): number {
    const { initial, least, most } = this.bounds;
    if (this.mean === undefined) return initial;
    return Math.min(Math.max(this.mean + 4 * this.deviation, least), most);
  }
}
