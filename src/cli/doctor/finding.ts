/** One thing that was looked at. */
export interface Finding {
  verdict: 'ok' | 'warning' | 'failed';
  /** One line: what is so, and if that is not good, what to do. */
  what: string;
}

export const ok = (what: string): Finding => ({ verdict: 'ok', what });
export const warning = (what: string): Finding => ({ verdict: 'warning', what });
export const failed = (what: string): Finding => ({ verdict: 'failed', what });
