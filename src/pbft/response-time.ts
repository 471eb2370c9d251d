/** In ms. Until there is a measurement one second is assumed, as in RFC 6298 §2.1. */
const Bounds = { initial: 1000, least: 250, most: 2000 } as const;

/**
 * How long an answer is waited for before the request is sent again: the mean of what answers took lately, and four times
 * their mean deviation from it (RFC 6298 §2). For large requests, which cost too much to be sent again only because much
 * is asked of the replicas. Small ones are sent again at a fixed time, so that no primary can get clients used to
 * delays; what it can gain with large ones is bounded.
 */
export class ResponseTime {
  private mean: number | undefined;
  private deviation = 0;

  /** What one answer took since its request was first sent: rather too long than too short, if it was sent again. */
  note(took: number): void {
    const sample = Math.min(took, Bounds.most);
    if (this.mean === undefined) {
      this.mean = sample;
      this.deviation = sample / 2;
      return;
    }
    this.deviation += (Math.abs(sample - this.mean) - this.deviation) / 4;
    this.mean += (sample - this.mean) / 8;
  }

  get timeout(): number {
    if (this.mean === undefined) return Bounds.initial;
    return Math.min(Math.max(this.mean + 4 * this.deviation, Bounds.least), Bounds.most);
  }
}
