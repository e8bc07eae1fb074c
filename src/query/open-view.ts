import { type Lake, type LayerSource, type ViewState, viewRowsText } from "#lake";

/** Makes the SQL of a view's rows; see {@link viewRowsText}. */
export type RowsText = (sourceOf?: LayerSource) => string;

/** How long a view's files stay at hand after its last reader, in case the next question is about it too. */
const IDLE_MS = 30_000;

/**
 * One view of a snapshot, with the local copies of its files while somebody reads them. A remote lake's copies can so make room for those
 * of other views, however long the snapshot itself stays open.
 */
export class OpenView {
  private readonly lake: Lake;
  private readonly view: ViewState;
  private open: { readonly text: Promise<RowsText>; readonly giveBack: () => void } | undefined;
  private users = 0;
  private idle: NodeJS.Timeout | undefined;

  constructor(lake: Lake, view: ViewState) {
    this.lake = lake;
    this.view = view;
  }

  /** What makes the parenthesised SELECT of the view's rows, good until {@link leave}. */
  enter(): Promise<RowsText> {
    this.users++;
    clearTimeout(this.idle);
    this.open ??= this.fetch();
    return this.open.text;
  }

  private fetch(): NonNullable<OpenView["open"]> {
    const hold = this.lake.store.hold();
    const giveBack = (): void => void hold.release().catch(() => undefined);
    const text = this.lake.readingInto(hold, () => viewRowsText(this.lake, this.view));
    text.catch(() => {
      // The next question tries again.
      if (this.open?.text === text) this.open = undefined;
      giveBack();
    });
    return { text, giveBack };
  }

  /** Ends what {@link enter} began. */
  leave(): void {
    this.users--;
    if (this.users > 0) return;
    this.idle = setTimeout(() => this.close(), IDLE_MS);
    this.idle.unref();
  }

  /** Gives the files back unless somebody reads them. */
  close(): void {
    if (this.users > 0) return;
    clearTimeout(this.idle);
    this.open?.giveBack();
    this.open = undefined;
  }
}
