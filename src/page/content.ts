/** What the page is given beside its script. */
export interface PageContent {
  /** Text of the cluster file, as `formatCluster` writes it. */
  cluster: string;
  /** By replica: `http://HOST:PORT`. No trust is in them: whoever answers there has to sign. */
  addresses: string[];
  /** Where the page is from, in words. */
  source: string;
}
