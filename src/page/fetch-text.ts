/** A text of `most` bytes at most, whole within the time. @throws whatever hinders it */
export async function fetchText(url: string, most: number, withinMs: number): Promise<string> {
  const ending = new AbortController();
  const timer = setTimeout(() => ending.abort(), withinMs);
  try {
    const response = await fetch(url, {
      signal: ending.signal,
      credentials: 'omit',
      cache: 'no-store',
      redirect: 'error',
    });
    if (!response.ok || response.body === null) throw new Error(`status ${response.status}`);
    const reader = response.body.getReader();
    const decoder = new TextDecoder('utf-8', { fatal: true });
    let text = '';
    let bytes = 0;
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return text + decoder.decode();
      bytes += value.length;
      if (bytes > most) throw new Error(`more than ${most} bytes`);
      text += decoder.decode(value, { stream: true });
    }
  } finally {
    clearTimeout(timer);
    ending.abort();
  }
}
